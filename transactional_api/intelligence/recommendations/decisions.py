"""Decisions of feeds: why an answer has its items in its order, stored for a week.

A decision is logged as a prediction event and stored in ``feed_decisions``, both only with consent to tracking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select, text

from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.serving import RankingPath, RankRequest
from neighborconnect.feed.dials import Dials
from neighborconnect.feed.eligibility import Exclusion, Mask
from neighborconnect.feed.page_record import PageRecord
from transactional_api.core.compiled_queries import uuid_param
from transactional_api.core.db.statements import CompiledStatement, StatementRunner
from transactional_api.core.db.tables import FeedDecision
from transactional_api.core.errors import NotFoundError
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.recommendations.pages import RankedItem, Source
from transactional_api.intelligence.recommendations.reasons import Reason

ON_SCREEN: Final = "on_screen"
"""Reason code of items of earlier pages and of ``exclude``."""
HOME: Final = "home"
"""Kind of the mixed feed, in its decisions and sessions."""
_ID_BYTES: Final = 16
_INSERT: Final = CompiledStatement(
    text(
        "INSERT INTO feed_decisions (request_id, user_id, item_kind, record, excluded) "
        "VALUES (:request_id, :user_id, :item_kind, CAST(:record AS jsonb), :excluded) RETURNING request_id"
    )
)
_COLUMNS: Final = (
    FeedDecision.request_id,
    FeedDecision.user_id,
    FeedDecision.item_kind,
    FeedDecision.created_at,
    FeedDecision.record,
    FeedDecision.excluded,
)
_STORED: Final = select(*_COLUMNS).where(FeedDecision.request_id == uuid_param("request_id"))
_OWN: Final = CompiledStatement(_STORED.where(FeedDecision.user_id == uuid_param("viewer_id")))
_ANY: Final = CompiledStatement(_STORED)


class DecidedReason(BaseModel):
    """Reason of an item, without its text."""

    code: str = Field(examples=["because_you_liked"])
    share: float = Field(description="Share of the score.", examples=[0.62])


class DecidedItem(BaseModel):
    """Item of an answer, and why it is there."""

    item_id: UUID = Field(examples=["5b0c7f0e-5d0e-4a53-9f57-4b6a0f6f6f11"])
    position: int = Field(description="Zero-based position in the answer.", examples=[0])
    score: float = Field(examples=[0.83])
    path: RankingPath = Field(description="Path that selected this item.", examples=["collaborative"])
    sources: list[Source] = Field(description="Sources that suggested the item.", examples=[["model", "new"]])
    reasons: list[DecidedReason] = Field(description="The strongest first.")
    kind: ItemKind | None = Field(
        default=None, description="Kind of an item of a home feed; null in feeds of one kind.", examples=[None]
    )


class RankingRecord(BaseModel):
    """How the items of one kind were ranked."""

    model_config = ConfigDict(protected_namespaces=())

    path: RankingPath
    reason_code: str | None
    model_version: str | None
    item_index_version: str | None
    excluded_counts: dict[str, int]
    request: RankRequest | None
    model_items: list[str]
    pages: PageRecord
    dials: Dials = Field(default_factory=Dials)
    """Dials of the person. Records of earlier releases lack them and the multipliers."""
    multipliers: dict[str, float] = Field(default_factory=dict)
    """Factors of the relevance of recorded items by dials and priors, where they are not 1."""
    acts_since: datetime | None = None
    """Time of the person's last reset of personalization; None without one."""


class DecisionRecord(RankingRecord):
    """Stored part of the decision of a feed of one kind."""

    page: int
    policy_version: str
    stage_ms: dict[str, float]
    items: list[DecidedItem]
    at: datetime
    variants: dict[str, str] = Field(default_factory=dict)
    """Variants of experiments on ranking by experiment. Records of earlier releases lack them."""

    @property
    def rankings(self) -> list[RankingRecord]:
        """The rankings of the answer."""
        return [self]


class HomePartRecord(RankingRecord):
    """Ranking of one kind in the record of a home feed.

    Attributes:
        excluded_size: number of its ids among the excluded items of the decision, which are in the order of the parts.
        shown: ranked items that the person was shown within the last days.
    """

    kind: ItemKind
    excluded_size: int
    shown: list[str]


class HomeRecord(BaseModel):
    """Stored part of the decision of a home feed."""

    page: int
    policy_version: str
    stage_ms: dict[str, float]
    items: list[DecidedItem]
    at: datetime
    limit: int
    parts: list[HomePartRecord]
    variants: dict[str, str] = Field(default_factory=dict)

    @property
    def rankings(self) -> list[RankingRecord]:
        """The rankings of the answer, one for each kind of item."""
        return [*self.parts]


class ExplainedPart(BaseModel):
    """Ranking of one kind of item of a home feed."""

    model_config = ConfigDict(protected_namespaces=())

    kind: ItemKind = Field(examples=["post"])
    path: RankingPath = Field(examples=["collaborative"])
    reason_code: str | None = Field(description="Reason of a fallback; null without one.", examples=[None])
    model_version: str | None = Field(description="Null if no model responded.", examples=["7"])
    item_index_version: str | None = Field(
        description="Version of the model's items.", examples=["2026-11-22T00:00:00Z"]
    )
    excluded_counts: dict[str, int] = Field(
        description="Number of excluded items by reason; `on_screen` are those of earlier pages.",
        examples=[{"liked": 12, "hidden": 1, "on_screen": 20}],
    )


class FeedExplanation(BaseModel):
    """Explanation of an answer of a feed. For a home feed, ``parts`` have what differs between its kinds."""

    model_config = ConfigDict(protected_namespaces=())

    request_id: UUID = Field(examples=["5b0c7f0e-5d0e-4a53-9f57-4b6a0f6f6f11"])
    item_kind: str = Field(description="Kind of the items, or `home`.", examples=["post"])
    answered_at: datetime = Field(examples=["2026-11-29T12:00:00Z"])
    page: int = Field(description="Zero-based page of the feed.", examples=[0])
    path: RankingPath | None = Field(description="Null for a home feed.", examples=["collaborative"])
    reason_code: str | None = Field(description="Reason of a fallback; null without one.", examples=[None])
    model_version: str | None = Field(description="Null if no model responded.", examples=["7"])
    item_index_version: str | None = Field(
        description="Version of the model's items.", examples=["2026-11-22T00:00:00Z"]
    )
    policy_version: str = Field(description="Hash of the re-ranking parameters.", examples=["2f0c8a51d6b3"])
    excluded_counts: dict[str, int] = Field(
        description="Number of excluded items by reason; `on_screen` are those of earlier pages.",
        examples=[{"liked": 12, "hidden": 1, "on_screen": 20}],
    )
    acts_since: datetime | None = Field(
        description="Time of your reset of personalization, before which no act counted; null without one.",
        examples=[None],
    )
    variants: dict[str, str] = Field(
        description="Your variants of experiments on ranking, by experiment.", examples=[{"newer-posts": "control"}]
    )
    items: list[DecidedItem]
    parts: list[ExplainedPart] = Field(description="Rankings that a home feed is mixed from; none for other feeds.")


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """Row of a decision."""

    request_id: UUID
    user_id: UUID
    item_kind: str
    created_at: datetime
    record: DecisionRecord | HomeRecord
    excluded: tuple[UUID, ...]


@dataclass(slots=True)
class Provenance:
    """Inputs of a ranking, collected while it is made.

    Attributes:
        page: zero-based page of the session.
        excluded: items that the model did not rank.
        excluded_counts: number of excluded items by reason code.
        request: request to the model, without its exclusions; None if it was not asked.
        model_items: items that the model ranked.
        item_index_version: version of the model's items.
        stage_ms: milliseconds by stage.
        pages: inputs of the re-ranking.
        dials: dials of the person.
        multipliers: factors of the relevance of recorded items by dials and priors, where they are not 1.
        acts_since: time of the person's last reset of personalization.
    """

    page: int = 0
    excluded: Collection[UUID] = ()
    excluded_counts: dict[str, int] = field(default_factory=dict)
    request: RankRequest | None = None
    model_items: list[str] = field(default_factory=list)
    item_index_version: str | None = None
    stage_ms: dict[str, float] = field(default_factory=dict)
    pages: PageRecord | None = None
    dials: Dials = field(default_factory=Dials)
    multipliers: dict[str, float] = field(default_factory=dict)
    acts_since: datetime | None = None


def count_excluded(mask: Mask[UUID], *, on_screen: int) -> dict[str, int]:
    """Return the number of excluded items by reason code."""
    counts = Counter(reason.value for reason in mask.excluded.values())
    counts += Counter({Exclusion.SHOWN.value: len(mask.shown), ON_SCREEN: on_screen})
    return dict(counts)


def decided_reasons(reasons: Iterable[Reason]) -> list[DecidedReason]:
    """Return the codes and shares of reasons; their texts may name people."""
    return [DecidedReason(code=reason.code, share=reason.share) for reason in reasons]


def decided_items(items: Iterable[RankedItem[Any]]) -> list[DecidedItem]:
    """Return the items of an answer for its record."""
    return [
        DecidedItem(
            item_id=item.id,
            position=position,
            score=item.score,
            path=item.path,
            sources=item.sources,
            reasons=decided_reasons(item.reasons),
        )
        for position, item in enumerate(items)
    ]


async def store(
    runner: StatementRunner,
    record: DecisionRecord | HomeRecord,
    *,
    viewer: Viewer,
    request_id: UUID,
    item_kind: str,
    excluded: Iterable[UUID],
) -> None:
    """Store a decision, at once."""
    await _INSERT.all(
        runner,
        request_id=request_id,
        user_id=viewer.id,
        item_kind=item_kind,
        record=record.model_dump_json(),
        excluded=b"".join(one.bytes for one in excluded),
    )


async def get_own(runner: StatementRunner, *, viewer: Viewer, request_id: UUID) -> StoredDecision:
    """Return the decision of an answer to the viewer; raises ``NotFoundError`` for every other."""
    return _stored(await _OWN.one_or_none(runner, request_id=request_id, viewer_id=viewer.id))


def explain(decision: StoredDecision) -> FeedExplanation:
    """Return the explanation of a decision."""
    record = decision.record
    ranking = None if isinstance(record, HomeRecord) else record
    parts = record.parts if isinstance(record, HomeRecord) else []
    return FeedExplanation(
        request_id=decision.request_id,
        item_kind=decision.item_kind,
        answered_at=record.at,
        page=record.page,
        path=None if ranking is None else ranking.path,
        reason_code=None if ranking is None else ranking.reason_code,
        model_version=None if ranking is None else ranking.model_version,
        item_index_version=None if ranking is None else ranking.item_index_version,
        policy_version=record.policy_version,
        excluded_counts={} if ranking is None else ranking.excluded_counts,
        acts_since=next((one.acts_since for one in record.rankings), None),
        variants=record.variants,
        items=record.items,
        parts=[ExplainedPart.model_validate(part, from_attributes=True) for part in parts],
    )


async def get_any(runner: StatementRunner, *, request_id: UUID) -> StoredDecision:
    """Return a decision, whoever got the answer; raises ``NotFoundError`` for an unknown one."""
    return _stored(await _ANY.one_or_none(runner, request_id=request_id))


def _stored(row: Any) -> StoredDecision:
    if row is None:
        raise NotFoundError
    excluded = tuple(
        UUID(bytes=row.excluded[start : start + _ID_BYTES]) for start in range(0, len(row.excluded), _ID_BYTES)
    )
    record = (HomeRecord if row.item_kind == HOME else DecisionRecord).model_validate(row.record)
    return StoredDecision(row.request_id, row.user_id, row.item_kind, row.created_at, record, excluded)
