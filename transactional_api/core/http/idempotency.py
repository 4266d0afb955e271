"""Idempotent writes: a repeated request with the same ``Idempotency-Key`` and body returns the stored first answer.

A key belongs to one person and one route and lives for 24 hours. The response (status, headers and body) is stored in
the transaction of the write, so that either both exist or neither does. Only success is stored: a failed write may
be retried with its key.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, cast
from uuid import UUID

from fastapi import Header, Request, Response
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.db.tables import IdempotencyKey
from transactional_api.core.errors import Problem
from transactional_api.core.media.signed_links import Links, seal, sealed_targets
from transactional_api.core.media.stores import MediaStores

LIFETIME = timedelta(hours=24)
REPLAYED_HEADER = "Idempotent-Replayed"
_CLAIM = "neighborconnect.idempotency_claim"
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:scope, 0))")

KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,128}$",
        description="A unique text per write. A repeated request with the same key has no further effect.",
        examples=["3f1c9a52-join"],
    ),
]


class KeyReusedError(Problem):
    """The key was used with another request."""

    status, code, title = 422, "idempotency_key_reused", "This Idempotency-Key belongs to another request"


class KeyInUseError(Problem):
    """The first request with this key is still running."""

    status, code, title = 409, "idempotency_key_in_use", "The first request with this Idempotency-Key is still running"


class ReplayError(Exception):
    """Signals a repeated write; carries the stored response. Not a failure."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


@dataclass(frozen=True, slots=True)
class _Claim:
    user_id: UUID
    route: str
    key: str
    request_hash: bytes


async def claim(request: Request, *, session: AsyncSession, user_id: UUID, key: str) -> None:
    """Claim ``key`` for this request.

    Raises:
        ReplayError: when the write is a repetition; carries the stored response.
        KeyReusedError: when the key was used with another path, query or body.
        KeyInUseError: when a concurrent request holds the key.
    """
    route = f"{request.method} {request.scope['route'].path}"
    digest = hashlib.sha256(f"{request.url.path}?{request.url.query}\n".encode() + await request.body()).digest()
    acquired = await session.scalar(_TRY_LOCK, {"scope": f"{user_id} {route} {key}"})
    if not acquired:
        raise KeyInUseError
    stored = await session.scalar(
        select(IdempotencyKey).where(
            IdempotencyKey.user_id == user_id,
            IdempotencyKey.route == route,
            IdempotencyKey.key == key,
            IdempotencyKey.expires_at > datetime.now(UTC),
        )
    )
    if stored is None:
        request.scope[_CLAIM] = _Claim(user_id, route, key, digest)
        return
    if stored.request_hash != digest:
        raise KeyReusedError
    raise ReplayError(_stored_response(stored, await _signed(request, stored.body)))


async def _signed(request: Request, body: bytes) -> bytes:
    """Return a stored body with its links signed again."""
    objects = cast("MediaStores", request.app.state.media).objects
    for reference, target in sealed_targets(body, secret=objects.secret).items():
        link = objects.link(target.key) if target.size is None else objects.upload_link(target.key, size=target.size)
        body = body.replace(reference, (await link).encode())
    return body


def _stored_response(stored: IdempotencyKey, body: bytes) -> Response:
    """Return the first response with its headers, marked as a replay."""
    # Rows from before headers were stored are JSON.
    headers = stored.headers or ([["content-type", "application/json"]] if body else [])
    response = Response(body, stored.status)
    for name, value in headers:
        response.headers.append(name, value)
    response.headers[REPLAYED_HEADER] = "true"
    return response


async def remember(request: Request, response: Response, *, session: AsyncSession, links: Links) -> None:
    """Store the response if the request claimed a key; signed links are stored as references."""
    claimed: _Claim | None = request.scope.get(_CLAIM)
    if claimed is None:
        return
    response_values = {
        "request_hash": claimed.request_hash,
        "status": response.status_code,
        "headers": [[name, value] for name, value in response.headers.items() if name != "content-length"],
        "body": seal(bytes(response.body), links, secret=cast("MediaStores", request.app.state.media).objects.secret),
        "expires_at": datetime.now(UTC) + LIFETIME,
    }
    statement = insert(IdempotencyKey).values(
        user_id=claimed.user_id, route=claimed.route, key=claimed.key, **response_values
    )
    await session.execute(
        statement.on_conflict_do_update(index_elements=["user_id", "route", "key"], set_=response_values)
    )
