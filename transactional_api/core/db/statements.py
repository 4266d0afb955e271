"""Compiled statements, and the connections that they run on without SQLAlchemy's execution.

The queries are the ones that everything else is built from, permission included; compiling and fingerprinting them
for each execution is left out. A function that runs compiled statements takes a ``StatementRunner``, of any
kind:

- ``AutocommitRunner``: each statement on its own, several in one round trip. For reads.
- ``TransactionRunner``: the same in one transaction, begun with its first round trip. For chat messages.
- ``SessionRunner``: in the transaction of an SQLAlchemy session. For writes that read what they have just written.

Measured by ``python -m benchmarks reads`` and ``chat``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Protocol
from uuid import UUID

import orjson
import psycopg
from fastapi import Depends, Request
from psycopg.rows import namedtuple_row
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import ARRAY, Dialect, Select, TextClause, UpdateBase, Uuid
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.db.session import CONNECT_ARGUMENTS, POOL_SIZE, POOL_WAIT_SECONDS, SESSION, run_after_commit

RUNNER = "neighborconnect.statement_runner"
"""Key of the runner in the scope of a request."""
_IDLE_CONNECTIONS = 2
_DIALECT: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]

ConnectionPool = AsyncConnectionPool[psycopg.AsyncConnection[Any]]
Compiled = tuple[bytes, dict[str, Any]]
_BEGIN: Compiled = (b"BEGIN", {})
_COMMIT: Compiled = (b"COMMIT", {})


class CompiledStatement:
    """A statement that is compiled once. It must select or return columns: rows are named tuples, not entities."""

    def __init__(self, statement: Select[Any] | UpdateBase | TextClause) -> None:
        """Store ``statement``; it is compiled when it first runs on a psycopg connection."""
        self.statement = statement
        self._sql: bytes | None = None
        self._fixed: dict[str, Any] = {}
        self._processors: dict[str, Any] = {}

    async def all(self, runner: StatementRunner, **parameters: Any) -> Sequence[Any]:
        """Return the rows, as named tuples."""
        [rows] = await runner.fetch_pipelined((self, parameters))
        return rows

    async def one_or_none(self, runner: StatementRunner, **parameters: Any) -> Any:
        """Return the only row, or None if there is none."""
        rows = await self.all(runner, **parameters)
        assert len(rows) <= 1, "a statement for one row returned more"  # noqa: S101
        return rows[0] if rows else None

    def compiled(self, parameters: dict[str, Any]) -> Compiled:
        """Return the SQL text and the parameters for psycopg."""
        if self._sql is None:
            compiled = self.statement.compile(dialect=_DIALECT)
            # A list of values, as after IN, becomes as many parameters.
            expanded = compiled.construct_expanded_state(compiled.params)
            self._fixed = {name: value for name, value in expanded.parameters.items() if value is not None}
            for bind, name in compiled.bind_names.items():
                processor: Callable[[Any], Any] | None = bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
                if isinstance(bind.type, ARRAY) and isinstance(bind.type.item_type, Uuid):
                    processor = _encode_uuid_array
                if processor is not None:
                    self._processors[name] = processor
            self._sql = expanded.statement.encode()
        values = self._fixed | parameters
        for name, processor in self._processors.items():
            values[name] = processor(values[name])
        return self._sql, values


BoundStatement = tuple[CompiledStatement, dict[str, Any]]
"""A statement and its parameters."""


class StatementHook(Protocol):
    """Called with each statement that runs on a psycopg connection."""

    def __call__(self, sql: str, parameters: dict[str, Any]) -> None:
        """Record the statement."""


class StatementRunner(ABC):
    """Runs compiled statements. ``info`` carries what belongs to the unit of work, as ``AsyncSession.info`` does."""

    info: dict[Any, Any]

    @abstractmethod
    async def fetch_pipelined(self, *statements: BoundStatement) -> list[Sequence[Any]]:
        """Return the rows of several statements, each of which sees what is committed when its turn comes.

        On a psycopg connection they go to the database in one round trip. A statement that waits for a lock delays
        those after it.
        """

    @abstractmethod
    async def release(self) -> None:
        """Return the connection to its pool before a long wait. Within a transaction it stays."""


class SessionRunner(StatementRunner):
    """Runs compiled statements in the transaction of a session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.info = session.info

    async def fetch_pipelined(self, *statements: BoundStatement) -> list[Sequence[Any]]:
        """Return the rows of several statements, run one after another."""
        return [
            (await self._session.execute(compiled.statement, parameters)).all() for compiled, parameters in statements
        ]

    async def release(self) -> None:
        """Keep the connection: the transaction of the session needs it."""


class AutocommitRunner(StatementRunner):
    """Runs compiled statements on a psycopg connection, each committed on its own.

    It takes a connection from the pool with its first statement.
    """

    def __init__(
        self, pool: ConnectionPool, on_statement: StatementHook | None = None, *, info: Mapping[Any, Any]
    ) -> None:
        self.info = dict(info)
        self._pool = pool
        self._on_statement = on_statement
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def fetch_pipelined(self, *statements: BoundStatement) -> list[Sequence[Any]]:
        """Return the rows of several statements, run in one round trip."""
        return await self._run(self._compile(statements))

    async def release(self) -> None:
        """Return the connection to the pool before a long wait; the next statement takes another."""
        await self._return_connection()

    async def aclose(self) -> None:
        """Return the connection to the pool."""
        await self._return_connection()

    async def _return_connection(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await self._pool.putconn(connection)

    def _compile(self, statements: Iterable[BoundStatement]) -> list[Compiled]:
        compiled = [statement.compiled(parameters) for statement, parameters in statements]
        if self._on_statement is not None:
            for sql, parameters in compiled:
                self._on_statement(sql.decode(), parameters)
        return compiled

    async def _run(self, statements: list[Compiled]) -> list[Sequence[Any]]:
        if self._connection is None:
            self._connection = await self._pool.getconn(POOL_WAIT_SECONDS)
        try:
            return await _run(self._connection, statements)
        except psycopg.OperationalError:
            if not self._may_retry(self._connection):
                raise
        # The server closed an idle connection; nothing has run on it.
        await self._return_connection()
        await self._pool.check()
        self._connection = await self._pool.getconn(POOL_WAIT_SECONDS)
        return await _run(self._connection, statements)

    def _may_retry(self, connection: psycopg.AsyncConnection[Any]) -> bool:
        return connection.broken


class TransactionRunner(AutocommitRunner):
    """Runs compiled statements in one transaction, which begins with the first of them."""

    def __init__(
        self, pool: ConnectionPool, on_statement: StatementHook | None = None, *, info: Mapping[Any, Any]
    ) -> None:
        super().__init__(pool, on_statement, info=info)
        self._has_begun = False

    async def fetch_pipelined(self, *statements: BoundStatement) -> list[Sequence[Any]]:
        """Return the rows of several statements, run in one round trip, with ``BEGIN`` in the first."""
        compiled = self._compile(statements)
        if self._has_begun:
            return await self._run(compiled)
        _, *rows = await self._run([_BEGIN, *compiled])
        self._has_begun = True
        return rows

    async def release(self) -> None:
        """Keep the connection: the transaction needs it."""

    async def commit(self) -> None:
        """Commit, return the connection, and run what waited for the commit (``after_commit``)."""
        if self._has_begun:
            await self._run([_COMMIT])
            self._has_begun = False
        await self._return_connection()
        await run_after_commit(self)

    async def aclose(self) -> None:
        """Roll back what was not committed, and return the connection to the pool."""
        if self._connection is None:
            return
        try:
            if not self._connection.broken:
                await self._connection.rollback()  # Does nothing outside of a transaction.
        finally:
            await self._return_connection()

    def _may_retry(self, connection: psycopg.AsyncConnection[Any]) -> bool:
        return connection.broken and not self._has_begun


class PsycopgPool:
    """The psycopg connections of one process."""

    def __init__(self, connections: ConnectionPool) -> None:
        self._connections = connections
        self.on_statement: StatementHook | None = None
        """Called with each statement; for tests and benchmarks."""
        self.info: dict[Any, Any] = {}
        """Copied into the ``info`` of every runner."""

    @property
    def connections_in_use(self) -> int:
        """The number of connections in use; for tests."""
        now = self._connections.get_stats()
        return now["pool_size"] - now["pool_available"]

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[AutocommitRunner]:
        """Give a runner for reads, each of which sees what is committed when it begins."""
        async with aclosing(AutocommitRunner(self._connections, self.on_statement, info=self.info)) as runner:
            yield runner

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[TransactionRunner]:
        """Give a runner whose transaction commits at the end of the block, or never if the block raises."""
        async with aclosing(TransactionRunner(self._connections, self.on_statement, info=self.info)) as runner:
            yield runner
            await runner.commit()


async def statement_runner(request: Request) -> StatementRunner:
    """Return the runner that the route opened for a request."""
    runner: StatementRunner = request.scope[RUNNER]
    return runner


RunnerDep = Annotated[StatementRunner, Depends(statement_runner)]
"""The runner of the request: autocommit in a read-only route, in the transaction of the session in every other."""


@dataclass(frozen=True, slots=True)
class Reads:
    """Database access of a read-only request: a read-only session for queries, and a runner for compiled statements."""

    session: AsyncSession
    runner: StatementRunner

    async def release(self) -> None:
        """Return both connections to their pools before a long wait; loaded objects stay loaded."""
        await self.session.commit()  # It has only read.
        await self.runner.release()


async def _reads(request: Request) -> Reads:
    return Reads(request.scope[SESSION], request.scope[RUNNER])


ReadsDep = Annotated[Reads, Depends(_reads)]
"""Database access of a read-only route."""


@asynccontextmanager
async def open_psycopg_pool(database_url: str) -> AsyncIterator[PsycopgPool]:
    """Open the pool of psycopg connections."""
    connections: ConnectionPool = AsyncConnectionPool(
        database_url,
        min_size=_IDLE_CONNECTIONS,
        max_size=POOL_SIZE,
        open=False,
        configure=_configure,
        kwargs={**CONNECT_ARGUMENTS, "autocommit": True, "row_factory": namedtuple_row},
    )
    await connections.open(wait=False)
    try:
        yield PsycopgPool(connections)
    finally:
        await connections.close()


def _encode_uuid_array(ids: Iterable[UUID] | None) -> str | None:
    """Return the array literal of ids; psycopg would encode each by itself, which is slower."""
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
