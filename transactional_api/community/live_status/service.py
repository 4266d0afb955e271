"""Live status of a connector, from cached id lists; the result is filtered to the viewer in PostgreSQL."""

from __future__ import annotations

from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import any_, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.chat import messages, presence
from transactional_api.community.connectors.access import get_connector_access
from transactional_api.community.events import queries as events
from transactional_api.community.live_status.schemas import LiveStatus
from transactional_api.community.posts import queries as posts
from transactional_api.core.cache import OWNER, CachedIdList
from transactional_api.core.compiled_queries import IDS, VIEWER_PLACEHOLDER
from transactional_api.core.db.statements import CompiledStatement, StatementRunner
from transactional_api.core.db.tables import Connector, ConnectorMember, Event, Post, User
from transactional_api.core.viewer import Viewer

CACHED_IDS = 100
MAX_IDS = 20

MEMBERS = CachedIdList.of(
    "connector:{}:members",
    select(ConnectorMember.user_id)
    .join(User, User.id == ConnectorMember.user_id)
    .where(ConnectorMember.connector_id == OWNER, User.is_active.is_(True)),
    as_set=True,
)
POSTS = CachedIdList.of(
    "connector:{}:posts",
    select(Post.id)
    .where(Post.connector_id == OWNER, Post.is_active.is_(True))
    .order_by(Post.created_at.desc(), Post.id.desc())
    .limit(CACHED_IDS),
)
EVENTS = CachedIdList.of(
    "connector:{}:events",
    select(Event.id)
    .where(Event.connector_id == OWNER, Event.is_active.is_(True), events.NOT_OVER)
    .order_by(Event.start_date, Event.id)
    .limit(CACHED_IDS),
)
_VISIBLE_POSTS = CompiledStatement(
    select(Post.id)
    .join(Connector, Connector.id == Post.connector_id)
    .where(posts.may_see(VIEWER_PLACEHOLDER), Post.id == any_(IDS))
)
_VISIBLE_EVENTS = CompiledStatement(
    select(Event.id)
    .join(Connector, Connector.id == Event.connector_id)
    .where(events.may_see(VIEWER_PLACEHOLDER), events.accepts_rsvps(), events.NOT_OVER, Event.id == any_(IDS))
)


async def live_status(
    session: AsyncSession,
    runner: StatementRunner,
    redis: Redis,
    *,
    viewer: Viewer,
    connector_id: UUID,
    after_post_id: UUID | None,
) -> LiveStatus:
    """Return the live status; raises ``NotFoundError`` if the viewer cannot see the connector."""
    access = await get_connector_access(session, viewer=viewer, connector_id=connector_id)
    post_ids = await POSTS.get(runner, redis, owner=connector_id)
    if after_post_id in post_ids:
        post_ids = post_ids[: post_ids.index(after_post_id)]
    event_ids = await EVENTS.get(runner, redis, owner=connector_id)
    online = None
    if access.role is not None:
        members = await MEMBERS.get(runner, redis, owner=connector_id)
        online = await presence.count_online(redis, MEMBERS.key(connector_id))
        blocked = await messages.blocked_users(runner, viewer=viewer)
        if online is not None and (hidden := sorted(blocked.intersection(members))):
            online = max(0, online - len(await presence.online(redis, hidden)))
    return LiveStatus(
        connector_id=connector_id,
        online_member_count=online,
        new_post_ids=await _visible_ids(runner, _VISIBLE_POSTS, post_ids, viewer),
        upcoming_event_ids=await _visible_ids(runner, _VISIBLE_EVENTS, event_ids, viewer),
    )


async def _visible_ids(
    runner: StatementRunner, statement: CompiledStatement, ids: list[UUID], viewer: Viewer
) -> list[UUID]:
    """Return the first of ``ids`` that the viewer can see; runs no statement for an empty list."""
    if not ids:
        return []
    visible = {row.id for row in await statement.all(runner, viewer_id=viewer.id, ids=ids)}
    return [row_id for row_id in ids if row_id in visible][:MAX_IDS]
