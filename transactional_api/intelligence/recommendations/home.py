"""Home feed: posts, connectors, events and marketplace items on one page, ranked by kind and mixed by shares.

Each kind is a lane that is ranked as its own feed is, with the same mask, model, rules and re-ranking. The lanes are
mixed by ``neighborconnect.feed.mixing``. One cursor pages all of them, and one decision explains the answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from neighborconnect.contracts.events import ItemKind
from neighborconnect.feed.mixing import LaneItem, mix
from neighborconnect.feed.policy import ranking_policy, using_policy
from neighborconnect.feed.reranking import carry_over
from neighborconnect.localization import Language
from transactional_api.core.db.statements import Reads
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.experiments.ranking import RankingAssignment, assigned_ranking
from transactional_api.intelligence.recommendations.decisions import (
    HOME,
    HomePartRecord,
    HomeRecord,
    decided_items,
    store,
)
from transactional_api.intelligence.recommendations.hydration import (
    CONNECTORS,
    EVENTS,
    ITEMS,
    POSTS,
    HydrationSource,
)
from transactional_api.intelligence.recommendations.pages import RankedItem, Source
from transactional_api.intelligence.recommendations.ranking import Lane, RankingClients, rank_lanes
from transactional_api.intelligence.recommendations.schemas import (
    ConnectorItem,
    EventItem,
    FeedItem,
    FeedRequest,
    HomeFeed,
    HomePart,
    MarketplaceFeedItem,
    PostItem,
)
from transactional_api.intelligence.recommendations.service import Build, build_items, count_feed, publish
from transactional_api.intelligence.recommendations.sessions import FeedSession, Position

_SOURCES: Final[tuple[HydrationSource[Any], ...]] = (POSTS, CONNECTORS, EVENTS, ITEMS)
_BUILD: Final[Mapping[ItemKind, Build[Any, Any]]] = {
    ItemKind.POST: lambda item, shared: PostItem(post=item, **shared),
    ItemKind.CONNECTOR: lambda item, shared: ConnectorItem(connector=item, **shared),
    ItemKind.EVENT: lambda item, shared: EventItem(event=item, **shared),
    ItemKind.ITEM: lambda item, shared: MarketplaceFeedItem(item=item, **shared),
}
_Placed = tuple[ItemKind, RankedItem[Any]]
_LARGEST_ID: Final = (1 << 128) - 1


async def home_feed(
    reads: Reads,
    *,
    viewer: Viewer,
    clients: RankingClients,
    feed_request: FeedRequest,
    session: FeedSession,
    request_id: UUID,
    language: Language,
) -> HomeFeed:
    """Recommend items of all kinds, and log the answer.

    Args:
        reads: connection of the request.
        viewer: the viewer.
        clients: clients of the recommendation service and of Redis.
        feed_request: the request.
        session: pages of the feed so far.
        request_id: id of the answer.
        language: language of the reasons.
    """
    assignment = await assigned_ranking(reads.runner, viewer=viewer, redis=clients.redis)
    with using_policy(assignment.policy):
        return await _ranked_home(
            reads,
            viewer=viewer,
            clients=clients,
            feed_request=feed_request,
            session=session,
            request_id=request_id,
            language=language,
            assignment=assignment,
        )


async def _ranked_home(
    reads: Reads,
    *,
    viewer: Viewer,
    clients: RankingClients,
    feed_request: FeedRequest,
    session: FeedSession,
    request_id: UUID,
    language: Language,
    assignment: RankingAssignment,
) -> HomeFeed:
    started_at, page_number = time.perf_counter(), session.pages
    lanes = [_lane(source, session) for source in _SOURCES]
    await rank_lanes(
        reads, viewer=viewer, clients=clients, lanes=lanes, feed_request=feed_request, request_id=request_id
    )
    placed = _mixed(lanes, limit=feed_request.limit)
    _add_page(session, lanes, placed, limit=feed_request.limit)
    for lane in lanes:
        count_feed(lane.source.kind, lane.ranking)
    if viewer.has_tracking_consent:
        await _log(
            reads,
            lanes,
            placed,
            viewer=viewer,
            request_id=request_id,
            page_number=page_number,
            limit=feed_request.limit,
            latency_ms=(time.perf_counter() - started_at) * 1_000,
            variants=assignment.variants,
        )
        await assignment.publish(reads.runner, viewer=viewer)
    return HomeFeed(
        request_id=request_id,
        items=await _built(reads, placed, viewer=viewer, language=language),
        parts=[_part(lane, placed) for lane in lanes],
        next_cursor=None,
        notes=[note.out(language) for note in lanes[0].ranking.notes],
    )


def _lane(source: HydrationSource[Any], session: FeedSession) -> Lane[Any]:
    """Return the lane of a kind; its session is a copy, because the mixed page leaves out some of its items."""
    return Lane(
        source,
        FeedSession(
            source.kind,
            served=session.served,
            carried=session.carried,
            older=session.older_by_kind.get(source.kind),
            pages=session.pages,
        ),
    )


def _mixed(lanes: Iterable[Lane[Any]], *, limit: int) -> list[_Placed]:
    """Return the items of the mixed page in order, with their scores on it."""
    ranked = {lane.source.kind: {item.id: item for item in lane.ranking.items} for lane in lanes}
    page = mix(
        {
            kind: [
                LaneItem(item.id, item.score, item.author, item.connector, item.category, was_shown=_was_shown(item))
                for item in items.values()
            ]
            for kind, items in ranked.items()
        },
        policy=ranking_policy(),
        limit=limit,
    )
    return [
        (kind, replace(ranked[kind][one.item_id], score=one.score)) for one in page for kind in (ItemKind(one.kind),)
    ]


def _add_page(session: FeedSession, lanes: Iterable[Lane[Any]], placed: Sequence[_Placed], *, limit: int) -> None:
    """Add the mixed page to the session."""
    on_page = {item.id for _, item in placed}
    older = dict(session.older_by_kind)
    for lane in lanes:
        reached = _older_after(lane, on_page)
        if reached is not None:
            older[lane.source.kind] = reached
    session.older_by_kind = older
    session.add_page(
        [item.id for _, item in placed],
        carried=carry_over(
            ((item.author, item.connector) for _, item in placed), before=session.carried, policy=ranking_policy()
        ),
        is_last=len(placed) < limit and all(lane.session.has_ended for lane in lanes),
    )


def _older_after(lane: Lane[Any], on_page: set[UUID]) -> Position | None:
    """Return the place up to which the items by age are exhausted; None before the first.

    An older item of the lane that is not on the page must be returned again, so that the place is before it.
    """
    reached = lane.session.older
    left = [
        Position(item.item.created_at, UUID(int=min(item.id.int + 1, _LARGEST_ID)))
        for item in lane.ranking.items
        if Source.OLDER in item.sources and item.id not in on_page
    ]
    if reached is None or not left:
        return reached
    return max(reached, *left, key=lambda place: (place.at, place.id))


async def _log(
    reads: Reads,
    lanes: Sequence[Lane[Any]],
    placed: Sequence[_Placed],
    *,
    viewer: Viewer,
    request_id: UUID,
    page_number: int,
    limit: int,
    latency_ms: float,
    variants: Mapping[str, str],
) -> None:
    """Publish one prediction event for each kind of the page, and store its decision."""
    decided = decided_items(item for _, item in placed)
    for one, (kind, _) in zip(decided, placed, strict=True):
        one.kind = kind
    record = HomeRecord(
        page=page_number,
        policy_version=ranking_policy().version,
        stage_ms=lanes[0].ranking.provenance.stage_ms,
        items=decided,
        at=datetime.now(UTC),
        limit=limit,
        parts=[_part_record(lane) for lane in lanes],
        variants=dict(variants),
    )
    for lane in lanes:
        items = [one for one in decided if one.kind is lane.source.kind]
        if items:
            await publish(
                reads.runner,
                lane.ranking,
                viewer=viewer,
                request_id=request_id,
                kind=lane.source.kind,
                items=items,
                record=record,
                latency_ms=latency_ms,
            )
    await store(
        reads.runner,
        record,
        viewer=viewer,
        request_id=request_id,
        item_kind=HOME,
        excluded=[item_id for lane in lanes for item_id in lane.ranking.provenance.excluded],
    )


def _part_record(lane: Lane[Any]) -> HomePartRecord:
    ranking, provenance = lane.ranking, lane.ranking.provenance
    assert provenance.pages is not None, "the lane has not been ranked"  # noqa: S101
    return HomePartRecord(
        kind=lane.source.kind,
        path=ranking.path,
        reason_code=ranking.reason_code,
        model_version=ranking.model_version,
        item_index_version=provenance.item_index_version,
        excluded_counts=provenance.excluded_counts,
        request=provenance.request,
        model_items=provenance.model_items,
        pages=provenance.pages,
        dials=provenance.dials,
        multipliers=provenance.multipliers,
        acts_since=provenance.acts_since,
        excluded_size=len(provenance.excluded),
        shown=[str(item.id) for item in ranking.items if _was_shown(item)],
    )


async def _built(reads: Reads, placed: Sequence[_Placed], *, viewer: Viewer, language: Language) -> list[Any]:
    """Return the items of the answer, in the order of the page."""
    built: dict[UUID, FeedItem] = {}
    for kind, build in _BUILD.items():
        of_kind = [item for item_kind, item in placed if item_kind is kind]
        items = await build_items(reads, of_kind, viewer=viewer, kind=kind, build=build, language=language)
        built.update({item.item_id: item for item in items})
    return [built[item.id] for _, item in placed]


def _part(lane: Lane[Any], placed: Iterable[_Placed]) -> HomePart:
    ranking = lane.ranking
    return HomePart(
        kind=lane.source.kind,
        item_count=sum(kind is lane.source.kind for kind, _ in placed),
        path=ranking.path,
        reason_code=ranking.reason_code,
        model_version=ranking.model_version,
        features_age_ms=ranking.features_age_ms,
    )


def _was_shown(item: RankedItem[Any]) -> bool:
    return Source.SHOWN_BEFORE in item.sources
