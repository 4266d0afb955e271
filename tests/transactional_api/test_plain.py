"""Plain transactions: whole or not at all, and on a connection that is there."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import bindparam, func, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import InternalError

from tests.transactional_api.people import Person, Town
from transactional_api.db.plain import Plain, Ready, in_one_trip
from transactional_api.db.session import after_commit
from transactional_api.db.tables import Mute, User
from transactional_api.prepared import IDS, parameter

MUTE = Ready(insert(Mute).values(muter_id=parameter("muter_id"), muted_id=parameter("muted_id")).returning(Mute.id))
MUTED = Ready(select(Mute.muted_id).where(Mute.muter_id == parameter("muter_id")))


@pytest.fixture
def plain(town: Town) -> Plain:
    connections: Plain = town.app.state.plain
    return connections


LOCK = Ready(select(func.pg_advisory_xact_lock(20_261_126)))
CLOSE_ALL = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE application_name = 'neighborconnect-api' AND pid <> pg_backend_pid()"
)


async def until(town: Town, there: str) -> None:
    """Wait until a statement finds something; a test that waits for ever is ended by its time limit."""
    while not await town.rows(there):  # noqa: ASYNC110 (PostgreSQL tells nobody)
        await asyncio.sleep(0.01)


async def muted_by(plain: Plain, person: Person) -> list[object]:
    async with plain.reads() as session:
        return [row.muted_id for row in await MUTED.all(session, muter_id=person.id)]


async def test_what_waits_for_the_commit_comes_after_it(plain: Plain, ada: Person, ben: Person) -> None:
    found: list[object] = []

    async def look() -> None:
        found.extend(await muted_by(plain, ada))

    async with plain.transaction() as session:
        await MUTE.one_or_none(session, muter_id=ada.id, muted_id=ben.id)
        after_commit(session, look)
        assert await muted_by(plain, ada) == []
    assert found == [ben.id]


async def test_what_nothing_would_commit_cannot_be_written(plain: Plain, ada: Person, ben: Person) -> None:
    async with plain.reads() as session:
        with pytest.raises(InternalError, match="read-only"):
            await session.execute(insert(Mute).values(muter_id=ada.id, muted_id=ben.id))


async def test_a_block_that_raises_leaves_nothing(plain: Plain, ada: Person, ben: Person) -> None:
    async def never() -> None:
        raise AssertionError

    async def mute_and_fail() -> None:
        async with plain.transaction() as session:
            await MUTE.one_or_none(session, muter_id=ada.id, muted_id=ben.id)
            after_commit(session, never)
            raise KeyError

    with pytest.raises(KeyError):
        await mute_and_fail()
    assert await muted_by(plain, ada) == []


async def test_a_transaction_begins_on_a_connection_that_the_server_has_not_closed(
    town: Town, plain: Plain, ada: Person, ben: Person
) -> None:
    await muted_by(plain, ada)
    await town.rows(CLOSE_ALL)
    async with plain.transaction() as session:
        await MUTE.one_or_none(session, muter_id=ada.id, muted_id=ben.id)
    assert await muted_by(plain, ada) == [ben.id]


async def test_a_transaction_whose_connection_is_closed_is_not_begun_again(
    town: Town, plain: Plain, ada: Person, ben: Person
) -> None:
    async def mute_and_be_closed() -> None:
        async with plain.transaction() as session:
            await MUTE.one_or_none(session, muter_id=ada.id, muted_id=ben.id)
            await town.rows(CLOSE_ALL)
            await MUTED.all(session, muter_id=ada.id)

    with pytest.raises(psycopg.OperationalError):
        await mute_and_be_closed()
    assert await muted_by(plain, ada) == []


async def test_what_comes_after_a_lock_in_one_trip_sees_what_was_done_under_it(
    town: Town, plain: Plain, ada: Person, ben: Person
) -> None:
    locked = (LOCK, {})

    async def look() -> list[object]:
        async with plain.transaction() as session:
            _, rows = await in_one_trip(session, locked, (MUTED, {"muter_id": ada.id}))
            return [row.muted_id for row in rows]

    async with plain.transaction() as session:
        await in_one_trip(session, locked, (MUTE, {"muter_id": ada.id, "muted_id": ben.id}))
        looking = asyncio.create_task(look())
        await until(town, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    assert await looking == [ben.id]


async def test_a_statement_that_fails_undoes_those_of_its_trip(plain: Plain, ada: Person, ben: Person) -> None:
    mute = (MUTE, {"muter_id": ada.id, "muted_id": ben.id})

    async def mute_twice() -> None:
        async with plain.transaction() as session:
            await in_one_trip(session, mute, mute)

    with pytest.raises(psycopg.errors.UniqueViolation):
        await mute_twice()
    assert await muted_by(plain, ada) == []


async def test_nothing_happens_beside_a_transaction_in_its_name(plain: Plain, ada: Person) -> None:
    async def ask_for_a_person() -> None:
        async with plain.transaction() as session:
            await session.get(User, ada.id)

    with pytest.raises(AssertionError, match="outside of the transaction"):
        await ask_for_a_person()


async def test_a_value_is_sent_as_its_column_keeps_it(plain: Plain) -> None:
    kept = Ready(select(literal({"a": [1, "%"]}, JSONB).label("fixed"), bindparam("said", type_=JSONB).label("said")))
    async with plain.reads() as session:
        row = await kept.one_or_none(session, said=["bread", "%s"])
    assert (row.fixed, row.said) == ({"a": [1, "%"]}, ["bread", "%s"])


@pytest.mark.parametrize("number", [0, 1, 3])
async def test_ids_are_the_same_and_in_the_same_order_however_they_are_sent(
    plain: Plain, town: Town, number: int
) -> None:
    ids = [uuid4() for _ in range(number)]
    same = Ready(select(func.unnest(IDS).label("id"), func.cardinality(IDS).label("number")))
    async with plain.reads() as session:
        plainly = await same.all(session, ids=ids)
    async with town.app.state.resources.transaction() as session:
        otherwise = await same.all(session, ids=ids)
    assert [row.id for row in plainly] == [row.id for row in otherwise] == ids
    assert {row.number for row in plainly} == ({number} if ids else set())


async def test_no_ids_at_all_are_null(plain: Plain) -> None:
    async with plain.reads() as session:
        assert (await Ready(select(IDS.is_(None).label("none"))).one_or_none(session, ids=None)).none is True
