"""A connector's pulse, out of hot lists; what is shown is narrowed to the viewer in PostgreSQL."""

from __future__ import annotations

from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import any_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.chat import presence
from transactional_api.connectors.access import access
from transactional_api.db.plain import Ready
from transactional_api.db.tables import Connector, ConnectorMember, Event, Post, User
from transactional_api.events import queries as events
from transactional_api.hot import OWNER, HotList
from transactional_api.posts import queries as posts
from transactional_api.prepared import IDS, SOMEONE
from transactional_api.pulse.schemas import Pulse

RECENT = 100
SHOWN = 20

MEMBERS = HotList.of(
    "connector:{}:members",
    select(ConnectorMember.user_id)
    .join(User, User.id == ConnectorMember.user_id)
    .where(ConnectorMember.connector_id == OWNER, User.is_active.is_(True)),
    as_set=True,
)
POSTS = HotList.of(
    "connector:{}:posts",
    select(Post.id)
    .where(Post.connector_id == OWNER, Post.is_active.is_(True))
    .order_by(Post.created_at.desc(), Post.id.desc())
    .limit(RECENT),
)
EVENTS = HotList.of(
    "connector:{}:events",
    select(Event.id)
    .where(Event.connector_id == OWNER, Event.is_active.is_(True), Event.start_date > func.now())
    .order_by(Event.start_date, Event.id)
    .limit(RECENT),
)
_SEEN_POSTS = Ready(
    select(Post.id)
    .join(Connector, Connector.id == Post.connector_id)
    .where(posts.may_see(SOMEONE), Post.id == any_(IDS))
)
_SEEN_EVENTS = Ready(
    select(Event.id)
    .join(Connector, Connector.id == Event.connector_id)
    .where(events.may_see(SOMEONE), Event.is_active.is_(True), Event.start_date > func.now(), Event.id == any_(IDS))
)


async def pulse(
    session: AsyncSession, redis: Redis, *, viewer: Viewer, connector_id: UUID, after: UUID | None
) -> Pulse:
    """Tell what goes on; raises ``NotFoundError`` when the viewer may not see the connector."""
    found = await access(session, viewer=viewer, connector_id=connector_id)
    recent = await POSTS.read(session, redis, owner=connector_id)
    if after in recent:
        recent = recent[: recent.index(after)]
    upcoming = await EVENTS.read(session, redis, owner=connector_id)
    online = None
    if found.role is not None:
        await MEMBERS.read(session, redis, owner=connector_id)
        online = await presence.count_online(redis, MEMBERS.key(connector_id))
    return Pulse(
        connector_id=connector_id,
        members_online=online,
        new_post_ids=await _narrow(session, _SEEN_POSTS, recent, viewer),
        upcoming_event_ids=await _narrow(session, _SEEN_EVENTS, upcoming, viewer),
    )


async def _narrow(session: AsyncSession, seen: Ready, ids: list[UUID], viewer: Viewer) -> list[UUID]:
    """Return the first of ``ids`` that the viewer may see; nothing new asks for nothing."""
    if not ids:
        return []
    left = {row.id for row in await seen.all(session, viewer_id=viewer.id, ids=ids)}
    return [one for one in ids if one in left][:SHOWN]
