"""Runners of compiled statements: transactions are atomic, and dead connections are replaced."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import bindparam, func, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import InternalError
from sqlalchemy.ext.asyncio import AsyncSession

from tests.transactional_api.people import Person, Town
from transactional_api.core.compiled_queries import IDS, uuid_param
from transactional_api.core.db.session import after_commit
from transactional_api.core.db.statements import CompiledStatement, PsycopgPool, SessionRunner
from transactional_api.core.db.tables import Mute

MUTE = CompiledStatement(
    insert(Mute).values(muter_id=uuid_param("muter_id"), muted_id=uuid_param("muted_id")).returning(Mute.id)
)
MUTED = CompiledStatement(select(Mute.muted_id).where(Mute.muter_id == uuid_param("muter_id")))


@pytest.fixture
def pool(town: Town) -> PsycopgPool:
    connections: PsycopgPool = town.app.state.psycopg_pool
    return connections


LOCK = CompiledStatement(select(func.pg_advisory_xact_lock(20_261_126)))
CLOSE_ALL = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE application_name = 'neighborconnect-api' AND pid <> pg_backend_pid()"
)


async def until(town: Town, there: str) -> None:
    """Wait until a statement finds something; a test that waits for ever is ended by its time limit."""
    while not await town.rows(there):  # noqa: ASYNC110 (PostgreSQL tells nobody)
        await asyncio.sleep(0.01)


async def muted_by(pool: PsycopgPool, person: Person) -> list[object]:
    async with pool.autocommit() as runner:
        return [row.muted_id for row in await MUTED.all(runner, muter_id=person.id)]


async def test_what_waits_for_the_commit_comes_after_it(pool: PsycopgPool, ada: Person, ben: Person) -> None:
    found: list[object] = []

    async def look() -> None:
        found.extend(await muted_by(pool, ada))

    async with pool.transaction() as runner:
        await MUTE.one_or_none(runner, muter_id=ada.id, muted_id=ben.id)
        after_commit(runner, look)
        assert await muted_by(pool, ada) == []
    assert found == [ben.id]


async def test_the_session_of_a_read_only_route_cannot_write(town: Town, ada: Person, ben: Person) -> None:
    async with AsyncSession(town.app.state.read_only_engine) as session:
        with pytest.raises(InternalError, match="read-only"):
            await session.execute(insert(Mute).values(muter_id=ada.id, muted_id=ben.id))


async def test_a_session_runner_shares_the_transaction(town: Town, pool: PsycopgPool, ada: Person, ben: Person) -> None:
    async with town.app.state.context.transaction() as session:
        runner = SessionRunner(session)
        [_, rows] = await runner.fetch_pipelined(
            (MUTE, {"muter_id": ada.id, "muted_id": ben.id}), (MUTED, {"muter_id": ada.id})
        )
        assert [row.muted_id for row in rows] == [ben.id]
        assert await muted_by(pool, ada) == []
    assert await muted_by(pool, ada) == [ben.id]


async def test_a_released_connection_serves_others(pool: PsycopgPool, ada: Person) -> None:
    before = pool.connections_in_use
    async with pool.autocommit() as runner:
        await MUTED.all(runner, muter_id=ada.id)
        assert pool.connections_in_use == before + 1
        await runner.release()
        assert pool.connections_in_use == before
        assert await MUTED.all(runner, muter_id=ada.id) == []
    assert pool.connections_in_use == before


async def test_a_block_that_raises_leaves_nothing(pool: PsycopgPool, ada: Person, ben: Person) -> None:
    async def never() -> None:
        raise AssertionError

    async def mute_and_fail() -> None:
        async with pool.transaction() as runner:
            await MUTE.one_or_none(runner, muter_id=ada.id, muted_id=ben.id)
            after_commit(runner, never)
            raise KeyError

    with pytest.raises(KeyError):
        await mute_and_fail()
    assert await muted_by(pool, ada) == []


async def test_a_transaction_begins_on_an_open_connection(
    town: Town, pool: PsycopgPool, ada: Person, ben: Person
) -> None:
    await muted_by(pool, ada)
    await town.rows(CLOSE_ALL)
    async with pool.transaction() as runner:
        await MUTE.one_or_none(runner, muter_id=ada.id, muted_id=ben.id)
    assert await muted_by(pool, ada) == [ben.id]


async def test_a_transaction_with_a_closed_connection_does_not_restart(
    town: Town, pool: PsycopgPool, ada: Person, ben: Person
) -> None:
    async def mute_and_be_closed() -> None:
        async with pool.transaction() as runner:
            await MUTE.one_or_none(runner, muter_id=ada.id, muted_id=ben.id)
            await town.rows(CLOSE_ALL)
            await MUTED.all(runner, muter_id=ada.id)

    with pytest.raises(psycopg.OperationalError):
        await mute_and_be_closed()
    assert await muted_by(pool, ada) == []


async def test_a_read_after_a_lock_sees_changes_made_under_the_lock(
    town: Town, pool: PsycopgPool, ada: Person, ben: Person
) -> None:
    locked = (LOCK, {})

    async def look() -> list[object]:
        async with pool.transaction() as runner:
            _, rows = await runner.fetch_pipelined(locked, (MUTED, {"muter_id": ada.id}))
            return [row.muted_id for row in rows]

    async with pool.transaction() as runner:
        await runner.fetch_pipelined(locked, (MUTE, {"muter_id": ada.id, "muted_id": ben.id}))
        looking = asyncio.create_task(look())
        await until(town, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    assert await looking == [ben.id]


async def test_a_statement_that_fails_undoes_those_of_its_trip(pool: PsycopgPool, ada: Person, ben: Person) -> None:
    mute = (MUTE, {"muter_id": ada.id, "muted_id": ben.id})

    async def mute_twice() -> None:
        async with pool.transaction() as runner:
            await runner.fetch_pipelined(mute, mute)

    with pytest.raises(psycopg.errors.UniqueViolation):
        await mute_twice()
    assert await muted_by(pool, ada) == []


async def test_a_value_is_sent_as_its_column_keeps_it(pool: PsycopgPool) -> None:
    kept = CompiledStatement(
        select(literal({"a": [1, "%"]}, JSONB).label("fixed"), bindparam("said", type_=JSONB).label("said"))
    )
    async with pool.autocommit() as runner:
        row = await kept.one_or_none(runner, said=["bread", "%s"])
    assert (row.fixed, row.said) == ({"a": [1, "%"]}, ["bread", "%s"])


@pytest.mark.parametrize("number", [0, 1, 3])
async def test_ids_are_equal_and_ordered_in_both_protocols(pool: PsycopgPool, town: Town, number: int) -> None:
    ids = [uuid4() for _ in range(number)]
    same = CompiledStatement(select(func.unnest(IDS).label("id"), func.cardinality(IDS).label("number")))
    async with pool.autocommit() as runner:
        by_psycopg = await same.all(runner, ids=ids)
    async with town.app.state.context.transaction() as session:
        by_session = await same.all(SessionRunner(session), ids=ids)
    assert [row.id for row in by_psycopg] == [row.id for row in by_session] == ids
    assert {row.number for row in by_psycopg} == ({number} if ids else set())


async def test_no_ids_at_all_are_null(pool: PsycopgPool) -> None:
    async with pool.autocommit() as runner:
        assert (await CompiledStatement(select(IDS.is_(None).label("none"))).one_or_none(runner, ids=None)).none is True
