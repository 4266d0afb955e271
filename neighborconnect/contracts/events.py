"""Messages on Kafka: change events in Debezium's envelope, behaviour events and prediction events."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from neighborconnect.contracts.tables import Column, ColumnType

EVENT_ID_HEADER = "event-id"
TRACEPARENT_HEADER = "traceparent"


class ChangeSource(BaseModel):
    """Where a change came from. ``lsn`` is the event id: unique, and rising with each change of a row."""

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
    """What a person did with an item. ``visit`` comes only from imported histories."""

    IMPRESSION = "impression"
    CLICK = "click"
    DWELL = "dwell"
    HIDE = "hide"
    VISIT = "visit"


class ItemKind(StrEnum):
    """What can be recommended."""

    POST = "post"
    CONNECTOR = "connector"


class InteractionEvent(BaseModel):
    """One behaviour event as published on ``behaviour.interactions``; keyed by user."""

    model_config = ConfigDict(extra="forbid")

    event_id: int
    interaction_id: UUID
    user_id: UUID
    kind: InteractionKind
    item_kind: ItemKind
    item_id: UUID
    request_id: UUID | None
    position: int | None = Field(ge=0)
    dwell_ms: int | None = Field(ge=0)
    occurred_at: AwareDatetime
    received_at: AwareDatetime


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


class JudgementEvent(BaseModel):
    """What a model, or the rules in its place, said of a text, an upload or a person's matches.

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
    """Somebody met a variant of an experiment, as published on ``experiment.exposures``; keyed by user."""

    model_config = ConfigDict(extra="forbid")

    event_id: int
    exposure_id: UUID
    user_id: UUID
    experiment: str
    variant: str
    exposed_at: AwareDatetime


_UUID, _TEXT, _INT, _TIME, _JSON, _FLOAT = (
    ColumnType.UUID,
    ColumnType.TEXT,
    ColumnType.INTEGER,
    ColumnType.TIMESTAMP,
    ColumnType.JSON,
    ColumnType.FLOAT,
)

INTERACTION_COLUMNS: tuple[Column, ...] = (
    Column("interaction_id", _UUID),
    Column("user_id", _UUID),
    Column("kind", _TEXT),
    Column("item_kind", _TEXT),
    Column("item_id", _UUID),
    Column("request_id", _UUID),
    Column("position", _INT),
    Column("dwell_ms", _INT),
    Column("occurred_at", _TIME),
    Column("received_at", _TIME),
)
PREDICTION_COLUMNS: tuple[Column, ...] = (
    Column("request_id", _UUID),
    Column("user_id", _UUID),
    Column("item_kind", _TEXT),
    Column("path", _TEXT),
    Column("reason_code", _TEXT),
    Column("model_version", _TEXT),
    Column("item_ids", _JSON),
    Column("scores", _JSON),
    Column("features", _JSON),
    Column("latency_ms", _FLOAT),
    Column("predicted_at", _TIME),
)
JUDGEMENT_COLUMNS: tuple[Column, ...] = (
    Column("judgement_id", _UUID),
    Column("user_id", _UUID),
    Column("family", _TEXT),
    Column("asked", _TEXT),
    Column("subject_kind", _TEXT),
    Column("subject_id", _UUID),
    Column("path", _TEXT),
    Column("reason_code", _TEXT),
    Column("model_version", _TEXT),
    Column("answer", _JSON),
    Column("latency_ms", _FLOAT),
    Column("judged_at", _TIME),
)
EXPOSURE_COLUMNS: tuple[Column, ...] = (
    Column("exposure_id", _UUID),
    Column("user_id", _UUID),
    Column("experiment", _TEXT),
    Column("variant", _TEXT),
    Column("exposed_at", _TIME),
)
