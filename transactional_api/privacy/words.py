"""What a person wrote: emptied, or left without a name where they want it to stay. Pictures go in any case."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.db.tables import (
    Appeal,
    ChatMessage,
    Comment,
    Connector,
    Erasure,
    Event,
    EventAttendee,
    MarketplaceItem,
    ModerationCase,
    Notification,
    PinnedPost,
    Post,
    PostTag,
    PostVersion,
    Purchase,
    Report,
    Review,
    SellerReview,
)
from transactional_api.notifications.channels import NoticeKind
from transactional_api.notifications.notice import Notice, notify

Step = Callable[[AsyncSession, Erasure], Awaitable[int]]
_CHUNK = 500


def _blank(
    whose: InstrumentedAttribute[Any],
    *,
    always: dict[str, Any] | None = None,
    unless_kept: dict[str, Any] | None = None,
) -> Step:
    """Return the step that empties columns of a person's rows, some of them only where the words go."""
    model: Any = whose.class_

    async def step(session: AsyncSession, erasure: Erasure) -> int:
        values = (always or {}) | ({} if erasure.keeps_words else unless_kept or {})
        mine = whose == erasure.user_id
        if not values:
            return await session.scalar(select(func.count()).select_from(model).where(mine)) or 0
        emptied = update(model).where(mine).values(values).execution_options(synchronize_session=False)
        return int((await session.execute(emptied)).rowcount)  # type: ignore[attr-defined]

    return step


async def _posts(session: AsyncSession, erasure: Erasure) -> int:
    mine = Post.author_id == erasure.user_id
    if not erasure.keeps_words:
        standing = select(Post.connector_id, func.count()).where(mine, Post.is_active.is_(True))
        for connector_id, number in (await session.execute(standing.group_by(Post.connector_id))).all():
            fewer = update(Connector).where(Connector.id == connector_id)
            await session.execute(fewer.values(post_count=Connector.post_count - number))
        ids = select(Post.id).where(mine)
        for model in (PostVersion, PostTag, PinnedPost):
            gone = delete(model).where(model.post_id.in_(ids))
            await session.execute(gone.execution_options(synchronize_session=False))
    words = {"content": "", "title": None, "is_active": False}
    return await _blank(Post.author_id, always={"image_url": None}, unless_kept=words)(session, erasure)


async def _comments(session: AsyncSession, erasure: Erasure) -> int:
    if not erasure.keeps_words:
        standing = select(Comment.post_id, func.count()).where(
            Comment.author_id == erasure.user_id, Comment.is_active.is_(True)
        )
        for post_id, number in (await session.execute(standing.group_by(Comment.post_id))).all():
            fewer = update(Post).where(Post.id == post_id)
            await session.execute(fewer.values(comments_count=Post.comments_count - number))
    return await _blank(Comment.author_id, unless_kept={"content": "", "is_active": False})(session, erasure)


async def _events(session: AsyncSession, erasure: Erasure) -> int:
    """Cancel what is still to come, since nobody holds it, and empty the words."""
    coming = (Event.created_by == erasure.user_id, Event.is_active.is_(True), Event.start_date > func.now())
    for event_id in (await session.scalars(select(Event.id).where(*coming).order_by(Event.id))).all():
        await _cancel(session, event_id=event_id)
    if not erasure.keeps_words:
        # Reminders and the like are nobody's doing, and have its title in them.
        held = select(Event.id).where(Event.created_by == erasure.user_id)
        told = delete(Notification).where(Notification.actor_id.is_(None), Notification.subject_id.in_(held))
        await session.execute(told.execution_options(synchronize_session=False))
    words = {"title": "An event", "description": None, "location": None, "latitude": None, "longitude": None}
    return await _blank(Event.created_by, unless_kept=words)(session, erasure)


async def _cancel(session: AsyncSession, *, event_id: UUID) -> None:
    await session.execute(update(Event).where(Event.id == event_id).values(is_active=False))
    people = await session.scalars(
        select(EventAttendee.user_id).where(EventAttendee.event_id == event_id, EventAttendee.status != "declined")
    )
    await notify(
        session,
        Notice(
            kind=NoticeKind.EVENT_CANCELLED,
            subject_kind="event",
            subject_id=event_id,
            title="An event that you answered was cancelled",
            user_ids=list(people),
        ),
    )


async def _items(session: AsyncSession, erasure: Erasure) -> int:
    """Withdraw what is on offer, call open purchases off, and empty the words."""
    person = erasure.user_id
    called_off = (
        update(Purchase)
        .where(or_(Purchase.buyer_id == person, Purchase.seller_id == person), Purchase.status == "agreed")
        .values(status="cancelled", updated_at=datetime.now(UTC))
        .returning(Purchase.item_id)
    )
    items = (await session.scalars(called_off.execution_options(synchronize_session=False))).all()
    free = update(MarketplaceItem).where(MarketplaceItem.id.in_(items), MarketplaceItem.status == "sold")
    await session.execute(free.values(status="available").execution_options(synchronize_session=False))
    always: dict[str, Any] = {"images": [], "latitude": None, "longitude": None, "is_active": False}
    words = {"title": "An item", "description": None}
    return await _blank(MarketplaceItem.seller_id, always=always, unless_kept=words)(session, erasure)


async def _reservations(session: AsyncSession, erasure: Erasure) -> int:
    free = (
        update(MarketplaceItem)
        .where(MarketplaceItem.reserved_by == erasure.user_id)
        .values(reserved_by=None, reserved_until=None, status="available")
        .execution_options(synchronize_session=False)
    )
    return int((await session.execute(free)).rowcount)  # type: ignore[attr-defined]


async def _connectors(session: AsyncSession, erasure: Erasure) -> int:
    """Leave connectors to their members; empty the words of those that nobody else was in."""
    nothing = {"name": "A connector", "description": None, "rules": None, "image_url": None, "settings": None}
    empty = update(Connector).where(Connector.created_by == erasure.user_id, Connector.member_count == 0)
    await session.execute(empty.values(nothing).execution_options(synchronize_session=False))
    return await _blank(Connector.created_by, always={"created_by": None})(session, erasure)


STEPS: dict[str, Step] = {
    "connectors.created_by": _connectors,
    "posts.author_id": _posts,
    "comments.author_id": _comments,
    "events.created_by": _events,
    "marketplace_items.seller_id": _items,
    "marketplace_items.reserved_by": _reservations,
    "seller_reviews.buyer_id": _blank(SellerReview.buyer_id, unless_kept={"content": None}),
    "reviews.reviewer_id": _blank(Review.reviewer_id, unless_kept={"title": "", "content": "", "is_active": False}),
    "chat_messages.author_id": _blank(
        ChatMessage.author_id,
        always={"attachments": []},
        unless_kept={"content": None, "deleted_at": func.now()},
    ),
    "moderation_cases.owner_id": _blank(ModerationCase.owner_id, always={"words": "", "triage": None}),
    "moderation_reports.reporter_id": _blank(Report.reporter_id, always={"words": ""}),
    "moderation_appeals.appellant_id": _blank(Appeal.appellant_id, always={"words": ""}),
}
"""By table and column, what is done to a person's words; each returns how many rows it saw to."""
