"""Stream tickets: credentials for ``EventSource``, which sends no headers.

A ticket is part of a URL, so it opens one stream, once, within ``LIFETIME_SECONDS``, for the session that requested it.
Redis stores only its digest.
"""

from __future__ import annotations

import secrets
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials
from redis.asyncio import Redis
from redis.exceptions import RedisError

from transactional_api.community.notifications.schemas import StreamTicket
from transactional_api.core.errors import UnauthenticatedError, UnavailableError
from transactional_api.core.http.auth import (
    bearer_credentials,
    find_session_viewer,
    require_scope,
    session_cookie,
    viewer_of,
)
from transactional_api.core.security.tokens import Bearer
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users.sessions import hash_token

LIFETIME_SECONDS = 30


async def issue(redis: Redis, *, viewer: Viewer) -> StreamTicket:
    """Issue a ticket for one stream of the viewer.

    Raises:
        UnavailableError: when Redis is unavailable.
    """
    ticket = secrets.token_urlsafe(32)
    session_ref = orjson.dumps([str(viewer.id), str(viewer.session_id)])
    try:
        await redis.set(_key(ticket), session_ref, ex=LIFETIME_SECONDS)
    except RedisError:
        raise UnavailableError from None
    return StreamTicket(ticket=ticket, expires_in=LIFETIME_SECONDS)


async def redeem(redis: Redis, *, ticket: str) -> Bearer:
    """Redeem a ticket and return the session to which it was issued.

    Raises:
        UnauthenticatedError: when it is unknown, used or expired.
        UnavailableError: when Redis is unavailable.
    """
    try:
        session_ref = await redis.getdel(_key(ticket))
    except RedisError:
        raise UnavailableError from None
    if session_ref is None:
        raise UnauthenticatedError("The ticket was used or has expired; create another one")
    user_id, session_id = orjson.loads(session_ref)
    return Bearer(UUID(user_id), UUID(session_id))


def _key(ticket: str) -> str:
    return f"stream-ticket:{hash_token(ticket)}"


async def _stream_viewer(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_credentials)],
    cookie: Annotated[str | None, Depends(session_cookie)],
    ticket: Annotated[
        str | None,
        Query(
            max_length=64, description="From `POST /notifications/stream/tickets`, for clients that send no headers."
        ),
    ] = None,
) -> Viewer:
    if ticket is None or credentials is not None:
        return await viewer_of(request, credentials, cookie)
    bearer = await redeem(request.app.state.redis, ticket=ticket)
    async with request.app.state.psycopg_pool.autocommit() as runner:
        viewer = await find_session_viewer(runner, bearer=bearer)
    await request.app.state.rate_limits.count(request, viewer.id, viewer.session_id)
    require_scope(request, viewer)
    return viewer


StreamViewerDep = Annotated[Viewer, Depends(_stream_viewer)]
"""User whose stream is opened, by a bearer token, the session cookie or a ticket."""
