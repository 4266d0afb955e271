"""Ranking of a feed: items of the model and new ones, backfilled with popular items near the viewer.

All kinds and sources pass the same mask (``masking``) and re-ranking (``pages``). Order: items of the model and new
ones; popular items, or events and marketplace items by rules; older posts or connectors; and, only if nothing else is
left, items shown within the last days. Items that the viewer liked, opened, hid, wrote, joined, answered or bought are
excluded, and so are those on earlier pages of the session. A response by popularity alone is not used for events and
marketplace items: the rules know the viewer's connectors and interests, and rank better (docs/explanation/feed.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic
from uuid import UUID

from redis.asyncio import Redis

from neighborconnect.contracts.events import SHORT_LIVED, ItemKind
from neighborconnect.contracts.serving import (
    INDEXING_LAG,
    MAX_EXCLUDED,
    MAX_INTERESTS,
    MAX_ITEMS,
    MAX_LIKED,
    Hidden,
    Muted,
    RankingPath,
    RankRequest,
    RankResponse,
)
from neighborconnect.feed.dials import Dials
from neighborconnect.feed.eligibility import Exclusion, Mask
from neighborconnect.feed.page_record import MAX_OTHERS
from neighborconnect.feed.policy import published_policy, ranking_policy
from neighborconnect.feed.reasons import ReasonCode
from neighborconnect.feed.reranking import Dislikes
from transactional_api.core.compiled_queries import VIEWER_PLACEHOLDER
from transactional_api.core.db.statements import BoundStatement, CompiledStatement, Reads
from transactional_api.core.inference.client import FallbackReason, InferenceClient, InferenceError
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.recommendations import queries
from transactional_api.intelligence.recommendations.decisions import Provenance, count_excluded
from transactional_api.intelligence.recommendations.hydration import HydrationSource, ItemT
from transactional_api.intelligence.recommendations.masking import (
    dials_by,
    dislikes_by,
    hides,
    mask_by,
    muted_by,
    mutes,
    newest_acts,
    preferences,
    reset_by,
)
from transactional_api.intelligence.recommendations.notes import Note, notes_of
from transactional_api.intelligence.recommendations.pages import (
    PageBuilder,
    RankedItem,
    Source,
    Suggestion,
    clip_relevance,
)
from transactional_api.intelligence.recommendations.popular import popular_near
from transactional_api.intelligence.recommendations.reasons import by_weight, of_model
from transactional_api.intelligence.recommendations.rule_based import suggest
from transactional_api.intelligence.recommendations.schemas import FeedRequest
from transactional_api.intelligence.recommendations.sessions import FeedSession, Position
from transactional_api.intelligence.recommendations.stage_clock import StageClock

NOT_ENOUGH_ITEMS = "not_enough_items"
# Some ranked items are deleted or private when they are hydrated.
SPARE_ITEMS = 20
NEW_POSTS = 40
HYDRATION_BATCH = 120
OLDER_ITEMS, OLDER_BATCHES = 200, 10
_LIKED = {
    ItemKind.POST: frozenset({Exclusion.LIKED}),
    ItemKind.CONNECTOR: frozenset({Exclusion.JOINED, Exclusion.OWN}),
}
"""Exclusions of items that reasons may refer to."""
# The index is refreshed every hour; a refresh takes minutes.
_INDEX_AGE = timedelta(hours=2)
_LONG_PAST = datetime(2000, 1, 1, tzinfo=UTC)
_INTERESTS = CompiledStatement(queries.stated_interests(VIEWER_PLACEHOLDER))
_NEWEST = {
    ItemKind.POST: CompiledStatement(queries.newest_posts(VIEWER_PLACEHOLDER)),
    ItemKind.CONNECTOR: CompiledStatement(queries.newest_connectors(VIEWER_PLACEHOLDER)),
}
_LAST_ID = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True, slots=True)
class RankingClients:
    """Clients of the recommendation service and of Redis."""

    inference: InferenceClient
    redis: Redis


@dataclass(slots=True)
class Ranking(Generic[ItemT]):
    """Ranked items of a feed, with their provenance."""

    items: list[RankedItem[ItemT]] = field(default_factory=list)
    path: RankingPath = RankingPath.POPULAR_NEARBY
    reason_code: str | None = None
    model_version: str | None = None
    features: dict[str, Any] = field(default_factory=dict)
    features_age_ms: int | None = None
    provenance: Provenance = field(default_factory=Provenance)
    notes: list[Note] = field(default_factory=list)


@dataclass(slots=True)
class Lane(Generic[ItemT]):
    """One kind of item of a request, with the earlier pages of its feed, and its ranking."""

    source: HydrationSource[ItemT]
    session: FeedSession
    ranking: Ranking[ItemT] = field(default_factory=Ranking)
    mask: Mask[UUID] = field(default_factory=Mask)
    liked: list[UUID] = field(default_factory=list)
    answer: RankResponse | None = None
    first: list[Suggestion] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Person:
    """Acts and preferences of the viewer that count for items of every kind."""

    dislikes: Dislikes
    muted: Muted
    interests: list[str]
    dials: Dials
    reset_at: datetime | None


async def rank(
    reads: Reads,
    *,
    viewer: Viewer,
    clients: RankingClients,
    source: HydrationSource[ItemT],
    feed_request: FeedRequest,
    session: FeedSession,
    request_id: UUID,
    dials: Dials | None = None,
) -> Ranking[ItemT]:
    """Rank the next page of a session; the result has the path and, for a fallback, the reason.

    ``dials`` are used in place of the stored ones.
    """
    lane = Lane(source, session)
    await rank_lanes(
        reads,
        viewer=viewer,
        clients=clients,
        lanes=[lane],
        feed_request=feed_request,
        request_id=request_id,
        dials=dials,
    )
    return lane.ranking


async def rank_lanes(
    reads: Reads,
    *,
    viewer: Viewer,
    clients: RankingClients,
    lanes: Sequence[Lane[Any]],
    feed_request: FeedRequest,
    request_id: UUID,
    dials: Dials | None = None,
) -> None:
    """Rank the next page of each lane, with one read of the viewer's acts, and all requests to the model at once."""
    clock = StageClock()
    person = await _read_person(reads, viewer=viewer, lanes=lanes, feed_request=feed_request, dials=dials)
    clock.end("acts")
    if viewer.personalised:
        await reads.release()
    asked = (
        _ask_model(
            lane, viewer=viewer, clients=clients, feed_request=feed_request, request_id=request_id, person=person
        )
        for lane in lanes
    )
    await asyncio.gather(*asked)
    clock.end("model")
    for lane in lanes:
        page = PageBuilder(
            reads,
            viewer=viewer,
            source=lane.source,
            limit=feed_request.limit,
            on_screen=lane.session.excluding(feed_request.exclude),
            dislikes=person.dislikes,
            carried=lane.session.carried,
            dials=person.dials,
        )
        await _build(page, lane, reads=reads, viewer=viewer, clients=clients, feed_request=feed_request, person=person)
        provenance = lane.ranking.provenance
        provenance.pages = page.record(request_id, most_others=MAX_OTHERS // len(lanes))
        provenance.dials, provenance.multipliers = person.dials, page.multipliers_of(provenance.pages)
        provenance.acts_since = person.reset_at
    clock.end("page")
    for lane in lanes:
        lane.ranking.provenance.stage_ms = clock.stages


async def _read_person(
    reads: Reads, *, viewer: Viewer, lanes: Sequence[Lane[Any]], feed_request: FeedRequest, dials: Dials | None
) -> _Person:
    """Read what counts for every kind, and the mask of each lane, in one trip."""
    on_screen = [lane.session.excluding(feed_request.exclude) for lane in lanes]
    hidden, muted, stored, *rows = await reads.runner.fetch_pipelined(
        hides(viewer),
        mutes(viewer),
        preferences(viewer),
        *(newest_acts(viewer, item_kind=lane.source.kind, most=MAX_EXCLUDED) for lane in lanes),
        *_stated_interests(viewer),
    )
    dislikes, stated, reset_at = dislikes_by(hidden), rows[len(lanes) :], reset_by(stored)
    for lane, shown, acts in zip(lanes, on_screen, rows[: len(lanes)], strict=True):
        lane.mask = mask_by(acts, item_kind=lane.source.kind)
        lane.liked = _liked(lane, acts, since=reset_at)
        lane.ranking.notes = notes_of(dislikes, has_mutes=bool(muted), reset_at=reset_at)
        provenance = lane.ranking.provenance
        # The pages of the session come first: the mask is applied to the model's answer once more.
        excluded = list(dict.fromkeys((*shown, *lane.mask.excluded, *lane.mask.shown)))
        provenance.page, provenance.excluded = lane.session.pages, {*excluded[:MAX_EXCLUDED]}
        provenance.excluded_counts = count_excluded(lane.mask, on_screen=len(shown))
    interests = [str(interest) for found in stated for row in found for interest in row.interests or ()]
    return _Person(dislikes, muted_by(muted), interests[:MAX_INTERESTS], dials or dials_by(stored), reset_at)


def _liked(lane: Lane[Any], acts: Sequence[Any], *, since: datetime | None) -> list[UUID]:
    """Return the items that reasons may refer to, newest first: liked or joined ones, since a reset."""
    known, counted = _LIKED.get(lane.source.kind, frozenset()), acts
    if since is not None:
        counted = [act for act in acts if act.at > since]
    since_reset = {act.id for act in counted}
    return [item_id for item_id, reason in lane.mask.excluded.items() if reason in known and item_id in since_reset]


async def _ask_model(
    lane: Lane[Any],
    *,
    viewer: Viewer,
    clients: RankingClients,
    feed_request: FeedRequest,
    request_id: UUID,
    person: _Person,
) -> None:
    """Ask the model to rank a lane; a failure is the reason of its fallback."""
    if not viewer.personalised:
        lane.ranking.reason_code = FallbackReason.NO_CONSENT.value
        return
    request = _rank_request(lane, viewer=viewer, feed_request=feed_request, request_id=request_id, person=person)
    exclude = [str(item_id) for item_id in lane.ranking.provenance.excluded]
    try:
        lane.answer = await clients.inference.rank(request.model_copy(update={"exclude": exclude}))
    except InferenceError as error:
        lane.ranking.reason_code = error.reason.value
    else:
        lane.first = _use(lane.answer, ranking=lane.ranking, request=request)


async def _build(
    page: PageBuilder[ItemT],
    lane: Lane[ItemT],
    *,
    reads: Reads,
    viewer: Viewer,
    clients: RankingClients,
    feed_request: FeedRequest,
    person: _Person,
) -> None:
    """Fill the page of a lane from its sources, and add it to the lane's session."""
    kind, ranking, session, first = lane.source.kind, lane.ranking, lane.session, lane.first
    on_screen = session.excluding(feed_request.exclude)
    # New items compete with a full response; a short response is backfilled with new and popular ones.
    is_short = len(first) < feed_request.limit
    new = await _new_items(reads, viewer=viewer, kind=kind, answer=lane.answer, on_screen=on_screen, is_short=is_short)
    await page.add(first if is_short else [*first, *new])
    if not page.is_full:
        ranking.reason_code = ranking.reason_code or NOT_ENOUGH_ITEMS
        if kind in SHORT_LIVED:
            popular = await suggest(reads, viewer=viewer, kind=kind, exclude=on_screen)
        else:
            popular = await _popular(reads, viewer=viewer, clients=clients, kind=kind, interests=person.interests)
        await page.add([*popular[:HYDRATION_BATCH], *new])
        await page.add(popular[HYDRATION_BATCH:])
    older, has_older = await _backfill_older(reads, page, viewer=viewer, kind=kind, after=session.older)
    if not page.is_full:
        await page.backfill_shown(lane.mask.shown)
    ranking.items = page.items
    session.add_page(
        [item.id for item in ranking.items],
        carried=page.carried,
        older=older,
        is_last=not page.is_full and not has_older,
    )
    if not any(item.path is ranking.path for item in ranking.items):
        ranking.path = RankingPath.POPULAR_NEARBY


def _rank_request(
    lane: Lane[Any], *, viewer: Viewer, feed_request: FeedRequest, request_id: UUID, person: _Person
) -> RankRequest:
    """Return the request to the model, without its exclusions."""
    kind, dislikes = lane.source.kind, person.dislikes
    return RankRequest(
        request_id=str(request_id),
        user_id=str(viewer.id),
        item_kind=kind,
        # Dials and experiments order the items of the answer, so that it needs more of them.
        limit=min(feed_request.limit + SPARE_ITEMS, MAX_ITEMS)
        if person.dials.is_neutral and ranking_policy() is published_policy()
        else MAX_ITEMS,
        page=feed_request.limit,
        at=datetime.now(UTC),
        interests=person.interests,
        acts_since=person.reset_at,
        liked=[str(item_id) for item_id in lane.liked[:MAX_LIKED]],
        hidden=Hidden(connectors=dict(dislikes.connectors), categories=dict(dislikes.categories)),
        muted=person.muted,
    )


def _stated_interests(viewer: Viewer) -> list[BoundStatement]:
    """Return the statement of the viewer's stated interests, or none without consent to personalization."""
    return [(_INTERESTS, {"viewer_id": viewer.id})] if viewer.personalised else []


def _use(answer: RankResponse, *, ranking: Ranking[Any], request: RankRequest) -> list[Suggestion]:
    """Record the provenance of a response and return its items; none of a response that the rules replace."""
    ranking.reason_code = answer.reason_code
    if ItemKind(request.item_kind) in SHORT_LIVED and answer.path is RankingPath.POPULAR:
        return []
    first, provenance = _suggestions(answer), ranking.provenance
    ranking.model_version, ranking.features = answer.model_version, answer.features
    ranking.features_age_ms, ranking.path = answer.features_age_ms, answer.path
    provenance.request, provenance.item_index_version = request, answer.item_index_version
    provenance.model_items = [str(one.id) for one in first]
    return first


def _suggestions(answer: RankResponse) -> list[Suggestion]:
    return [
        Suggestion(
            UUID(item.item_id),
            clip_relevance(item),
            of_model(item.reasons),
            answer.path,
            Source.MODEL,
        )
        for item in answer.items
    ]


async def _popular(
    reads: Reads, *, viewer: Viewer, clients: RankingClients, kind: ItemKind, interests: list[str]
) -> list[Suggestion]:
    """Return popular items near the viewer; items of stated interests have the upper half of the relevance range."""
    candidates = await popular_near(reads, redis=clients.redis, kind=kind, viewer=viewer, interests=interests)
    has_interesting = any(candidate.is_interesting for candidate in candidates)
    suggestions = []
    for position, candidate in enumerate(candidates):
        relevance = 1.0 - position / len(candidates)
        weighted = [(1.0, candidate.reason)]
        if candidate.popularity:
            weighted.append((relevance, candidate.popularity))
        reasons = by_weight((weight, code, {}) for weight, code in weighted)
        if has_interesting:
            relevance = (relevance + candidate.is_interesting) / 2
        suggestions.append(Suggestion(candidate.id, relevance, reasons, RankingPath.POPULAR_NEARBY, Source.POPULAR))
    return suggestions


async def _new_items(
    reads: Reads,
    *,
    viewer: Viewer,
    kind: ItemKind,
    answer: RankResponse | None,
    on_screen: Sequence[UUID],
    is_short: bool,
) -> list[Suggestion]:
    """Return items that the model's item index lacks; events and items of a short response come from the rules."""
    if kind not in SHORT_LIVED:
        return await _new_posts(reads, viewer=viewer, kind=kind, answer=answer)
    if is_short:
        return []
    return await suggest(reads, viewer=viewer, kind=kind, exclude=on_screen, indexed_age=_INDEX_AGE)


async def _new_posts(reads: Reads, *, viewer: Viewer, kind: ItemKind, answer: RankResponse | None) -> list[Suggestion]:
    """Return posts of the last days that the model did not rank: newer ones than its item index, and private ones."""
    if kind is not ItemKind.POST:
        return []
    now, fresh = datetime.now(UTC), ranking_policy().fresh
    since = now - timedelta(days=fresh.days)
    rows = await _NEWEST[kind].all(
        reads.runner, viewer_id=viewer.id, before=_soon(now), before_id=_LAST_ID, since=since, most=NEW_POSTS
    )
    return [_new(row, source=Source.NEW) for row in rows if not _is_ranked(row, answer)]


def _is_ranked(row: Any, answer: RankResponse | None) -> bool:
    """Return whether the model ranked a post, and passed it over if the answer lacks it."""
    if answer is None or answer.indexed_until is None or not row.is_public:
        return False
    return row.created_at < answer.indexed_until - INDEXING_LAG or str(row.id) in answer.just_indexed


async def _backfill_older(
    reads: Reads, page: PageBuilder[Any], *, viewer: Viewer, kind: ItemKind, after: Position | None
) -> tuple[Position | None, bool]:
    """Backfill with items from newest to oldest, for viewers who have seen all popular ones.

    Returns:
        the place up to which all items are on this page or an earlier one or are excluded, and whether any may follow.
    """
    if kind not in _NEWEST:
        return after, False
    for _ in range(OLDER_BATCHES):
        if page.is_full:
            return after, True
        before = after or Position(_soon(datetime.now(UTC)), _LAST_ID)
        rows = await _NEWEST[kind].all(
            reads.runner,
            viewer_id=viewer.id,
            before=before.at,
            before_id=before.id,
            since=_LONG_PAST,
            most=OLDER_ITEMS,
        )
        is_full = await page.add([_new(row, source=Source.OLDER) for row in rows])
        if is_full:
            return after, True
        if len(rows) < OLDER_ITEMS:
            return after, False
        after = Position(rows[-1].created_at, rows[-1].id)
    return after, True


def _new(row: Any, *, source: Source) -> Suggestion:
    fresh = ranking_policy().fresh
    is_close = row.is_member or row.is_interest
    reasons = by_weight(
        [
            (float(row.is_member), ReasonCode.NEW_IN_YOUR_CONNECTORS, {}),
            (float(row.is_interest), ReasonCode.NEW_OF_YOUR_INTERESTS, {}),
            (float(not is_close), ReasonCode.NEW, {}),
        ]
    )
    relevance = fresh.close_relevance if is_close else fresh.other_relevance
    return Suggestion(row.id, relevance, reasons, RankingPath.POPULAR_NEARBY, source)


def _soon(now: datetime) -> datetime:
    # The clock of the database may be ahead.
    return now + timedelta(minutes=1)
