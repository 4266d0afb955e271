"""Database engine, and the session of a request."""

from __future__ import annotations

import select
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Protocol

import orjson
from fastapi import Depends, Request
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from neighborconnect.settings import sqlalchemy_url

# Stored in the ASGI scope, which belongs to one request; ``request.state`` starts with the state of the lifespan.
SESSION = "neighborconnect.session"
_AFTER_COMMIT = "neighborconnect.after_commit"
POOL_SIZE = 16
POOL_OVERFLOW = 16
POOL_WAIT_SECONDS = 5
STATEMENT_TIMEOUT_MS = 10_000
CONNECT_ARGUMENTS: dict[str, Any] = {
    "application_name": "neighborconnect-api",
    "connect_timeout": 5,
    "options": f"-c timezone=UTC -c statement_timeout={STATEMENT_TIMEOUT_MS} "
    "-c idle_in_transaction_session_timeout=30000",
}


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


def create_engine(database_url: str) -> AsyncEngine:
    """Return an engine with a statement timeout of ten seconds and the time zone UTC."""
    engine = create_async_engine(
        sqlalchemy_url(database_url),
        # Error messages must not carry user content into the logs.
        hide_parameters=True,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=POOL_WAIT_SECONDS,
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        connect_args=CONNECT_ARGUMENTS,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """Make the pool replace a connection that the server closed, without a round trip per checkout.

    An idle connection is readable only if the server closed it.
    """
    socket = select.poll()
    socket.register(connection.driver_connection.pgconn.socket, select.POLLIN)
    if socket.poll(0):
        raise DisconnectionError


class UnitOfWork(Protocol):
    """A session or a runner of statements; ``info`` holds values of its transaction."""

    @property
    def info(self) -> dict[Any, Any]:
        """Values of the transaction by key."""


def after_commit(unit: UnitOfWork, action: Callable[[], Awaitable[None]]) -> None:
    """Run an action after the transaction commits, and not after a rollback. The action handles its own errors."""
    unit.info.setdefault(_AFTER_COMMIT, []).append(action)


async def run_after_commit(unit: UnitOfWork) -> None:
    """Run the actions that were registered for the commit; only the code that commits calls it."""
    for action in unit.info.pop(_AFTER_COMMIT, ()):
        await action()


async def commit(session: AsyncSession) -> None:
    """Commit and run the registered actions; only the unit of work of a request or job calls it."""
    await session.commit()
    await run_after_commit(session)


async def session_of(request: Request) -> AsyncSession:
    """Return the session that the unit of work opened for a request."""
    session: AsyncSession = request.scope[SESSION]
    return session


SessionDep = Annotated[AsyncSession, Depends(session_of)]
"""Session of the request. ``transactional_api.core.http.unit_of_work`` opens and commits it; nothing else commits."""
