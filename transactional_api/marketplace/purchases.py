"""Reserving, buying, handing over and calling off; one item goes to one buyer.

Everything that changes whose an item is locks the item's row first.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.auth import Viewer
from transactional_api.db.tables import MarketplaceItem, Purchase, SellerReview
from transactional_api.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.marketplace import queries
from transactional_api.marketplace.schemas import ItemOut, ItemStatus, PurchaseOut, PurchaseStatus, SellerReviewBody
from transactional_api.marketplace.service import access_item, get, lock
from transactional_api.moderation import screening
from transactional_api.moderation.schemas import SubjectKind
from transactional_api.notifications.channels import NoticeKind
from transactional_api.notifications.notice import Notice, notify
from transactional_api.paging import Page, PageRequest

RESERVATION = timedelta(hours=48)


class NotAvailableError(Problem):
    """Somebody else was first."""

    status, code, title = 409, "not_available", "Somebody else has reserved or bought this"


class OwnItemError(Problem):
    """The item is the viewer's own."""

    status, code, title = 409, "own_item", "This is your own item"


class PurchaseClosedError(Problem):
    """The purchase was completed or called off before."""

    status, code, title = 409, "purchase_closed", "This purchase was completed or called off"


class NotCompletedError(Problem):
    """A seller is reviewed after the item was handed over."""

    status, code, title = 409, "purchase_not_completed", "The seller has not said that you have it yet"


class ReviewedError(Problem):
    """The purchase was reviewed before."""

    status, code, title = 409, "already_reviewed", "You have reviewed this purchase"


async def reserve(session: AsyncSession, *, viewer: Viewer, item_id: UUID) -> ItemOut:
    """Keep an item for the viewer for two days; reserving again begins them anew.

    Raises:
        OwnItemError: when the viewer sells it.
        NotAvailableError: when somebody else was first.
    """
    item = await _take(session, viewer=viewer, item_id=item_id)
    told = item.reserved_by != viewer.id
    item.status, item.reserved_by = ItemStatus.RESERVED, viewer.id
    item.reserved_until = datetime.now(UTC) + RESERVATION
    await session.flush()
    if told:
        await _tell(session, viewer=viewer, item=item, kind=NoticeKind.ITEM_RESERVED, to=item.seller_id)
    return await get(session, viewer=viewer, item_id=item_id)


async def release(session: AsyncSession, *, viewer: Viewer, item_id: UUID) -> None:
    """End a reservation; for who reserved and for the seller. One that is not there changes nothing.

    Raises:
        ForbiddenError: for anyone else.
    """
    found = await access_item(session, viewer=viewer, item_id=item_id)
    item = await lock(session, item_id=item_id)
    if not found.is_seller and item.reserved_by != viewer.id:
        raise ForbiddenError("Only its seller and who reserved it may release an item")
    if item.status == ItemStatus.RESERVED:
        item.status, item.reserved_by, item.reserved_until = ItemStatus.AVAILABLE, None, None
        await session.flush()


async def buy(session: AsyncSession, *, viewer: Viewer, item_id: UUID) -> PurchaseOut:
    """Buy an item; of all who try at once, one gets it.

    Raises:
        OwnItemError: when the viewer sells it.
        NotAvailableError: when somebody else was first.
    """
    item = await _take(session, viewer=viewer, item_id=item_id)
    item.status, item.reserved_by, item.reserved_until = ItemStatus.SOLD, None, None
    await session.flush()
    purchase_id = await session.scalar(
        insert(Purchase)
        .values(item_id=item.id, buyer_id=viewer.id, seller_id=item.seller_id, price=item.price, currency=item.currency)
        .returning(Purchase.id)
    )
    assert purchase_id is not None  # noqa: S101 (the insert returned it)
    await _tell(session, viewer=viewer, item=item, kind=NoticeKind.ITEM_BOUGHT, to=item.seller_id)
    return await get_purchase(session, viewer=viewer, purchase_id=purchase_id)


async def complete(session: AsyncSession, *, viewer: Viewer, purchase_id: UUID) -> PurchaseOut:
    """Say that the buyer has the item; for the seller.

    Raises:
        ForbiddenError: for the buyer.
        PurchaseClosedError: when it was completed or called off.
    """
    purchase, item = await _lock_purchase(session, viewer=viewer, purchase_id=purchase_id)
    if purchase.seller_id != viewer.id:
        raise ForbiddenError("Only the seller can say that an item was handed over")
    await _close(session, purchase, PurchaseStatus.COMPLETED)
    await _tell(session, viewer=viewer, item=item, kind=NoticeKind.PURCHASE_COMPLETED, to=purchase.buyer_id)
    return await get_purchase(session, viewer=viewer, purchase_id=purchase_id)


async def cancel(session: AsyncSession, *, viewer: Viewer, purchase_id: UUID) -> PurchaseOut:
    """Call a purchase off, by either side; the item can be had again.

    Raises:
        PurchaseClosedError: when it was completed or called off.
    """
    purchase, item = await _lock_purchase(session, viewer=viewer, purchase_id=purchase_id)
    await _close(session, purchase, PurchaseStatus.CANCELLED)
    item.status = ItemStatus.AVAILABLE
    await session.flush()
    other = purchase.seller_id if viewer.id == purchase.buyer_id else purchase.buyer_id
    await _tell(session, viewer=viewer, item=item, kind=NoticeKind.PURCHASE_CANCELLED, to=other)
    return await get_purchase(session, viewer=viewer, purchase_id=purchase_id)


async def get_purchase(session: AsyncSession, *, viewer: Viewer, purchase_id: UUID) -> PurchaseOut:
    """Return a purchase that the viewer is part of; raises ``NotFoundError`` for any other."""
    row = (await session.execute(queries.purchases_of(viewer).where(Purchase.id == purchase_id))).one_or_none()
    if row is None:
        raise NotFoundError
    return PurchaseOut.model_validate(row)


async def history(
    session: AsyncSession, *, viewer: Viewer, page: PageRequest, side: InstrumentedAttribute[UUID]
) -> Page[PurchaseOut]:
    """List purchases in which the viewer is on one side (``Purchase.buyer_id`` or ``.seller_id``), the latest first."""
    statement = page.select(
        queries.purchases_of(viewer).where(side == viewer.id), at=Purchase.created_at, row_id=Purchase.id
    )
    rows = (await session.execute(statement)).all()
    return page.of(rows, PurchaseOut.model_validate)


async def review(session: AsyncSession, *, viewer: Viewer, purchase_id: UUID, body: SellerReviewBody) -> None:
    """Review the seller of a completed purchase, once; for the buyer.

    Raises:
        ForbiddenError: for the seller.
        NotCompletedError, ReviewedError: too early, or too late.
    """
    purchase = await get_purchase(session, viewer=viewer, purchase_id=purchase_id)
    if purchase.buyer_id != viewer.id:
        raise ForbiddenError("Only the buyer may review the seller")
    if purchase.status is not PurchaseStatus.COMPLETED:
        raise NotCompletedError
    new = await session.scalar(
        upsert(SellerReview)
        .values(purchase_id=purchase_id, seller_id=purchase.seller_id, buyer_id=viewer.id, **body.model_dump())
        .on_conflict_do_nothing()
        .returning(SellerReview.id)
    )
    if new is None:
        raise ReviewedError
    await screening.screen(session, SubjectKind.SELLER_REVIEW, new)


async def _take(session: AsyncSession, *, viewer: Viewer, item_id: UUID) -> MarketplaceItem:
    """Lock an item that the viewer may have now."""
    if (await access_item(session, viewer=viewer, item_id=item_id)).is_seller:
        raise OwnItemError
    item = await lock(session, item_id=item_id)
    lapsed = item.reserved_until is not None and item.reserved_until <= datetime.now(UTC)
    mine = item.status == ItemStatus.RESERVED and (lapsed or item.reserved_by == viewer.id)
    if item.status != ItemStatus.AVAILABLE and not mine:
        raise NotAvailableError
    return item


async def _lock_purchase(
    session: AsyncSession, *, viewer: Viewer, purchase_id: UUID
) -> tuple[Purchase, MarketplaceItem]:
    found = await get_purchase(session, viewer=viewer, purchase_id=purchase_id)
    item = await lock(session, item_id=found.item_id)
    purchase = await session.scalar(
        select(Purchase).where(Purchase.id == purchase_id).execution_options(populate_existing=True)
    )
    assert purchase is not None  # noqa: S101 (purchases are never deleted)
    return purchase, item


async def _close(session: AsyncSession, purchase: Purchase, status: PurchaseStatus) -> None:
    if purchase.status != PurchaseStatus.AGREED:
        raise PurchaseClosedError
    purchase.status, purchase.updated_at = status, datetime.now(UTC)
    await session.flush()


_TITLES = {
    NoticeKind.ITEM_RESERVED: "A neighbour reserved your item",
    NoticeKind.ITEM_BOUGHT: "A neighbour bought your item",
    NoticeKind.PURCHASE_COMPLETED: "The seller says that you have it",
    NoticeKind.PURCHASE_CANCELLED: "A purchase was called off",
}


async def _tell(session: AsyncSession, *, viewer: Viewer, item: Any, kind: NoticeKind, to: UUID) -> None:
    await notify(
        session,
        Notice(
            kind=kind,
            actor_id=viewer.id,
            subject_kind="item",
            subject_id=item.id,
            title=_TITLES[kind],
            body=item.title,
            user_ids=[to],
        ),
    )
