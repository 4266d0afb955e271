"""After any history nobody without permission holds anything, lists and counts agree, and every counter is right."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

import pytest
from sqlalchemy import BigInteger, Integer, SmallInteger

from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_chat import direct
from tests.transactional_api.withdrawals import counters
from tests.transactional_api.withdrawals.history import History
from transactional_api.core.db.base import Base

SEEDS = (7, 20_261_129)
STEPS = 90


def test_every_count_column_has_its_statement_or_a_reason() -> None:
    numbers = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, Integer | BigInteger | SmallInteger)
        and not column.primary_key
        # A counter begins somewhere: at 0, or as it is named.
        and (
            column.server_default is not None
            or column.name.endswith("_count")
            or column.name in {"bytes", "documents", "lexemes", "likes", "views"}
        )
    }
    assert numbers == set(counters.COUNTERS) | set(counters.NOT_COUNTS)


@pytest.mark.parametrize("seed", SEEDS)
async def test_after_a_random_history_nobody_holds_invisible_things(town: Town, seed: int) -> None:
    history = History(town, seed)
    await history.begin()
    await history.go(STEPS)
    await history.erase_one()
    await history.go(STEPS // 3)
    people = {str(one.id): one for one in history.people}
    for event_id in history.ids["events"]:
        await check_event(town, people, event_id)
    await check_market(town, history, people)
    await check_ways_in(town, history)
    await check_presence(town, history)
    everything = [one for made in history.ids.values() for one in made]
    assert await counters.wrong(town, everything) == {}, history.steps
    # Without any recorded step, nothing was tried.
    assert len({*history.steps}) > 20


async def check_event(town: Town, people: dict[str, Person], event_id: str) -> None:
    [event] = await town.rows(
        "SELECT created_by, is_active, attendee_count, max_attendees FROM events WHERE id = :id", id=event_id
    )
    rows = await town.rows(
        "SELECT user_id, status, guests FROM event_attendees WHERE event_id = :id AND status <> 'declined' "
        "ORDER BY joined_at, id",
        id=event_id,
    )
    if not event.is_active:
        return
    for row in rows:
        assert str(row.user_id) in people, "who is erased holds a place"
        seen = await people[str(row.user_id)].get(f"/events/{event_id}")
        assert seen.status_code == 200, f"who may not see {event_id} is {row.status}"
    host = people[str(event.created_by)]
    listed = (await host.get(f"/events/{event_id}/attendees", limit=100)).json()["items"]
    places = sum(1 + one["guest_count"] for one in listed if one["status"] == "attending")
    assert places == event.attendee_count == (await host.get(f"/events/{event_id}")).json()["attendee_count"]
    line = [1 + row.guests for row in rows if row.status == "waiting"]
    assert not line or event.attendee_count + line[0] > event.max_attendees, "somebody waits for a place that is free"


async def check_market(town: Town, history: History, people: dict[str, Person]) -> None:
    members = await belonging(town, history)
    items = await town.rows(
        "SELECT id, connector_id, seller_id, status, is_active, reserved_by FROM marketplace_items "
        "WHERE id = ANY(CAST(:ids AS uuid[]))",
        ids=history.ids["items"],
    )
    for item in items:
        if item.is_active and item.status != "sold":
            assert item.seller_id in members[str(item.connector_id)], "who is not a member sells"
        if item.status == "reserved":
            seen = await people[str(item.reserved_by)].get(f"/marketplace/items/{item.id}")
            assert seen.status_code == 200, "who may not see an item has it reserved"
    deals = await town.rows(
        "SELECT p.buyer_id, i.id, i.status FROM marketplace_purchases p JOIN marketplace_items i ON i.id = p.item_id "
        "WHERE p.status = 'agreed' AND i.id = ANY(CAST(:ids AS uuid[]))",
        ids=history.ids["items"],
    )
    for deal in deals:
        seen = await people[str(deal.buyer_id)].get(f"/marketplace/items/{deal.id}")
        assert (seen.status_code, deal.status) == (200, "sold"), "who may not see an item has agreed to buy it"


async def check_ways_in(town: Town, history: History) -> None:
    useless = await town.rows(
        "SELECT FROM connector_invitations i WHERE i.connector_id = ANY(CAST(:ids AS uuid[])) AND ("
        "EXISTS (SELECT FROM connector_bans b WHERE b.connector_id = i.connector_id AND b.user_id = i.user_id) "
        "OR EXISTS (SELECT FROM blocks b WHERE (b.blocker_id, b.blocked_id) IN "
        "((i.user_id, i.invited_by), (i.invited_by, i.user_id))))",
        ids=history.ids["connectors"],
    )
    assert useless == []


async def check_presence(town: Town, history: History) -> None:
    """Between each two of some people a conversation from before a block shows nothing across it."""
    one, other = await town.create_user(), await town.create_user()
    for person in (one, other, *history.people[:3]):
        await town.app.state.redis.set(f"user:{person.id}:online", "1", ex=60)
    talk = await direct(one, other)
    await town.write("UPDATE conversation_members SET read_up_to = 2 WHERE conversation_id = :id", id=talk["id"])
    for blocker, blocked in ((one, other), (other, one)):
        assert await seen_by(other, talk, of=one) == await seen_by(one, talk, of=other) == (True, 2)
        await blocker.post(f"/users/{blocked.id}/block")
        assert await seen_by(other, talk, of=one) == await seen_by(one, talk, of=other) == (False, 0)
        await blocker.delete(f"/users/{blocked.id}/block")


async def seen_by(person: Person, talk: dict[str, Any], *, of: Person) -> tuple[bool, int]:
    members = (await person.get(f"/chat/conversations/{talk['id']}")).json()["members"]
    [found] = [one for one in members if one["user_id"] == str(of.id)]
    return found["online"], found["read_up_to"]


async def belonging(town: Town, history: History) -> dict[str, set[Any]]:
    rows = await town.rows(
        "SELECT connector_id, user_id FROM connector_members WHERE connector_id = ANY(CAST(:ids AS uuid[]))",
        ids=history.ids["connectors"],
    )
    found: dict[str, set[Any]] = defaultdict(set)
    for row in rows:
        found[str(row.connector_id)].add(row.user_id)
    return found


async def test_likes_of_a_reel_are_counted_while_people_are_erased(town: Town) -> None:
    history = History(town, 1)
    await history.begin()
    reel = history.ids["reels"][-1]
    admirers = history.people[-2:]
    await asyncio.gather(*(person.post(f"/reels/{reel}/like") for person in history.people))
    assert (await history.people[0].get(f"/reels/{reel}")).json()["like_count"] == len(history.people)
    await history.erase_one()
    await asyncio.gather(history.erase_one(), *(one.delete(f"/reels/{reel}/like") for one in history.people[:2]))
    likes = (await history.people[0].get(f"/reels/{reel}")).json()["like_count"]
    assert likes == len(history.people) - 2
    assert await counters.wrong(town, [reel]) == {}
    assert history.erased == [*reversed(admirers)]
