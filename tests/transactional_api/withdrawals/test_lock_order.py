"""Concurrent withdrawals: a ban and a block of the same person, and a sweep in which one withdrawal fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_events import answer
from tests.transactional_api.withdrawals.test_withdrawals import ban, block, gather, hold, leave, offer, sweep_now

_WAITING = """
    SELECT count(*) AS number FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def waiting(town: Town, number: int) -> None:
    async with asyncio.timeout(60):
        while (await town.rows(_WAITING))[0].number < number:  # noqa: ASYNC110 (PostgreSQL signals no lock wait)
            await asyncio.sleep(0.02)


async def later(make: Any, person: Person, connector: dict[str, Any], *, than: dict[str, Any]) -> dict[str, Any]:
    """Make items or events until one has a greater id, which is locked after the other."""
    while (made := await make(person, connector))["id"] < than["id"]:
        pass
    return dict(made)


@pytest.mark.parametrize("end", [ban, leave])
@pytest.mark.parametrize("table", ["marketplace_items", "events"])
async def test_concurrent_ban_departure_and_block_do_not_deadlock(
    town: Town, ada: Person, table: str, end: Any
) -> None:
    connector, (person, other) = await gather(town, ada, 2)
    make = offer if table == "marketplace_items" else hold
    taken = await make(other, connector)
    if make is offer:
        await person.post(f"/marketplace/items/{taken['id']}/buy")
    else:
        await answer(person, taken)
    await later(make, person, connector, than=taken)
    async with town.app.state.context.transaction() as session:
        await session.execute(text(f"SELECT FROM {table} WHERE id = :id FOR UPDATE"), {"id": taken["id"]})
        blocking = asyncio.create_task(block(other, person, connector))
        await waiting(town, 1)
        ending = asyncio.create_task(end(ada, person, connector))
        await waiting(town, 2)
    await asyncio.gather(blocking, ending)


async def test_a_withdrawal_that_fails_does_not_end_the_sweep(town: Town, ada: Person) -> None:
    connector, sellers = await gather(town, ada, 3)
    items = [await offer(seller, connector) for seller in sellers]
    for seller in sellers:
        await town.write("DELETE FROM connector_members WHERE user_id = :id", id=seller.id)
    broken = min(zip(sellers, items, strict=True), key=lambda pair: str(pair[0].id))[1]
    await town.write(f"ALTER TABLE marketplace_items ADD CONSTRAINT broken CHECK (id <> '{broken['id']}' OR is_active)")
    try:
        await sweep_now(town)
    finally:
        await town.write("ALTER TABLE marketplace_items DROP CONSTRAINT broken")
    states = await town.rows("SELECT id, is_active FROM marketplace_items WHERE connector_id = :id", id=connector["id"])
    assert {str(row.id): row.is_active for row in states} == {item["id"]: item == broken for item in items}
