"""Withdrawal of RSVPs and hosted events when a user loses access to a connector, or a block separates two users.

All events that a withdrawal can change are locked by one statement, ordered by id, before the first step reads their
RSVPs: ``lock_events`` for a connector, ``decline_between`` for a block. A ban and a block of the same user therefore
cannot deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.events import capacity, queries, service
from transactional_api.core.db.tables import Event
from transactional_api.core.withdrawals import Who, only, step


@step("events.lock")
async def lock_events(session: AsyncSession, *, connector_id: UUID, who: Who) -> None:  # noqa: ARG001 (all of them)
    """Lock the events in a connector that are not over."""
    await _lock(session, Event.connector_id == connector_id)


@step("events.cancel_hosted")
async def cancel_hosted(session: AsyncSession, *, connector_id: UUID, who: Who) -> None:
    """Cancel the events in a connector that are not over and whose host loses access."""
    for event in await _lock(session, Event.connector_id == connector_id, who(Event.created_by)):
        await service.cancel_locked(session, event=event, actor_id=None)


@step("events.decline")
async def decline(session: AsyncSession, *, connector_id: UUID, who: Who) -> None:
    """Decline the events in a connector that are not over, and promote from their waitlists."""
    for event in await _lock(session, Event.connector_id == connector_id):
        if await capacity.decline_for(session, event=event, who=who):
            await service.promote_from_waitlist(session, event=event)


@step("events.decline_between")
async def decline_between(session: AsyncSession, *, one: UUID, other: UUID) -> None:
    """Decline for each of two users the events that the other one hosts."""
    guests = {one: other, other: one}  # Keyed by the host of the event.
    for event in await _lock(session, Event.created_by.in_(guests)):
        if await capacity.decline_for(session, event=event, who=only(guests[event.created_by])):
            await service.promote_from_waitlist(session, event=event)


async def _lock(session: AsyncSession, *conditions: ColumnElement[bool]) -> Sequence[Event]:
    events = select(Event).where(Event.is_active.is_(True), queries.NOT_OVER, *conditions).order_by(Event.id)
    return (await session.scalars(events.with_for_update().execution_options(populate_existing=True))).all()
