"""``/recommendations``: personal feeds."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from redis.asyncio import Redis

from neighborconnect.contracts.events import ItemKind
from transactional_api.core.cache import RedisDep
from transactional_api.core.db.statements import ReadsDep
from transactional_api.core.errors import (
    InvalidCursorError,
    InvalidRequestError,
    UnauthenticatedError,
    UnavailableError,
    problem_responses,
)
from transactional_api.core.http.auth import CurrentUser
from transactional_api.core.http.unit_of_work import ReadOnlyRoute
from transactional_api.core.language import LanguageDep
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.recommendations import service, sessions
from transactional_api.intelligence.recommendations.decisions import HOME
from transactional_api.intelligence.recommendations.home import home_feed
from transactional_api.intelligence.recommendations.hydration import CONNECTORS, EVENTS, ITEMS, POSTS
from transactional_api.intelligence.recommendations.ranking import RankingClients
from transactional_api.intelligence.recommendations.request_ids import RequestIdDep
from transactional_api.intelligence.recommendations.schemas import (
    ConnectorItem,
    EventItem,
    Feed,
    FeedRequest,
    HomeFeed,
    MarketplaceFeedItem,
    PostItem,
)
from transactional_api.intelligence.recommendations.served_items import FeedT, remember
from transactional_api.intelligence.recommendations.sessions import CursorExpiredError, FeedSession

router = APIRouter(prefix="/recommendations", tags=["recommendations"], route_class=ReadOnlyRoute)

RESPONSES = problem_responses(
    UnauthenticatedError, InvalidRequestError, InvalidCursorError, CursorExpiredError, UnavailableError
)


async def _clients(request: Request) -> RankingClients:
    clients: RankingClients = request.app.state.recommender
    return clients


RankingClientsDep = Annotated[RankingClients, Depends(_clients)]


@router.post("/home", operation_id="recommendHome", summary="Recommend items of all kinds", responses=RESPONSES)
async def home(
    *,
    feed_request: FeedRequest,
    reads: ReadsDep,
    viewer: CurrentUser,
    clients: RankingClientsDep,
    request_id: RequestIdDep,
    redis: RedisDep,
    language: LanguageDep,
) -> HomeFeed:
    """Recommend posts, connectors, events and marketplace items on one page. `parts` names the path of each kind."""
    session = await sessions.resume(redis, user_id=viewer.id, kind=HOME, cursor=feed_request.cursor)
    feed = await home_feed(
        reads,
        viewer=viewer,
        clients=clients,
        feed_request=feed_request,
        session=session,
        request_id=request_id,
        language=language,
    )
    return await _recorded(redis, feed, session=session, viewer=viewer)


@router.post("/content", operation_id="recommendContent", summary="Recommend posts", responses=RESPONSES)
async def content(
    *,
    feed_request: FeedRequest,
    reads: ReadsDep,
    viewer: CurrentUser,
    clients: RankingClientsDep,
    request_id: RequestIdDep,
    redis: RedisDep,
    language: LanguageDep,
) -> Feed[PostItem]:
    """Recommend posts. Popular posts are the fallback; `path` names the path."""
    session = await sessions.resume(redis, user_id=viewer.id, kind=ItemKind.POST, cursor=feed_request.cursor)
    feed = await service.personal_feed(
        reads,
        viewer=viewer,
        clients=clients,
        source=POSTS,
        build=lambda item, shared: PostItem(post=item, **shared),
        feed_request=feed_request,
        session=session,
        request_id=request_id,
        language=language,
    )
    return await _recorded(redis, feed, session=session, viewer=viewer)


@router.post("/connectors", operation_id="recommendConnectors", summary="Recommend connectors", responses=RESPONSES)
async def connectors(
    *,
    feed_request: FeedRequest,
    reads: ReadsDep,
    viewer: CurrentUser,
    clients: RankingClientsDep,
    request_id: RequestIdDep,
    redis: RedisDep,
    language: LanguageDep,
) -> Feed[ConnectorItem]:
    """Recommend connectors to join. Popular connectors are the fallback; `path` names the path."""
    session = await sessions.resume(redis, user_id=viewer.id, kind=ItemKind.CONNECTOR, cursor=feed_request.cursor)
    feed = await service.personal_feed(
        reads,
        viewer=viewer,
        clients=clients,
        source=CONNECTORS,
        build=lambda item, shared: ConnectorItem(connector=item, **shared),
        feed_request=feed_request,
        session=session,
        request_id=request_id,
        language=language,
    )
    return await _recorded(redis, feed, session=session, viewer=viewer)


@router.post("/events", operation_id="recommendEvents", summary="Recommend events", responses=RESPONSES)
async def events(
    *,
    feed_request: FeedRequest,
    reads: ReadsDep,
    viewer: CurrentUser,
    clients: RankingClientsDep,
    request_id: RequestIdDep,
    redis: RedisDep,
    language: LanguageDep,
) -> Feed[EventItem]:
    """Recommend current and upcoming events. Rules are the fallback; `path` names the path."""
    session = await sessions.resume(redis, user_id=viewer.id, kind=ItemKind.EVENT, cursor=feed_request.cursor)
    feed = await service.personal_feed(
        reads,
        viewer=viewer,
        clients=clients,
        source=EVENTS,
        build=lambda item, shared: EventItem(event=item, **shared),
        feed_request=feed_request,
        session=session,
        request_id=request_id,
        language=language,
    )
    return await _recorded(redis, feed, session=session, viewer=viewer)


@router.post("/marketplace", operation_id="recommendItems", summary="Recommend marketplace items", responses=RESPONSES)
async def marketplace(
    *,
    feed_request: FeedRequest,
    reads: ReadsDep,
    viewer: CurrentUser,
    clients: RankingClientsDep,
    request_id: RequestIdDep,
    redis: RedisDep,
    language: LanguageDep,
) -> Feed[MarketplaceFeedItem]:
    """Recommend available marketplace items. Rules are the fallback; `path` names the path."""
    session = await sessions.resume(redis, user_id=viewer.id, kind=ItemKind.ITEM, cursor=feed_request.cursor)
    feed = await service.personal_feed(
        reads,
        viewer=viewer,
        clients=clients,
        source=ITEMS,
        build=lambda item, shared: MarketplaceFeedItem(item=item, **shared),
        feed_request=feed_request,
        session=session,
        request_id=request_id,
        language=language,
    )
    return await _recorded(redis, feed, session=session, viewer=viewer)


async def _recorded(redis: Redis, feed: FeedT, *, session: FeedSession, viewer: Viewer) -> FeedT:
    """Record the items of a feed and its session, and return the feed with the cursor of the next page."""
    feed.next_cursor = await sessions.save(redis, session, user_id=viewer.id)
    return await remember(redis, feed)
