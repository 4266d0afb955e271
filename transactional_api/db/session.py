"""The engine, and the session of one request."""

from __future__ import annotations

import select
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from neighborconnect.settings import sqlalchemy_url

# In the scope, which is one request's own; ``request.state`` begins as what the lifespan left, for all requests.
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
    """Return an engine whose statements give up after ten seconds and whose clock is UTC."""
    engine = create_async_engine(
        sqlalchemy_url(database_url),
        # What people wrote does not get into logs by way of an error's message.
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
    """Tell the pool to replace a connection that the server closed, without asking the server each time.

    An idle connection has nothing to read unless the server said goodbye.
    """
    socket = select.poll()
    socket.register(connection.driver_connection.pgconn.socket, select.POLLIN)
    if socket.poll(0):
        raise DisconnectionError


def after_commit(session: AsyncSession, deed: Callable[[], Awaitable[None]]) -> None:
    """Do something once the session's transaction is committed, or never; what it raises is the deed's own affair."""
    session.info.setdefault(_AFTER_COMMIT, []).append(deed)


async def commit(session: AsyncSession) -> None:
    """Commit, and do what waited for it. For the edge of a request or a job alone."""
    await session.commit()
    for deed in session.info.pop(_AFTER_COMMIT, ()):
        await deed()


async def let_go(session: AsyncSession) -> None:
    """Give back what a session that has only read holds, before a long wait: its connections serve others meanwhile.

    The session takes others when it is asked again; what it loaded stays loaded.
    """
    await session.commit()


async def session_of(request: Request) -> AsyncSession:
    """Return the session that the edge opened for a request."""
    session: AsyncSession = request.scope[SESSION]
    return session


SessionDep = Annotated[AsyncSession, Depends(session_of)]
"""The session of this request. ``transactional_api.edge`` opens and commits it; nothing else commits."""
