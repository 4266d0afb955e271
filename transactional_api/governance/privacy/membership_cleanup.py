"""Erasure steps for memberships, event responses and counted marks such as likes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.connectors.members import end_membership
from transactional_api.community.events.capacity import delete_rsvp, lock_event
from transactional_api.community.events.service import promote_from_waitlist
from transactional_api.community.posts.reactions import REACTION_TYPES
from transactional_api.core.db.tables import (
    ConnectorMember,
    Erasure,
    EventAttendee,
    HelpfulVote,
    ItemView,
    MarketplaceItem,
    Review,
)

# Per table of marks: model, foreign key, marked model, and its counter.
COUNTED: dict[str, tuple[Any, Any, Any, Any]] = {
    **{
        one.rows.__tablename__: (one.rows, one.subject_id, one.subject, one.counter)
        for one in REACTION_TYPES
        if one.counter is not None
    },
    "review_votes": (HelpfulVote, HelpfulVote.review_id, Review, Review.helpful_count),
    "marketplace_item_views": (ItemView, ItemView.item_id, MarketplaceItem, MarketplaceItem.views_count),
}


async def leave_connectors(session: AsyncSession, erasure: Erasure) -> int:
    """End every membership; return their number."""
    of_user = select(ConnectorMember.connector_id).where(ConnectorMember.user_id == erasure.user_id)
    connectors = (await session.scalars(of_user.order_by(ConnectorMember.connector_id))).all()
    for connector_id in connectors:
        await end_membership(session, connector_id=connector_id, user_id=erasure.user_id)
    return len(connectors)


async def leave_events(session: AsyncSession, erasure: Erasure) -> int:
    """Withdraw every event response and promote the wait lists; return their number."""
    of_user = select(EventAttendee.event_id).where(EventAttendee.user_id == erasure.user_id)
    events = (await session.scalars(of_user.order_by(EventAttendee.event_id))).all()
    for event_id in events:
        event = await lock_event(session, event_id=event_id, or_cancelled=True)
        if event is not None:
            await delete_rsvp(session, event=event, user_id=erasure.user_id)
            await promote_from_waitlist(session, event=event)
    return len(events)


def remove_marks(name: str) -> Callable[[AsyncSession, Erasure], Awaitable[int]]:
    """Return the step that deletes a user's marks of one table and lowers the counters."""
    marks, marked_id, marked, count = COUNTED[name]

    async def step(session: AsyncSession, erasure: Erasure) -> int:
        removed = delete(marks).where(marks.user_id == erasure.user_id).returning(marked_id)
        ids = (await session.scalars(removed.execution_options(synchronize_session=False))).all()
        fewer = update(marked).where(marked.id.in_(ids)).values({count: count - 1})
        await session.execute(fewer.execution_options(synchronize_session=False))
        return len(ids)

    return step
