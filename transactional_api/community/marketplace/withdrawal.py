"""Withdrawal of items and deals when a user loses access to a connector, or a block separates two users.

All items that a withdrawal can change are locked by one statement, ordered by id, before the first step changes one:
``lock_items`` for a connector, ``end_deals_between`` for a block. A ban and a block of the same user therefore cannot
deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.connectors.schemas import MODERATOR_ROLES
from transactional_api.community.marketplace import purchases
from transactional_api.community.marketplace.schemas import ItemStatus, PurchaseStatus
from transactional_api.community.marketplace.service import ItemSoldError, get_item_access, lock
from transactional_api.core.db.tables import MarketplaceItem, Purchase
from transactional_api.core.errors import ForbiddenError
from transactional_api.core.viewer import Viewer
from transactional_api.core.withdrawals import Who, only, step


@step("marketplace.lock")
async def lock_items(session: AsyncSession, *, connector_id: UUID, who: Who) -> None:
    """Lock the items in a connector that the users sell, reserved or bought, and all that they could be buying now."""
    affected = or_(MarketplaceItem.is_active.is_(True), who(MarketplaceItem.seller_id), _has_deal_with(who))
    await _lock(session, MarketplaceItem.connector_id == connector_id, affected)


async def withdraw(session: AsyncSession, *, viewer: Viewer, item_id: UUID) -> None:
    """Withdraw an item from sale and end its reservation. Idempotent.

    Requires the seller, even if they can no longer see it, or a moderator of the connector.

    Raises:
        ForbiddenError: for other users.
        ItemSoldError: the item is sold; cancel the purchase first.
    """
    access = await get_item_access(session, viewer=viewer, item_id=item_id, or_own=True)
    if not access.is_seller and access.role not in MODERATOR_ROLES:
        raise ForbiddenError("Only the seller, a moderator or an admin can withdraw an item")
    item = await lock(session, item_id=item_id, or_withdrawn=True)
    if not item.is_active:
        return
    if item.status == ItemStatus.SOLD:
        raise ItemSoldError
    await purchases.cancel_deals(session, item=item, by=viewer.id)
    item.is_active, item.updated_at = False, datetime.now(UTC)
    await session.flush()


async def end_reservation(session: AsyncSession, item_id: UUID) -> None:
    """End the reservation of an item that moderation hides; an open purchase remains."""
    for item in await _lock(
        session, MarketplaceItem.id == item_id, MarketplaceItem.status == ItemStatus.RESERVED.value
    ):
        await purchases.cancel_deals(session, item=item)


@step("marketplace.withdraw_items")
async def withdraw_items(session: AsyncSession, *, connector_id: UUID, who: Who) -> None:
    """Withdraw the items that users sell in a connector, with their reservations and open purchases.

    Items of completed purchases stay sold.
    """
    offered = (MarketplaceItem.connector_id == connector_id, MarketplaceItem.is_active.is_(True))
    for item in await _lock(session, *offered, who(MarketplaceItem.seller_id)):
        await purchases.cancel_deals(session, item=item)
        if item.status != ItemStatus.SOLD:
            item.is_active, item.updated_at = False, datetime.now(UTC)
    await session.flush()


@step("marketplace.end_deals")
async def end_deals(session: AsyncSession, *, connector_id: UUID, who: Who) -> None:
    """End reservations and open purchases by users in a connector; the items are available again."""
    for item in await _lock(session, MarketplaceItem.connector_id == connector_id, _has_deal_with(who)):
        await purchases.cancel_deals(session, item=item)


@step("marketplace.end_deals_between")
async def end_deals_between(session: AsyncSession, *, one: UUID, other: UUID) -> None:
    """End reservations and open purchases by each of two users of items that the other one sells."""
    deals = [
        and_(MarketplaceItem.seller_id == seller, _has_deal_with(only(buyer)))
        for seller, buyer in ((one, other), (other, one))
    ]
    # All their offered items are locked, so that a concurrent purchase between the two is seen.
    offered = and_(MarketplaceItem.seller_id.in_((one, other)), MarketplaceItem.is_active.is_(True))
    await _lock(session, or_(offered, *deals))
    for item in await _lock(session, or_(*deals)):
        await purchases.cancel_deals(session, item=item)


def _has_deal_with(who: Who) -> ColumnElement[bool]:
    bought = exists().where(
        Purchase.item_id == MarketplaceItem.id, Purchase.status == PurchaseStatus.AGREED.value, who(Purchase.buyer_id)
    )
    reserved = and_(MarketplaceItem.status == ItemStatus.RESERVED.value, who(MarketplaceItem.reserved_by))
    return or_(reserved, bought.correlate_except(Purchase))


async def _lock(session: AsyncSession, *conditions: ColumnElement[bool]) -> Sequence[MarketplaceItem]:
    items = select(MarketplaceItem).where(*conditions).order_by(MarketplaceItem.id).with_for_update(key_share=True)
    return (await session.scalars(items.execution_options(populate_existing=True))).all()
