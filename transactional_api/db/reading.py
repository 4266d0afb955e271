"""Plain reads: statements that are compiled once, run outside of a transaction, without an ORM in between.

The queries are the same ones that everything else is built from, permission included; only what SQLAlchemy does to
run one a second time is left out. Measured by ``python -m benchmarks reads``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, cast

import orjson
import psycopg
from psycopg.rows import namedtuple_row
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Dialect, Select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from transactional_api.db.session import CONNECT_ARGUMENTS, POOL_SIZE, POOL_WAIT_SECONDS

_IDLE_CONNECTIONS = 2
_DIALECT: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]

Connections = AsyncConnectionPool[psycopg.AsyncConnection[Any]]


class Ready:
    """A statement that is compiled once. It must select columns: plain rows know no entities."""

    def __init__(self, statement: Select[Any]) -> None:
        """Keep ``statement``; it is compiled when it is first run plainly."""
        self.statement = statement
        self._sql: bytes | None = None
        self._fixed: dict[str, Any] = {}

    async def all(self, session: AsyncSession, **parameters: Any) -> Sequence[Any]:
        """Return the rows, as tuples with names: plainly in a ``PlainReads``, else within the session's transaction."""
        if isinstance(session, PlainReads):
            return await session.fetch(*self._compiled(parameters))
        return (await session.execute(self.statement, parameters)).all()

    async def one_or_none(self, session: AsyncSession, **parameters: Any) -> Any:
        """Return the only row, or None where there is none."""
        rows = await self.all(session, **parameters)
        assert len(rows) <= 1, "a statement for one row found more"  # noqa: S101
        return rows[0] if rows else None

    def _compiled(self, parameters: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
        if self._sql is None:
            compiled = self.statement.compile(dialect=_DIALECT)
            self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
            self._sql = str(compiled).encode()
        return self._sql, self._fixed | parameters


class Noted(Protocol):
    """Is told of each statement that is run plainly."""

    def __call__(self, sql: str, parameters: dict[str, Any]) -> None:
        """Take note."""


class PlainReads:
    """What a read without a transaction gets in place of a session.

    ``Ready`` statements run on a plain connection. Whatever else a session can do, it does as one, and takes a
    connection of the engine only then.
    """

    def __init__(self, engine: AsyncEngine, connections: Connections, noted: Noted | None) -> None:
        self._engine = engine
        self._connections = connections
        self._noted = noted
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._session: AsyncSession | None = None

    def __getattr__(self, name: str) -> Any:
        """Ask everything else of a session."""
        if self._session is None:
            self._session = AsyncSession(self._engine, expire_on_commit=False)
        return getattr(self._session, name)

    async def fetch(self, sql: bytes, parameters: dict[str, Any]) -> list[Any]:
        """Run a statement and return its rows."""
        if self._noted is not None:
            self._noted(sql.decode(), parameters)
        if self._connection is None:
            self._connection = await self._connections.getconn(POOL_WAIT_SECONDS)
        try:
            return await (await self._connection.execute(sql, parameters)).fetchall()
        except psycopg.OperationalError:
            if not self._connection.broken:
                raise
        # The server closed it while nobody looked, and others with it: the pool is told to look, once.
        await self._connections.putconn(self._connection)
        self._connection = None
        await self._connections.check()
        self._connection = await self._connections.getconn(POOL_WAIT_SECONDS)
        return await (await self._connection.execute(sql, parameters)).fetchall()

    async def close(self) -> None:
        """Give back what was taken."""
        if self._connection is not None:
            await self._connections.putconn(self._connection)
        if self._session is not None:
            await self._session.close()


class Reader:
    """Opens plain reads over the connections of one process."""

    def __init__(self, engine: AsyncEngine, connections: Connections) -> None:
        self._engine = engine
        self._connections = connections
        self.noted: Noted | None = None
        """Is told of each statement; for tests and benchmarks."""

    @asynccontextmanager
    async def reads(self) -> AsyncIterator[AsyncSession]:
        """Give what the reads of one request are asked of."""
        plain = PlainReads(self._engine, self._connections, self.noted)
        try:
            yield cast("AsyncSession", plain)
        finally:
            await plain.close()


@asynccontextmanager
async def open_reader(database_url: str, engine: AsyncEngine) -> AsyncIterator[Reader]:
    """Open connections for plain reads; ``engine`` is for what else a read may need."""
    connections: Connections = AsyncConnectionPool(
        database_url,
        min_size=_IDLE_CONNECTIONS,
        max_size=POOL_SIZE,
        open=False,
        configure=_configure,
        kwargs={**CONNECT_ARGUMENTS, "autocommit": True, "row_factory": namedtuple_row},
    )
    # Not waited for: the API starts while PostgreSQL is away, and says so when it is asked.
    await connections.open(wait=False)
    try:
        yield Reader(engine, connections)
    finally:
        await connections.close()


async def _configure(connection: psycopg.AsyncConnection[Any]) -> None:
    set_json_loads(orjson.loads, connection)
