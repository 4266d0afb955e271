"""Kafka messages: change events in Debezium's envelope, interaction events and prediction events."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from neighborconnect.contracts.columns import Column, ColumnType, public, time

EVENT_ID_HEADER = "event-id"
TRACEPARENT_HEADER = "traceparent"


class ChangeSource(BaseModel):
    """Origin of a change. ``lsn`` is the event id: unique, and increasing with each change of a row."""

    model_config = ConfigDict(extra="allow")

    version: str
    connector: str
    name: str
    ts_ms: int
    db: str
    schema_: str = Field(alias="schema")
    table: str
    transaction_id: int = Field(alias="txId")
    lsn: int


class ChangeEvent(BaseModel):
    """A committed row change. ``before`` is null for ``c`` and ``r``; ``after`` is null for ``d``."""

    before: dict[str, Any] | None
    after: dict[str, Any] | None
    source: ChangeSource
    op: Literal["c", "u", "d", "r"]
    ts_ms: int


class InteractionKind(StrEnum):
    """Kind of an interaction of a user with an item.

    ``visit`` comes only from imported histories, and ``unhide`` only from the person's list of hidden items.
    """

    IMPRESSION = "impression"
    CLICK = "click"
    DWELL = "dwell"
    HIDE = "hide"
    UNHIDE = "unhide"
    VISIT = "visit"


class ItemKind(StrEnum):
    """Kind of an item that models recommend."""

    POST = "post"
    CONNECTOR = "connector"
    EVENT = "event"
    ITEM = "item"


SHORT_LIVED = frozenset({ItemKind.EVENT, ItemKind.ITEM})
"""Kinds whose items close: an event starts or is full, an item of the marketplace is sold."""


class ReportableKind(StrEnum):
    """Kind of an item that a feed serves, so that behavior with it can be reported; models rank ``ItemKind`` only."""

    POST = "post"
    CONNECTOR = "connector"
    EVENT = "event"
    ITEM = "item"
    STORY = "story"
    REEL = "reel"
    USER = "user"


class Surface(StrEnum):
    """Part of the app that showed an item."""

    FEED = "feed"
    SEARCH = "search"
    CONNECTOR = "connector"
    PROFILE = "profile"
    MAP = "map"
    NOTIFICATION = "notification"


class InteractionEvent(BaseModel):
    """One interaction event as published on ``behaviour.interactions``; keyed by user."""

    model_config = ConfigDict(extra="forbid")

    event_id: int
    interaction_id: UUID
    user_id: UUID
    kind: InteractionKind
    item_kind: ReportableKind
    item_id: UUID
    request_id: UUID | None
    position: int | None = Field(ge=0)
    dwell_ms: int | None = Field(ge=0)
    occurred_at: AwareDatetime
    received_at: AwareDatetime
    surface: Surface | None = None


class PredictionEvent(BaseModel):
    """One answer of a model or of its fallback, as published on ``prediction.recommendations``."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    event_id: int
    request_id: UUID
    user_id: UUID
    item_kind: ItemKind
    path: str
    reason_code: str | None
    model_version: str | None
    item_ids: list[UUID]
    scores: list[float]
    features: dict[str, Any]
    latency_ms: float
    predicted_at: datetime
    item_index_version: str | None = None
    policy_version: str | None = None
    page: int | None = None
    excluded_counts: dict[str, int] | None = None
    items: list[dict[str, Any]] | None = None
    stage_ms: dict[str, float] | None = None


class JudgementEvent(BaseModel):
    """Prediction of a model, or of the rules in its place, about a text, an upload or a person's matches.

    As published on ``prediction.judgements``, keyed by who it is about. It holds verdicts and scores, never what was
    judged, and names nobody else.
    """

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    event_id: int
    judgement_id: UUID
    user_id: UUID | None
    family: str
    asked: str
    subject_kind: str | None
    subject_id: UUID | None
    path: str
    reason_code: str | None
    model_version: str | None
    answer: dict[str, Any]
    latency_ms: float
    judged_at: datetime


class ExposureEvent(BaseModel):
    """Exposure of a user to a variant of an experiment, as published on ``experiment.exposures``; keyed by user."""

    model_config = ConfigDict(extra="forbid")

    event_id: int
    exposure_id: UUID
    user_id: UUID
    experiment: str
    variant: str
    exposed_at: AwareDatetime


_UUID, _TEXT, _INT, _JSON, _FLOAT = (
    ColumnType.UUID,
    ColumnType.TEXT,
    ColumnType.INTEGER,
    ColumnType.JSON,
    ColumnType.FLOAT,
)

INTERACTION_COLUMNS: tuple[Column, ...] = (
    public("interaction_id", _UUID, "Id of the event, assigned by the client."),
    public("user_id", _UUID, "Id of the acting user.", references="users"),
    public("kind", _TEXT, "Kind of act.", values=tuple(InteractionKind)),
    public("item_kind", _TEXT, "Kind of item.", values=tuple(ReportableKind)),
    public("item_id", _UUID, "Id of the item."),
    public("request_id", _UUID, "Id of the feed response with the item; null outside a feed."),
    public("position", _INT, "Zero-based position in that feed."),
    public("dwell_ms", _INT, "Time on screen in milliseconds."),
    time("occurred_at", "Event time"),
    time("received_at", "Time of receipt"),
    public("surface", _TEXT, "Part of the app that showed the item; null if unstated.", values=tuple(Surface)),
)
PREDICTION_COLUMNS: tuple[Column, ...] = (
    public("request_id", _UUID, "Id of the response, which resulting behavior events repeat."),
    public("user_id", _UUID, "Id of the requesting user.", references="users"),
    public("item_kind", _TEXT, "Kind of the recommended items.", values=tuple(ItemKind)),
    public("path", _TEXT, "Source of the response."),
    public("reason_code", _TEXT, "Reason for a fallback; null without a fallback."),
    public("model_version", _TEXT, "Version of the model; null if no model responded."),
    public("item_ids", _JSON, "Item ids by descending rank: a JSON array."),
    public("scores", _JSON, "Scores of the items, in the same order."),
    public("features", _JSON, "Feature values used by the model."),
    public("latency_ms", _FLOAT, "Latency in milliseconds."),
    time("predicted_at", "Time of the response"),
    public("item_index_version", _TEXT, "Version of the item index; null if no model responded."),
    public("policy_version", _TEXT, "Hash of the re-ranking parameters."),
    public("page", _INT, "Zero-based page of the feed."),
    public("excluded_counts", _JSON, "Excluded items by reason code: a JSON object."),
    public("items", _JSON, "Sources, path and reasons of each item, in the same order: a JSON array."),
    public("stage_ms", _JSON, "Milliseconds of each stage: a JSON object."),
)
JUDGEMENT_COLUMNS: tuple[Column, ...] = (
    public("judgement_id", _UUID, "Id of the prediction."),
    public("user_id", _UUID, "Id of the author, the uploader or the requesting user.", references="users"),
    public("family", _TEXT, "Model family: content, matching, image or video."),
    public("asked", _TEXT, "Task of the model."),
    public("subject_kind", _TEXT, "Kind of the input."),
    public("subject_id", _UUID, "Id of the input."),
    public("path", _TEXT, "model or rules."),
    public("reason_code", _TEXT, "Reason why no model responded."),
    public("model_version", _TEXT, "Version of the model."),
    public("answer", _JSON, "Labels and scores as JSON."),
    public("latency_ms", _FLOAT, "Latency in milliseconds."),
    time("judged_at", "Time of the event"),
)
EXPOSURE_COLUMNS: tuple[Column, ...] = (
    public("exposure_id", _UUID, "Id of the exposure."),
    public("user_id", _UUID, "Id of the exposed user.", references="users"),
    public("experiment", _TEXT, "Key of the experiment."),
    public("variant", _TEXT, "Variant shown to the user."),
    time("exposed_at", "Time of the event"),
)
