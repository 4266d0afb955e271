"""What a person leaves behind among others: memberships, answers to events, and marks that are counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.connectors.members import end_membership
from transactional_api.db.tables import (
    Comment,
    CommentLike,
    ConnectorMember,
    Erasure,
    EventAttendee,
    HelpfulVote,
    Post,
    PostLike,
    Review,
)
from transactional_api.events.places_taken import lock_event, withdraw
from transactional_api.events.service import move_up

# A table of marks, the row that each mark is on, and where that counts them.
_COUNTED: dict[str, tuple[Any, Any, Any, Any]] = {
    "post_likes": (PostLike, PostLike.post_id, Post, Post.likes_count),
    "comment_likes": (CommentLike, CommentLike.comment_id, Comment, Comment.likes_count),
    "review_votes": (HelpfulVote, HelpfulVote.review_id, Review, Review.helpful_count),
}


async def leave_connectors(session: AsyncSession, erasure: Erasure) -> int:
    """End every membership; returns how many."""
    mine = select(ConnectorMember.connector_id).where(ConnectorMember.user_id == erasure.user_id)
    connectors = (await session.scalars(mine.order_by(ConnectorMember.connector_id))).all()
    for connector_id in connectors:
        await end_membership(session, connector_id=connector_id, user_id=erasure.user_id)
    return len(connectors)


async def leave_events(session: AsyncSession, erasure: Erasure) -> int:
    """Take every answer back, and give the places to who waits; returns how many."""
    mine = select(EventAttendee.event_id).where(EventAttendee.user_id == erasure.user_id)
    events = (await session.scalars(mine.order_by(EventAttendee.event_id))).all()
    for event_id in events:
        event = await lock_event(session, event_id=event_id)
        if event is not None:
            await withdraw(session, event=event, user_id=erasure.user_id)
            await move_up(session, event=event)
    # Of events that were cancelled nobody counts places any more.
    await session.execute(delete(EventAttendee).where(EventAttendee.user_id == erasure.user_id))
    return len(events)


def take_back_marks(name: str) -> Callable[[AsyncSession, Erasure], Awaitable[int]]:
    """Return the step that takes a person's marks of one table back and counts them off."""
    marks, marked_id, marked, count = _COUNTED[name]

    async def step(session: AsyncSession, erasure: Erasure) -> int:
        taken = delete(marks).where(marks.user_id == erasure.user_id).returning(marked_id)
        ids = (await session.scalars(taken.execution_options(synchronize_session=False))).all()
        fewer = update(marked).where(marked.id.in_(ids)).values({count: count - 1})
        await session.execute(fewer.execution_options(synchronize_session=False))
        return len(ids)

    return step
