"""Personal feeds, each logged as a prediction event."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from prometheus_client import Counter

from neighborconnect.contracts.events import ItemKind, PredictionEvent
from neighborconnect.contracts.topics import PREDICTIONS_TOPIC
from neighborconnect.feed.dials import Dials
from neighborconnect.feed.policy import using_policy
from neighborconnect.localization import Language
from transactional_api.core.db.statements import Reads, StatementRunner
from transactional_api.core.outbox import emit
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.experiments.ranking import RankingAssignment, assigned_ranking
from transactional_api.intelligence.recommendations.decisions import (
    DecidedItem,
    DecisionRecord,
    HomeRecord,
    decided_items,
    store,
)
from transactional_api.intelligence.recommendations.hydration import HydrationSource, ItemT
from transactional_api.intelligence.recommendations.pages import RankedItem
from transactional_api.intelligence.recommendations.ranking import Ranking, RankingClients, rank
from transactional_api.intelligence.recommendations.reasons import ReasonTexts
from transactional_api.intelligence.recommendations.schemas import Feed, FeedRequest, NoteOut
from transactional_api.intelligence.recommendations.schemas import ItemT as FeedItemT
from transactional_api.intelligence.recommendations.sessions import FeedSession

Build = Callable[[ItemT, dict[str, Any]], FeedItemT]
"""Makes an item of the answer from a hydrated item and the fields that all kinds share."""
FEEDS = Counter(
    "api_recommendations", "Feeds served, by path and reason of the fallback.", ["item_kind", "path", "reason_code"]
)


async def personal_feed(
    reads: Reads,
    *,
    viewer: Viewer,
    clients: RankingClients,
    source: HydrationSource[ItemT],
    build: Build[ItemT, FeedItemT],
    feed_request: FeedRequest,
    session: FeedSession,
    request_id: UUID,
    language: Language,
) -> Feed[FeedItemT]:
    """Recommend items of one kind, and log the answer.

    Args:
        reads: connection of the request.
        viewer: the viewer.
        clients: clients of the recommendation service and of Redis.
        source: the kind of item, and its hydration under the viewer's permissions.
        build: makes an item of the answer from a hydrated item and the fields that all kinds share.
        feed_request: the request.
        session: pages of the feed so far.
        request_id: id of the answer.
        language: language of the reasons.
    """
    assignment = await assigned_ranking(reads.runner, viewer=viewer, redis=clients.redis)
    with using_policy(assignment.policy):
        ranking = await _ranked(
            reads,
            viewer=viewer,
            clients=clients,
            source=source,
            feed_request=feed_request,
            session=session,
            request_id=request_id,
            assignment=assignment,
        )
        return await _answer(
            reads, ranking, viewer=viewer, source=source, build=build, request_id=request_id, language=language
        )


async def preview_feed(
    reads: Reads,
    *,
    viewer: Viewer,
    clients: RankingClients,
    source: HydrationSource[ItemT],
    build: Build[ItemT, FeedItemT],
    limit: int,
    dials: Dials,
    language: Language,
) -> Feed[FeedItemT]:
    """Recommend items under other dials, and log nothing; interactions with the answer are not accepted."""
    request_id = uuid4()
    assignment = await assigned_ranking(reads.runner, viewer=viewer, redis=clients.redis)
    with using_policy(assignment.policy):
        ranking = await rank(
            reads,
            viewer=viewer,
            clients=clients,
            source=source,
            feed_request=FeedRequest(limit=limit),
            session=FeedSession(source.kind),
            request_id=request_id,
            dials=dials,
        )
        return await _answer(
            reads, ranking, viewer=viewer, source=source, build=build, request_id=request_id, language=language
        )


async def _answer(
    reads: Reads,
    ranking: Ranking[ItemT],
    *,
    viewer: Viewer,
    source: HydrationSource[ItemT],
    build: Build[ItemT, FeedItemT],
    request_id: UUID,
    language: Language,
) -> Feed[FeedItemT]:
    items = await build_items(reads, ranking.items, viewer=viewer, kind=source.kind, build=build, language=language)
    notes = [note.out(language) for note in ranking.notes]
    return _feed(ranking, items=items, notes=notes, request_id=request_id)


async def build_items(
    reads: Reads,
    items: Sequence[RankedItem[ItemT]],
    *,
    viewer: Viewer,
    kind: ItemKind,
    build: Build[ItemT, FeedItemT],
    language: Language,
) -> list[FeedItemT]:
    """Return ranked items of one kind with their reasons in a language."""
    reasons = [item.reasons for item in items]
    texts = await ReasonTexts.load(reads, viewer=viewer, kind=kind, language=language, reasons=reasons)
    return [
        build(
            item.item,
            {
                "kind": kind.value,
                "score": item.score,
                "path": item.path,
                **texts.of_item(item.reasons, category=item.category, item=item.item, is_outside=item.is_outside),
            },
        )
        for item in items
    ]


def _feed(
    ranking: Ranking[ItemT], *, items: list[FeedItemT], notes: list[NoteOut], request_id: UUID
) -> Feed[FeedItemT]:
    return Feed(
        request_id=request_id,
        items=items,
        path=ranking.path,
        reason_code=ranking.reason_code,
        model_version=ranking.model_version,
        features_age_ms=ranking.features_age_ms,
        next_cursor=None,
        notes=notes,
    )


async def _ranked(
    reads: Reads,
    *,
    viewer: Viewer,
    clients: RankingClients,
    source: HydrationSource[ItemT],
    feed_request: FeedRequest,
    session: FeedSession,
    request_id: UUID,
    assignment: RankingAssignment,
) -> Ranking[ItemT]:
    started_at = time.perf_counter()
    ranking = await rank(
        reads,
        viewer=viewer,
        clients=clients,
        source=source,
        feed_request=feed_request,
        session=session,
        request_id=request_id,
    )
    count_feed(source.kind, ranking)
    if not viewer.has_tracking_consent:
        return ranking
    latency_ms = (time.perf_counter() - started_at) * 1_000
    record = _record(ranking, variants=assignment.variants)
    await assignment.publish(reads.runner, viewer=viewer)
    await publish(
        reads.runner,
        ranking,
        viewer=viewer,
        request_id=request_id,
        kind=source.kind,
        items=record.items,
        record=record,
        latency_ms=latency_ms,
    )
    await store(
        reads.runner,
        record,
        viewer=viewer,
        request_id=request_id,
        item_kind=source.kind,
        excluded=ranking.provenance.excluded,
    )
    return ranking


def count_feed(kind: ItemKind, ranking: Ranking[Any]) -> None:
    """Count a ranking of items of a kind."""
    FEEDS.labels(kind, ranking.path, ranking.reason_code or "").inc()


async def publish(
    runner: StatementRunner,
    ranking: Ranking[Any],
    *,
    viewer: Viewer,
    request_id: UUID,
    kind: ItemKind,
    items: Sequence[DecidedItem],
    record: DecisionRecord | HomeRecord,
    latency_ms: float,
) -> None:
    """Publish the answer as a prediction event; a home feed has one for each kind of its items."""
    # The relay assigns the event id; zero satisfies the contract until then.
    event = PredictionEvent(
        event_id=0,
        request_id=request_id,
        user_id=viewer.id,
        item_kind=kind,
        path=ranking.path,
        reason_code=ranking.reason_code,
        model_version=ranking.model_version,
        item_ids=[item.item_id for item in items],
        scores=[item.score for item in items],
        features=ranking.features,
        latency_ms=latency_ms,
        predicted_at=record.at,
        item_index_version=ranking.provenance.item_index_version,
        policy_version=record.policy_version,
        page=record.page,
        excluded_counts=ranking.provenance.excluded_counts,
        items=[item.model_dump(mode="json", exclude={"item_id", "score", "kind"}) for item in items],
        stage_ms=record.stage_ms,
    )
    await emit(runner, topic=PREDICTIONS_TOPIC, key=str(viewer.id), payload=event.model_dump(exclude={"event_id"}))


def _record(ranking: Ranking[Any], *, variants: Mapping[str, str]) -> DecisionRecord:
    provenance = ranking.provenance
    assert provenance.pages is not None, "the page has not been ranked"  # noqa: S101
    return DecisionRecord(
        page=provenance.page,
        path=ranking.path,
        reason_code=ranking.reason_code,
        model_version=ranking.model_version,
        item_index_version=provenance.item_index_version,
        policy_version=provenance.pages.policy.version,
        excluded_counts=provenance.excluded_counts,
        stage_ms=provenance.stage_ms,
        items=decided_items(ranking.items),
        at=datetime.now(UTC),
        request=provenance.request,
        model_items=provenance.model_items,
        pages=provenance.pages,
        dials=provenance.dials,
        multipliers=provenance.multipliers,
        acts_since=provenance.acts_since,
        variants=dict(variants),
    )
