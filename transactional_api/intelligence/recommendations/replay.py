"""Replay of an answer: the same request again, now or under other parameters, compared with what was served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.serving import RankedItem, RankingPath, RankResponse
from neighborconnect.feed.mixing import LaneItem, mix
from neighborconnect.feed.page_record import PageRecord
from neighborconnect.feed.policy import RankingPolicy, ranking_policy
from neighborconnect.feed.reranking import Candidate, Placed
from transactional_api.core.compiled_queries import VIEWER_PLACEHOLDER
from transactional_api.core.db.statements import StatementRunner
from transactional_api.core.errors import ForbiddenError
from transactional_api.core.inference.client import InferenceClient, InferenceError
from transactional_api.core.text import RequestBody
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.recommendations.decisions import (
    DecidedItem,
    HomePartRecord,
    HomeRecord,
    RankingRecord,
    StoredDecision,
    get_any,
)
from transactional_api.intelligence.recommendations.hydration import (
    CONNECTORS,
    EVENTS,
    ITEMS,
    POSTS,
    HydrationSource,
)
from transactional_api.intelligence.recommendations.page_records import anonymous
from transactional_api.intelligence.recommendations.pages import (
    Source,
    Suggestion,
    candidate_of,
    clip_relevance,
    multiplier_of,
)

NOT_ASKED = "not_asked"
HYDRATION_SOURCES: Final[dict[ItemKind, HydrationSource[Any]]] = {
    source.kind: source for source in (POSTS, CONNECTORS, EVENTS, ITEMS)
}
"""Hydration by kind of item."""


class ReplayRequest(RequestBody):
    """Differences from the recorded request."""

    asks_model: StrictBool = Field(
        default=True,
        description="Whether to ask the model again; otherwise the recorded relevance is used.",
        examples=[True],
    )
    parameters: RankingPolicy | None = Field(
        default=None, description="Re-ranking parameters; those of the answer if null.", examples=[None]
    )


class ReplayedItem(BaseModel):
    """Item of either answer; null where it is not in one of them."""

    item_id: UUID = Field(examples=["5b0c7f0e-5d0e-4a53-9f57-4b6a0f6f6f11"])
    position: int | None = Field(examples=[1])
    recorded_position: int | None = Field(examples=[0])
    score: float | None = Field(examples=[0.79])
    recorded_score: float | None = Field(examples=[0.83])


class ReplayedPart(BaseModel):
    """Ranking of one kind of item in the replay of a home feed."""

    model_config = ConfigDict(protected_namespaces=())

    kind: ItemKind = Field(examples=["post"])
    path: RankingPath | None = Field(
        description="Path of the model's answer; null if the model did not answer.", examples=["collaborative"]
    )
    reason_code: str | None = Field(
        description="Reason why the model did not answer, or of its fallback.", examples=[None]
    )
    model_version: str | None = Field(examples=["8"])
    item_index_version: str | None = Field(examples=["2026-11-23T00:00:00Z"])
    recorded_model_version: str | None = Field(examples=["7"])
    recorded_item_index_version: str | None = Field(examples=["2026-11-22T00:00:00Z"])


class FeedReplay(BaseModel):
    """Difference between a recorded answer and its replay."""

    model_config = ConfigDict(protected_namespaces=())

    request_id: UUID = Field(examples=["5b0c7f0e-5d0e-4a53-9f57-4b6a0f6f6f11"])
    path: RankingPath | None = Field(
        description="Path of the model's answer; null if the model did not answer.", examples=["collaborative"]
    )
    reason_code: str | None = Field(
        description="Reason why the model did not answer, or of its fallback.", examples=[None]
    )
    model_version: str | None = Field(examples=["8"])
    item_index_version: str | None = Field(examples=["2026-11-23T00:00:00Z"])
    policy_version: str = Field(examples=["2f0c8a51d6b3"])
    recorded_model_version: str | None = Field(examples=["7"])
    recorded_item_index_version: str | None = Field(examples=["2026-11-22T00:00:00Z"])
    recorded_policy_version: str = Field(examples=["2f0c8a51d6b3"])
    items: list[ReplayedItem] = Field(description="Items of the replay in order, then those that it lacks.")
    moved_count: int = Field(description="Items at another position.", examples=[2])
    added_count: int = Field(description="Items that only the replay has.", examples=[0])
    removed_count: int = Field(description="Items that only the answer had.", examples=[0])
    parts: list[ReplayedPart] = Field(
        description="Rankings that a home feed is mixed from; its own path and versions are null. None for other feeds."
    )


async def replay(
    runner: StatementRunner, *, viewer: Viewer, inference: InferenceClient, request_id: UUID, body: ReplayRequest
) -> FeedReplay:
    """Build a recorded answer again and compare it.

    Raises:
        ForbiddenError: the viewer is not an admin of the platform.
        NotFoundError: the answer has no record.
    """
    if not viewer.is_admin:
        raise ForbiddenError("Only admins of the platform may replay answers of feeds")
    decision = await get_any(runner, request_id=request_id)
    if isinstance(decision.record, HomeRecord):
        return await _replay_home(runner, decision, decision.record, inference=inference, body=body)
    record = decision.record
    again = await _rank_again(
        runner,
        decision,
        record,
        kind=ItemKind(decision.item_kind),
        excluded=decision.excluded,
        inference=inference,
        body=body,
    )
    policy = body.parameters or again.pages.policy
    return _answer(
        decision,
        again.build(policy),
        policy=policy,
        path=None if again.answer is None else again.answer.path,
        reason_code=again.reason_code,
        model_version=None if again.answer is None else again.answer.model_version,
        item_index_version=None if again.answer is None else again.answer.item_index_version,
        recorded_model_version=record.model_version,
        recorded_item_index_version=record.item_index_version,
        parts=[],
    )


@dataclass(frozen=True, slots=True)
class _Again:
    """New ranking of one kind: the answer of the model if it gave one, and the inputs of its page."""

    answer: RankResponse | None
    reason_code: str | None
    pages: PageRecord

    def build(self, policy: RankingPolicy) -> list[Placed[str]]:
        """Return the page with the scores to publish."""
        return [replace(entry, score=policy.relevance.published(entry.score)) for entry in self.pages.build(policy)]


async def _rank_again(
    runner: StatementRunner,
    decision: StoredDecision,
    record: RankingRecord,
    *,
    kind: ItemKind,
    excluded: Sequence[UUID],
    inference: InferenceClient,
    body: ReplayRequest,
) -> _Again:
    if not body.asks_model or record.request is None:
        return _Again(None, NOT_ASKED, record.pages)
    exclude = [str(item_id) for item_id in excluded]
    try:
        answer = await inference.rank(record.request.model_copy(update={"exclude": exclude}))
    except InferenceError as error:
        return _Again(None, error.reason.value, record.pages)
    gone = frozenset(exclude)
    items = [item for item in answer.items if item.item_id not in gone]
    pages = await _with_answer(runner, decision, record, kind=kind, items=items)
    return _Again(answer, answer.reason_code, pages)


async def _replay_home(
    runner: StatementRunner,
    decision: StoredDecision,
    record: HomeRecord,
    *,
    inference: InferenceClient,
    body: ReplayRequest,
) -> FeedReplay:
    """Rank each kind of a home feed again, and mix them again."""
    policy = body.parameters or (record.parts[0].pages.policy if record.parts else ranking_policy())
    lanes, parts, start = {}, [], 0
    for part in record.parts:
        excluded = decision.excluded[start : start + part.excluded_size]
        start += part.excluded_size
        again = await _rank_again(
            runner, decision, part, kind=part.kind, excluded=excluded, inference=inference, body=body
        )
        candidates = {one.item_id: one for fill in again.pages.fills for one in fill}
        lanes[part.kind.value] = [
            LaneItem(
                entry.item_id,
                entry.score,
                candidates[entry.item_id].author,
                candidates[entry.item_id].connector,
                candidates[entry.item_id].category,
                was_shown=entry.item_id in part.shown,
            )
            for entry in again.build(policy)
        ]
        parts.append(_replayed_part(part, again))
    page = mix(lanes, policy=policy, limit=record.limit)
    return _answer(
        decision,
        [Placed(one.item_id, one.score) for one in page],
        policy=policy,
        path=None,
        reason_code=None,
        model_version=None,
        item_index_version=None,
        recorded_model_version=None,
        recorded_item_index_version=None,
        parts=parts,
    )


def _replayed_part(part: HomePartRecord, again: _Again) -> ReplayedPart:
    return ReplayedPart(
        kind=part.kind,
        path=None if again.answer is None else again.answer.path,
        reason_code=again.reason_code,
        model_version=None if again.answer is None else again.answer.model_version,
        item_index_version=None if again.answer is None else again.answer.item_index_version,
        recorded_model_version=part.model_version,
        recorded_item_index_version=part.item_index_version,
    )


def _answer(
    decision: StoredDecision, placed: Sequence[Placed[str]], *, policy: RankingPolicy, **fields: Any
) -> FeedReplay:
    """Return the comparison of the items ``placed`` with those that were served."""
    items = compare(decision.record.items, placed)
    return FeedReplay(
        request_id=decision.request_id,
        policy_version=policy.version,
        recorded_policy_version=decision.record.policy_version,
        items=items,
        moved_count=sum(
            None not in {item.position, item.recorded_position} and item.position != item.recorded_position
            for item in items
        ),
        added_count=sum(item.recorded_position is None for item in items),
        removed_count=sum(item.position is None for item in items),
        **fields,
    )


def compare(recorded: Sequence[DecidedItem], replayed: Sequence[Placed[str]]) -> list[ReplayedItem]:
    """Return the items of a replay in order, then those that it lacks."""
    before = {item.item_id: item for item in recorded}
    items = []
    for position, entry in enumerate(replayed):
        old = before.pop(UUID(entry.item_id), None)
        items.append(
            ReplayedItem(
                item_id=UUID(entry.item_id),
                position=position,
                recorded_position=None if old is None else old.position,
                score=entry.score,
                recorded_score=None if old is None else old.score,
            )
        )
    return items + [
        ReplayedItem(
            item_id=old.item_id, position=None, recorded_position=old.position, score=None, recorded_score=old.score
        )
        for old in before.values()
    ]


async def _with_answer(
    runner: StatementRunner,
    decision: StoredDecision,
    record: RankingRecord,
    *,
    kind: ItemKind,
    items: Sequence[RankedItem],
) -> PageRecord:
    """Return the inputs of a page with the items of a new answer in place of those of the recorded answer."""
    recorded = {one.item_id: one for fill in record.pages.fills for one in fill}
    missing = [item for item in items if item.item_id not in recorded]
    multipliers = {item_id: record.multipliers.get(item_id, 1.0) for item_id in recorded}
    for item_id, candidate in (await _hydrate(runner, decision, record, kind=kind, items=missing)).items():
        recorded[item_id], multipliers[item_id] = candidate, candidate.relevance
    answered = [
        replace(recorded[item.item_id], relevance=clip_relevance(item) * multipliers[item.item_id])
        for item in items
        if item.item_id in recorded
    ]
    replaced = {*record.model_items, *(one.item_id for one in answered)}
    first, *others = record.pages.fills or ((),)
    begins_with_model = any(one.item_id in record.model_items for one in first)
    rest = [tuple(one for one in fill if one.item_id not in replaced) for fill in (first, *others)]
    fills = [(*answered, *rest[0]), *rest[1:]] if begins_with_model else [tuple(answered), *rest]
    return replace(record.pages, fills=tuple(fills))


async def _hydrate(
    runner: StatementRunner,
    decision: StoredDecision,
    record: RankingRecord,
    *,
    kind: ItemKind,
    items: Sequence[RankedItem],
) -> dict[str, Candidate[str]]:
    """Return candidates of relevance 1 of items that the record lacks, as far as the person may see them."""
    person = replace(VIEWER_PLACEHOLDER, id=decision.user_id)
    found = await HYDRATION_SOURCES[kind].hydrate(runner, person, [UUID(item.item_id) for item in items])
    candidates = {}
    for item in items:
        if (visible := found.get(UUID(item.item_id))) is not None:
            suggestion = Suggestion(UUID(item.item_id), 1.0, (), RankingPath.CONTENT, Source.MODEL)
            at = decision.record.at
            multiplier = multiplier_of(visible, now=at, dials=record.dials)
            candidate = candidate_of(suggestion, visible, now=at, multiplier=multiplier)
            candidates[item.item_id] = anonymous(candidate, request_id=decision.request_id)
    return candidates
