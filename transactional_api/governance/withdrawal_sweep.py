"""Job that withdraws offers, events and deals whose holder lost the permission: legacy rows, or a race with a ban."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select, union
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from neighborconnect.telemetry import get_logger
from transactional_api.community.connectors import queries as connectors
from transactional_api.community.connectors.access import lock
from transactional_api.community.events import capacity, service
from transactional_api.community.events import queries as events
from transactional_api.community.events.schemas import AttendeeStatus
from transactional_api.community.marketplace.schemas import ItemStatus, PurchaseStatus
from transactional_api.core.app_context import AppContext
from transactional_api.core.compiled_queries import viewer_of
from transactional_api.core.db.tables import Connector, Event, EventAttendee, MarketplaceItem, Purchase, User
from transactional_api.core.jobs import queue
from transactional_api.core.withdrawals import Cause, only, withdraw, withdraw_between
from transactional_api.identity.users import queries as users

log = get_logger(__name__)


@queue.periodic("27 * * * *")
@queue.task("withdrawals.sweep", priority=queue.Priority.UPKEEP)
async def sweep(context: AppContext, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Withdraw everything that users hold without permission."""
    async with context.transaction() as session:
        pairs = (await session.execute(_without_permission())).all()
        deals = (await session.execute(_across_blocks())).all()
        full = (await session.scalars(_with_hidden_attendees())).all()
    for pair in pairs:
        async with _isolated(context, connector_id=str(pair.connector_id), user_id=str(pair.user_id)) as session:
            await _withdraw(session, connector_id=pair.connector_id, user_id=pair.user_id)
    for deal in deals:
        async with _isolated(context, seller_id=str(deal.seller_id), user_id=str(deal.user_id)) as session:
            await withdraw_between(session, one=deal.seller_id, other=deal.user_id)
    for event_id in full:
        async with _isolated(context, event_id=str(event_id)) as session:
            event = await capacity.lock_event(session, event_id=event_id)
            if event is not None:
                await service.promote_from_waitlist(session, event=event)
    log.info("withdrawals.swept", users=len(pairs), deals=len(deals), events=len(full))


@asynccontextmanager
async def _isolated(context: AppContext, **what: str) -> AsyncIterator[AsyncSession]:
    """Open a transaction whose failure is logged and does not end the sweep; the next sweep tries again."""
    try:
        async with context.transaction() as session:
            yield session
    except Exception:
        log.exception("withdrawals.failed", **what)


async def _withdraw(session: AsyncSession, *, connector_id: UUID, user_id: UUID) -> None:
    await lock(session, connector_id=connector_id)
    # The user may have joined since.
    pairs = _without_permission().subquery()
    still = select(pairs.c.user_id).where(pairs.c.connector_id == connector_id, pairs.c.user_id == user_id)
    if await session.scalar(still) is not None:
        await withdraw(session, Cause.LEFT, connector_id=connector_id, who=only(user_id))


def _without_permission() -> Select[Any]:
    """Select users who sell or host in a connector without membership, or buy in one that they may not see."""
    item, event = MarketplaceItem, Event
    offered = and_(item.is_active.is_(True), item.status != ItemStatus.SOLD.value)
    held = and_(event.is_active.is_(True), events.NOT_OVER)
    reserved = and_(offered, item.status == ItemStatus.RESERVED.value)
    pairs = union(
        _holders(item.seller_id, of=item).where(offered, ~_is_member(item.seller_id)),
        _holders(event.created_by, of=event).where(held, ~_is_member(event.created_by)),
        _holders(item.reserved_by, of=item).where(reserved, ~connectors.may_see(viewer_of(item.reserved_by))),
        _agreed(Purchase.buyer_id).where(~connectors.may_see(viewer_of(Purchase.buyer_id))),
        _agreed(Purchase.seller_id).where(~_is_member(Purchase.seller_id)),
    ).subquery()
    return select(pairs.c.connector_id, pairs.c.user_id)


def _across_blocks() -> Select[Any]:
    """Select sellers and buyers with an open deal who blocked one another."""
    item = MarketplaceItem
    reserved = (
        _holders(item.reserved_by, of=item)
        .add_columns(item.seller_id)
        .where(
            item.is_active.is_(True),
            item.status == ItemStatus.RESERVED.value,
            ~users.not_blocked(viewer_of(item.reserved_by), item.seller_id),
        )
    )
    agreed = (
        _agreed(Purchase.buyer_id)
        .add_columns(Purchase.seller_id)
        .where(~users.not_blocked(viewer_of(Purchase.buyer_id), Purchase.seller_id))
    )
    deals = union(reserved, agreed).subquery()
    return select(deals.c.user_id, deals.c.seller_id)


def _with_hidden_attendees() -> Select[tuple[UUID]]:
    """Select events that are not over with attendees who may not see them."""
    attendee = EventAttendee
    return (
        select(Event.id)
        .join(Connector, Connector.id == Event.connector_id)
        .join(attendee, attendee.event_id == Event.id)
        .join(User, User.id == attendee.user_id)
        .where(
            Event.is_active.is_(True),
            events.NOT_OVER,
            Connector.is_active.is_(True),
            attendee.status != AttendeeStatus.DECLINED,
            or_(User.is_active.is_(False), ~events.may_see(viewer_of(attendee.user_id))),
        )
        .distinct()
    )


def _holders(user_id: InstrumentedAttribute[Any], *, of: type[MarketplaceItem | Event]) -> Select[Any]:
    in_active = Connector.id == of.connector_id, Connector.is_active.is_(True)
    return select(of.connector_id, user_id.label("user_id")).select_from(of).join(Connector, and_(*in_active))


def _agreed(side: InstrumentedAttribute[UUID]) -> Select[Any]:
    """Select the users on one side of open purchases."""
    deals = _holders(side, of=MarketplaceItem).join(Purchase, Purchase.item_id == MarketplaceItem.id)
    return deals.where(Purchase.status == PurchaseStatus.AGREED.value)


def _is_member(user_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    return connectors.is_member(viewer_of(user_id))
