"""Reservations and purchases: each item has at most one buyer.

Every change of an item's status locks the item's row first.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.community.marketplace import queries
from transactional_api.community.marketplace.schemas import (
    ExpectedPrice,
    ItemOut,
    ItemStatus,
    PurchaseOut,
    PurchaseStatus,
)
from transactional_api.community.marketplace.service import get, get_item_access, lock
from transactional_api.core.db.tables import MarketplaceItem, Purchase
from transactional_api.core.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.core.notices import NAMES_SUBJECT, Notice, NoticeKind, notify
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer

RESERVATION = timedelta(hours=48)


class ItemNotAvailableError(Problem):
    """Another user has reserved or bought the item."""

    status, code, title = 409, "item_not_available", "Another user has reserved or bought this item"


class SalePausedError(Problem):
    """The seller is suspended; the response does not disclose it."""

    status, code, title = 409, "sale_paused", "This item is not for sale at the moment"


class OwnItemError(Problem):
    """The viewer is the seller of the item."""

    status, code, title = 409, "own_item", "This is your own item"


class PriceChangedError(Problem):
    """The price differs, or may differ, from the one that the buyer read."""

    status, code, title = (
        409,
        "price_changed",
        "The item has changed: read it again, then send If-Match or the expected price",
    )


class PurchaseClosedError(Problem):
    """The purchase is completed or cancelled."""

    status, code, title = 409, "purchase_closed", "This purchase is completed or cancelled"


async def reserve(session: AsyncSession, *, viewer: Viewer, item_id: UUID, expected: ExpectedPrice | None) -> ItemOut:
    """Reserve an item for 48 hours; reserving again restarts them.

    Raises:
        OwnItemError: the viewer is the seller.
        SalePausedError: the seller is suspended.
        ItemNotAvailableError: another user has reserved or bought it.
        PriceChangedError: the price differs from the expected one.
    """
    item = await _lock_for_buyer(session, viewer=viewer, item_id=item_id)
    _check_price(item, expected)
    is_new = item.reserved_by != viewer.id
    item.status, item.reserved_by = ItemStatus.RESERVED, viewer.id
    item.reserved_until = datetime.now(UTC) + RESERVATION
    await session.flush()
    if is_new:
        await _notify_user(session, viewer=viewer, item=item, kind=NoticeKind.ITEM_RESERVED, to=item.seller_id)
    return await get(session, viewer=viewer, item_id=item_id)


async def release(session: AsyncSession, *, viewer: Viewer, item_id: UUID) -> None:
    """End a reservation.

    Requires the user who reserved or the seller, even if they can no longer see the item. Idempotent.

    Raises:
        ForbiddenError: for other users.
    """
    access = await get_item_access(session, viewer=viewer, item_id=item_id, or_own=True)
    item = await lock(session, item_id=item_id, or_withdrawn=True)
    if not access.is_seller and item.reserved_by != viewer.id:
        raise ForbiddenError("Only the seller and the user who reserved an item can release it")
    if item.status == ItemStatus.RESERVED:
        await cancel_deals(session, item=item, by=viewer.id)


async def buy(
    session: AsyncSession, *, viewer: Viewer, item_id: UUID, expected: ExpectedPrice | None, has_item_version: bool
) -> PurchaseOut:
    """Buy an item; of concurrent requests, one succeeds.

    With ``has_item_version``, the request names the version of the item (``If-Match``), which was checked before.

    Raises:
        OwnItemError: the viewer is the seller.
        SalePausedError: the seller is suspended.
        ItemNotAvailableError: another user has reserved or bought it.
        PriceChangedError: the price differs from the expected one; or neither price nor version is given and the
            seller changed the item after the reservation.
    """
    item = await _lock_for_buyer(session, viewer=viewer, item_id=item_id)
    _check_price(item, expected)
    if not has_item_version and (expected is None or expected.expected_price is None):
        _check_unchanged_since(item, reserved_for=RESERVATION)
    item.status, item.reserved_by, item.reserved_until = ItemStatus.SOLD, None, None
    await session.flush()
    purchase_id = await session.scalar(
        insert(Purchase)
        .values(item_id=item.id, buyer_id=viewer.id, seller_id=item.seller_id, price=item.price, currency=item.currency)
        .returning(Purchase.id)
    )
    assert purchase_id is not None  # noqa: S101 (the insert returned it)
    await _notify_user(session, viewer=viewer, item=item, kind=NoticeKind.ITEM_BOUGHT, to=item.seller_id)
    return await get_purchase(session, viewer=viewer, purchase_id=purchase_id)


async def complete(session: AsyncSession, *, viewer: Viewer, purchase_id: UUID) -> PurchaseOut:
    """Confirm that the item was handed over. Requires the seller.

    Raises:
        ForbiddenError: the viewer is the buyer.
        PurchaseClosedError: the purchase is completed or cancelled.
    """
    purchase, item = await _lock_purchase(session, viewer=viewer, purchase_id=purchase_id)
    if purchase.seller_id != viewer.id:
        raise ForbiddenError("Only the seller can complete a purchase")
    await _close(session, purchase, PurchaseStatus.COMPLETED)
    await _notify_user(session, viewer=viewer, item=item, kind=NoticeKind.PURCHASE_COMPLETED, to=purchase.buyer_id)
    return await get_purchase(session, viewer=viewer, purchase_id=purchase_id)


async def cancel(session: AsyncSession, *, viewer: Viewer, purchase_id: UUID) -> PurchaseOut:
    """Cancel a purchase as its buyer or seller; the item is available again.

    Raises:
        PurchaseClosedError: the purchase is completed or cancelled.
    """
    purchase, item = await _lock_purchase(session, viewer=viewer, purchase_id=purchase_id)
    await _close(session, purchase, PurchaseStatus.CANCELLED)
    item.status = ItemStatus.AVAILABLE
    await session.flush()
    other = purchase.seller_id if viewer.id == purchase.buyer_id else purchase.buyer_id
    await _notify_user(session, viewer=viewer, item=item, kind=NoticeKind.PURCHASE_CANCELLED, to=other)
    return await get_purchase(session, viewer=viewer, purchase_id=purchase_id)


async def get_purchase(session: AsyncSession, *, viewer: Viewer, purchase_id: UUID) -> PurchaseOut:
    """Return a purchase; raises ``NotFoundError`` unless the viewer is its buyer or seller."""
    row = (await session.execute(queries.purchases_of(viewer).where(Purchase.id == purchase_id))).one_or_none()
    if row is None:
        raise NotFoundError
    return PurchaseOut.model_validate(row)


async def list_purchases(
    session: AsyncSession, *, viewer: Viewer, page: PageRequest, side: InstrumentedAttribute[UUID]
) -> Page[PurchaseOut]:
    """List the viewer's purchases as one ``side`` (``Purchase.buyer_id`` or ``.seller_id``), newest first."""
    statement = page.select(
        queries.purchases_of(viewer).where(side == viewer.id), at=Purchase.created_at, row_id=Purchase.id
    )
    rows = (await session.execute(statement)).all()
    return page.of(rows, PurchaseOut.model_validate)


def _check_price(item: MarketplaceItem, expected: ExpectedPrice | None) -> None:
    """Raise ``PriceChangedError`` if the item has another price than the expected one."""
    if expected is None:
        return
    price, currency = expected.expected_price, expected.expected_currency
    if (price is not None and price != item.price) or (currency is not None and currency != item.currency):
        raise PriceChangedError


def _check_unchanged_since(item: MarketplaceItem, *, reserved_for: timedelta) -> None:
    """Raise ``PriceChangedError`` if the seller changed the item after it was reserved."""
    until = item.reserved_until
    if item.status != ItemStatus.RESERVED or until is None or until <= datetime.now(UTC):
        return
    if item.updated_at > until - reserved_for:
        raise PriceChangedError


async def _lock_for_buyer(session: AsyncSession, *, viewer: Viewer, item_id: UUID) -> MarketplaceItem:
    """Lock an item that the viewer can reserve or buy now.

    Raises:
        OwnItemError: the viewer is the seller.
        SalePausedError: the seller is suspended.
        ItemNotAvailableError: another user has reserved or bought it.
    """
    item = await lock(session, item_id=item_id)
    # Checked under the lock: an earlier ban or block has removed the permission, a later one sees the purchase.
    if (await get_item_access(session, viewer=viewer, item_id=item_id)).is_seller:
        raise OwnItemError
    on_offer = select(MarketplaceItem.id).where(MarketplaceItem.id == item_id, queries.seller_is_active())
    if await session.scalar(on_offer) is None:
        raise SalePausedError
    expired = item.reserved_until is not None and item.reserved_until <= datetime.now(UTC)
    viewer_can_take = item.status == ItemStatus.RESERVED and (expired or item.reserved_by == viewer.id)
    if item.status != ItemStatus.AVAILABLE and not viewer_can_take:
        raise ItemNotAvailableError
    return item


async def _lock_purchase(
    session: AsyncSession, *, viewer: Viewer, purchase_id: UUID
) -> tuple[Purchase, MarketplaceItem]:
    summary = await get_purchase(session, viewer=viewer, purchase_id=purchase_id)
    item = await lock(session, item_id=summary.item_id, or_withdrawn=True)
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


async def cancel_deals(session: AsyncSession, *, item: MarketplaceItem, by: UUID | None = None) -> None:
    """Cancel the reservation and open purchase of a locked item, and notify both sides even across a block.

    The side given as ``by`` is not notified.
    """
    cancelled: list[tuple[NoticeKind, UUID]] = []
    if item.status == ItemStatus.RESERVED:
        if item.reserved_by is not None and item.reserved_until is not None and item.reserved_until > datetime.now(UTC):
            cancelled.append((NoticeKind.RESERVATION_CANCELLED, item.reserved_by))
        item.status, item.reserved_by, item.reserved_until = ItemStatus.AVAILABLE, None, None
    purchase = await session.scalar(
        select(Purchase)
        .where(Purchase.item_id == item.id, Purchase.status == PurchaseStatus.AGREED)
        .execution_options(populate_existing=True)
    )
    if purchase is not None:
        await _close(session, purchase, PurchaseStatus.CANCELLED)
        item.status = ItemStatus.AVAILABLE
        cancelled.append((NoticeKind.PURCHASE_CANCELLED, purchase.buyer_id))
    await session.flush()
    for kind, buyer_id in cancelled:
        sides = [side for side in (buyer_id, item.seller_id) if side != by]
        await _notify(session, item=item, kind=kind, to=sides, actor_id=None)


async def _notify_user(session: AsyncSession, *, viewer: Viewer, item: Any, kind: NoticeKind, to: UUID) -> None:
    await _notify(session, item=item, kind=kind, to=[to], actor_id=viewer.id)


async def _notify(session: AsyncSession, *, item: Any, kind: NoticeKind, to: list[UUID], actor_id: UUID | None) -> None:
    await notify(
        session,
        Notice(
            kind=kind,
            actor_id=actor_id,
            subject_kind="item",
            subject_id=item.id,
            body=item.title if kind in NAMES_SUBJECT else "",
            user_ids=to,
        ),
    )
