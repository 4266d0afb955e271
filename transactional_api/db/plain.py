"""Plain statements: compiled once and run on a plain connection, without an ORM in between.

The queries are the same ones that everything else is built from, permission included; only what SQLAlchemy does to
run one a second time is left out. Measured by ``python -m benchmarks reads`` and ``chat``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Protocol, cast
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import namedtuple_row
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import ARRAY, Dialect, Select, TextClause, UpdateBase, Uuid
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from transactional_api.db.session import CONNECT_ARGUMENTS, POOL_SIZE, POOL_WAIT_SECONDS, commit

_IDLE_CONNECTIONS = 2
_DIALECT: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]

Connections = AsyncConnectionPool[psycopg.AsyncConnection[Any]]
Compiled = tuple[bytes, dict[str, Any]]
_BEGIN: Compiled = (b"BEGIN", {})
_COMMIT: Compiled = (b"COMMIT", {})


class Ready:
    """A statement that is compiled once. It must select or return columns: plain rows know no entities."""

    def __init__(self, statement: Select[Any] | UpdateBase | TextClause) -> None:
        """Keep ``statement``; it is compiled when it is first run plainly."""
        self.statement = statement
        self._sql: bytes | None = None
        self._fixed: dict[str, Any] = {}
        self._processors: dict[str, Any] = {}

    async def all(self, session: AsyncSession, **parameters: Any) -> Sequence[Any]:
        """Return the rows, as tuples with names: plainly in a ``PlainSession``, else in the session's transaction."""
        if isinstance(session, PlainSession):
            return (await session.fetch_each([self.compiled(parameters)]))[0]
        return (await session.execute(self.statement, parameters)).all()

    async def one_or_none(self, session: AsyncSession, **parameters: Any) -> Any:
        """Return the only row, or None where there is none."""
        rows = await self.all(session, **parameters)
        assert len(rows) <= 1, "a statement for one row found more"  # noqa: S101
        return rows[0] if rows else None

    def compiled(self, parameters: dict[str, Any]) -> Compiled:
        """Return the statement for psycopg."""
        if self._sql is None:
            compiled = self.statement.compile(dialect=_DIALECT)
            self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
            for bind, name in compiled.bind_names.items():
                processor: Callable[[Any], Any] | None = bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
                if isinstance(bind.type, ARRAY) and isinstance(bind.type.item_type, Uuid):
                    processor = _written
                if processor is not None:
                    self._processors[name] = processor
            self._sql = str(compiled).encode()
        values = self._fixed | parameters
        for name, processor in self._processors.items():
            values[name] = processor(values[name])
        return self._sql, values


Asked = tuple[Ready, dict[str, Any]]
"""A statement and its parameters."""


async def in_one_trip(session: AsyncSession, *asked: Asked) -> list[Sequence[Any]]:
    """Return the rows of several statements, each of which sees what is committed when its turn comes.

    In a ``PlainSession`` they go to the database together. Whatever one of them is to wait for, such as a lock, the
    next one waits for too.
    """
    if isinstance(session, PlainSession):
        return await session.fetch_each([ready.compiled(parameters) for ready, parameters in asked])
    return [await ready.all(session, **parameters) for ready, parameters in asked]


class Noted(Protocol):
    """Is told of each statement that is run plainly."""

    def __call__(self, sql: str, parameters: dict[str, Any]) -> None:
        """Take note."""


class PlainSession:
    """What a request, or a socket, gets in place of a session.

    ``Ready`` statements run on a plain connection, each for itself or, if it is transactional, in one transaction.
    Whatever else a session can do, one that is not transactional does as one; only then it takes a connection of the
    engine, in a transaction that cannot write, since nothing would commit it.
    """

    def __init__(
        self, engine: AsyncEngine, connections: Connections, noted: Noted | None, *, transactional: bool = False
    ) -> None:
        self.info: dict[Any, Any] = {}
        self._engine = engine
        self._connections = connections
        self._noted = noted
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._session: AsyncSession | None = None
        self._transactional = transactional
        self._begun = False

    def __getattr__(self, name: str) -> Any:
        """Ask everything else of a session."""
        assert not self._transactional, f"{name} would be outside of the transaction"  # noqa: S101
        if self._session is None:
            self._session = AsyncSession(self._engine, expire_on_commit=False)
        return getattr(self._session, name)

    async def fetch_each(self, statements: list[Compiled]) -> list[Sequence[Any]]:
        """Run statements in one trip, and return the rows of each; a transaction begins with its first trip."""
        if self._noted is not None:
            for sql, parameters in statements:
                self._noted(sql.decode(), parameters)
        if not self._transactional or self._begun:
            return await self._trip(statements)
        _, *rows = await self._trip([_BEGIN, *statements])
        self._begun = True
        return rows

    async def commit(self) -> None:
        """End the transaction, and give its connection back before what waited for the commit is done."""
        if self._begun:
            await self._trip([_COMMIT])
            self._begun = False
        await self.aclose()

    async def _trip(self, statements: list[Compiled]) -> list[Sequence[Any]]:
        if self._connection is None:
            self._connection = await self._connections.getconn(POOL_WAIT_SECONDS)
        try:
            return await _run(self._connection, statements)
        except psycopg.OperationalError:
            if self._begun or not self._connection.broken:
                raise
        # The server closed it while nobody looked, and others with it: the pool is told to look, once.
        await self._connections.putconn(self._connection)
        self._connection = None
        await self._connections.check()
        self._connection = await self._connections.getconn(POOL_WAIT_SECONDS)
        return await _run(self._connection, statements)

    async def aclose(self) -> None:
        """Give back what was taken; a transaction that was not committed is undone."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                if self._transactional and not connection.broken:
                    await connection.rollback()  # Nothing happens if there is nothing to undo.
            finally:
                await self._connections.putconn(connection)
        if self._session is not None:
            await self._session.close()


class Plain:
    """Opens plain sessions over the connections of one process."""

    def __init__(self, engine: AsyncEngine, connections: Connections) -> None:
        self._engine = engine.execution_options(postgresql_readonly=True)
        self._connections = connections
        self.noted: Noted | None = None
        """Is told of each statement; for tests and benchmarks."""

    @property
    def held(self) -> int:
        """How many connections are in use now; for tests."""
        now = self._connections.get_stats()
        return now["pool_size"] - now["pool_available"]

    @asynccontextmanager
    async def reads(self) -> AsyncIterator[AsyncSession]:
        """Give a session for reads, each of which sees what is committed when it begins."""
        plain = PlainSession(self._engine, self._connections, self.noted)
        async with aclosing(plain):
            yield cast("AsyncSession", plain)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Give a session whose transaction commits at the end of the block, or never if the block raises."""
        plain = PlainSession(self._engine, self._connections, self.noted, transactional=True)
        async with aclosing(plain):
            session = cast("AsyncSession", plain)
            yield session
            await commit(session)


@asynccontextmanager
async def open_plain(database_url: str, engine: AsyncEngine) -> AsyncIterator[Plain]:
    """Open connections for plain statements; ``engine`` is for what else a read may need."""
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
        yield Plain(engine, connections)
    finally:
        await connections.close()


def _written(ids: Iterable[UUID] | None) -> str | None:
    """Write ids as PostgreSQL reads an array of them, at once; psycopg would dump each by itself."""
    return None if ids is None else "{" + ",".join([one.hex for one in ids]) + "}"


async def _run(connection: psycopg.AsyncConnection[Any], statements: list[Compiled]) -> list[Sequence[Any]]:
    if len(statements) == 1:
        cursors = [await connection.execute(*statements[0])]
    else:
        async with connection.pipeline():
            cursors = [await connection.execute(*statement) for statement in statements]
    return [await cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else [] for cursor in cursors]


async def _configure(connection: psycopg.AsyncConnection[Any]) -> None:
    set_json_loads(orjson.loads, connection)
