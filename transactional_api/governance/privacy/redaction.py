"""Erasure steps for content: remove the text, unless the user asked to keep it without a name; media always go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from neighborconnect.contracts.privacy import REDACTED_TITLES
from transactional_api.community.events.queries import NOT_OVER
from transactional_api.core.db.tables import (
    Appeal,
    ChatMessage,
    Comment,
    Connector,
    Erasure,
    Event,
    EventAttendee,
    MarketplaceItem,
    ModerationCase,
    PinnedPost,
    Post,
    PostTag,
    PostVersion,
    Purchase,
    Report,
    Review,
    SellerReview,
)
from transactional_api.core.notices import Notice, NoticeKind, notify

Step = Callable[[AsyncSession, Erasure], Awaitable[int]]
_CHUNK = 500


def _redact(
    column: InstrumentedAttribute[Any],
    *,
    always: dict[str, Any] | None = None,
    unless_content_kept: dict[str, Any] | None = None,
) -> Step:
    """Return the step that redacts columns of a user's rows, some of them only if the content is not kept."""
    model: Any = column.class_

    async def step(session: AsyncSession, erasure: Erasure) -> int:
        values = (always or {}) | ({} if erasure.keep_words else unless_content_kept or {})
        of_user = column == erasure.user_id
        if not values:
            return await session.scalar(select(func.count()).select_from(model).where(of_user)) or 0
        redacted = update(model).where(of_user).values(values).execution_options(synchronize_session=False)
        return int((await session.execute(redacted)).rowcount)  # type: ignore[attr-defined]

    return step


async def _posts(session: AsyncSession, erasure: Erasure) -> int:
    mine = Post.author_id == erasure.user_id
    if not erasure.keep_words:
        active = select(Post.connector_id, func.count()).where(mine, Post.is_active.is_(True))
        for connector_id, number in (await session.execute(active.group_by(Post.connector_id))).all():
            fewer = update(Connector).where(Connector.id == connector_id)
            await session.execute(fewer.values(post_count=Connector.post_count - number))
        ids = select(Post.id).where(mine)
        for model in (PostVersion, PostTag, PinnedPost):
            removed = delete(model).where(model.post_id.in_(ids))
            await session.execute(removed.execution_options(synchronize_session=False))
    words = {"content": "", "title": None, "is_active": False}
    return await _redact(Post.author_id, always={"image_url": None, "media_ids": []}, unless_content_kept=words)(
        session, erasure
    )


async def _comments(session: AsyncSession, erasure: Erasure) -> int:
    if not erasure.keep_words:
        active = select(Comment.post_id, func.count()).where(
            Comment.author_id == erasure.user_id, Comment.is_active.is_(True)
        )
        for post_id, number in (await session.execute(active.group_by(Comment.post_id))).all():
            fewer = update(Post).where(Post.id == post_id)
            await session.execute(fewer.values(comments_count=Post.comments_count - number))
    words = {"content": "", "is_active": False}
    return await _redact(Comment.author_id, always={"media_ids": []}, unless_content_kept=words)(session, erasure)


async def _events(session: AsyncSession, erasure: Erasure) -> int:
    """Cancel the user's events that are not over, and redact the text."""
    upcoming = (Event.created_by == erasure.user_id, Event.is_active.is_(True), NOT_OVER)
    hosted = await session.execute(select(Event.id, Event.title).where(*upcoming).order_by(Event.id))
    for event_id, title in hosted.all():
        await _cancel(session, event_id=event_id, title=title)
    words = {
        "title": REDACTED_TITLES["events"],
        "description": None,
        "location": None,
        "latitude": None,
        "longitude": None,
    }
    return await _redact(Event.created_by, always={"media_ids": []}, unless_content_kept=words)(session, erasure)


async def _cancel(session: AsyncSession, *, event_id: UUID, title: str) -> None:
    """Cancel an event and notify its attendees; the notification holds the title, which the event loses."""
    changed = update(Event).where(Event.id == event_id).values(is_active=False, updated_at=datetime.now(UTC))
    await session.execute(changed)
    people = await session.scalars(
        select(EventAttendee.user_id).where(EventAttendee.event_id == event_id, EventAttendee.status != "declined")
    )
    await notify(
        session,
        Notice(
            kind=NoticeKind.EVENT_CANCELLED,
            subject_kind="event",
            subject_id=event_id,
            body=title,
            user_ids=list(people),
        ),
    )


async def _items(session: AsyncSession, erasure: Erasure) -> int:
    """Withdraw the user's items, cancel open purchases, and redact the text."""
    user_id = erasure.user_id
    cancelled = (
        update(Purchase)
        .where(or_(Purchase.buyer_id == user_id, Purchase.seller_id == user_id), Purchase.status == "agreed")
        .values(status="cancelled", updated_at=datetime.now(UTC))
        .returning(Purchase.item_id, Purchase.buyer_id, Purchase.seller_id)
    )
    purchases = (await session.execute(cancelled.execution_options(synchronize_session=False))).all()
    items = [purchase.item_id for purchase in purchases]
    named = select(MarketplaceItem.id, MarketplaceItem.title).where(MarketplaceItem.id.in_(items))
    titles = {row.id: row.title for row in await session.execute(named)}
    for purchase in purchases:
        await notify(
            session,
            Notice(
                kind=NoticeKind.PURCHASE_CANCELLED,
                subject_kind="item",
                subject_id=purchase.item_id,
                body=titles[purchase.item_id],
                user_ids=[purchase.seller_id if purchase.buyer_id == user_id else purchase.buyer_id],
            ),
        )
    free = update(MarketplaceItem).where(MarketplaceItem.id.in_(items), MarketplaceItem.status == "sold")
    await session.execute(free.values(status="available").execution_options(synchronize_session=False))
    await _release(session, MarketplaceItem.seller_id == user_id, other=MarketplaceItem.reserved_by)
    always: dict[str, Any] = {"images": [], "media_ids": [], "latitude": None, "longitude": None, "is_active": False}
    words = {"title": REDACTED_TITLES["marketplace_items"], "description": None}
    return await _redact(MarketplaceItem.seller_id, always=always, unless_content_kept=words)(session, erasure)


async def _reservations(session: AsyncSession, erasure: Erasure) -> int:
    mine = MarketplaceItem.reserved_by == erasure.user_id
    return await _release(session, mine, other=MarketplaceItem.seller_id)


async def _release(session: AsyncSession, reserved: ColumnElement[bool], *, other: InstrumentedAttribute[Any]) -> int:
    """End reservations and notify the other party of those that had not expired; return their number."""
    lapsed = MarketplaceItem.reserved_until <= func.now()
    columns = (MarketplaceItem.id, MarketplaceItem.title, other.label("other"), lapsed.label("lapsed"))
    held = select(*columns).where(reserved, MarketplaceItem.reserved_by.is_not(None)).order_by(MarketplaceItem.id)
    items = (await session.execute(held.with_for_update(key_share=True))).all()
    for item in items:
        if not item.lapsed:
            await notify(
                session,
                Notice(
                    kind=NoticeKind.RESERVATION_CANCELLED,
                    subject_kind="item",
                    subject_id=item.id,
                    body=item.title,
                    user_ids=[item.other],
                ),
            )
    free = update(MarketplaceItem).where(MarketplaceItem.id.in_([item.id for item in items]))
    available = free.values(reserved_by=None, reserved_until=None, status="available")
    await session.execute(available.execution_options(synchronize_session=False))
    return len(items)


async def _connectors(session: AsyncSession, erasure: Erasure) -> int:
    """Unlink connectors from their creator; redact those without other members."""
    images: dict[str, Any] = {"image_url": None, "media_id": None}
    nothing = {"name": "A connector", "description": None, "rules": None, "settings": None, **images}
    empty = update(Connector).where(Connector.created_by == erasure.user_id, Connector.member_count == 0)
    await session.execute(empty.values(nothing).execution_options(synchronize_session=False))
    return await _redact(Connector.created_by, always={"created_by": None})(session, erasure)


STEPS: dict[str, Step] = {
    "connectors.created_by": _connectors,
    "posts.author_id": _posts,
    "comments.author_id": _comments,
    "events.created_by": _events,
    "marketplace_items.seller_id": _items,
    "marketplace_items.reserved_by": _reservations,
    "seller_reviews.buyer_id": _redact(
        SellerReview.buyer_id, always={"media_ids": []}, unless_content_kept={"content": None}
    ),
    "reviews.reviewer_id": _redact(
        Review.reviewer_id,
        always={"media_ids": []},
        unless_content_kept={"title": "", "content": "", "is_active": False},
    ),
    "chat_messages.author_id": _redact(
        ChatMessage.author_id,
        always={"attachments": [], "media_ids": []},
        unless_content_kept={"content": None, "deleted_at": func.now()},
    ),
    "moderation_cases.owner_id": _redact(ModerationCase.owner_id, always={"content_snapshot": "", "triage": None}),
    "moderation_reports.reporter_id": _redact(Report.reporter_id, always={"details": ""}),
    "moderation_appeals.appellant_id": _redact(Appeal.appellant_id, always={"statement": ""}),
}
"""Steps by table and column; each returns the number of rows it processed."""
