"""Idempotent writes: a repeated request with the same ``Idempotency-Key`` and body returns the stored first answer.

A key belongs to one person and one route and lives for 24 hours. The answer (status, headers and body) is stored in
the transaction of the write, so that either both exist or neither does. Only success is stored: a failed write may
be retried with its key.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Header, Request, Response
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.db.tables import IdempotencyKey
from transactional_api.errors import Problem

LIFETIME = timedelta(hours=24)
REPLAYED_HEADER = "Idempotent-Replayed"
_CLAIM = "neighborconnect.idempotency_claim"
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:scope, 0))")

KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,128}$",
        description="Any text of your own, unique to this write. Repeating the request with it does nothing twice.",
        examples=["3f1c9a52-join"],
    ),
]


class KeyReusedError(Problem):
    """The key came before with another request."""

    status, code, title = 422, "idempotency_key_reused", "This Idempotency-Key belongs to another request"


class KeyInUseError(Problem):
    """The first request with this key has not been answered yet."""

    status, code, title = 409, "idempotency_key_in_use", "The first request with this Idempotency-Key is still running"


class ReplayError(Exception):
    """Not a failure: the write was done before, and this is what it answered."""

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
        ReplayError: when the write was done before; carries its answer.
        KeyReusedError: when the key came with another path, query or body.
        KeyInUseError: when another request holds the key at this moment.
    """
    route = f"{request.method} {request.scope['route'].path}"
    digest = hashlib.sha256(f"{request.url.path}?{request.url.query}\n".encode() + await request.body()).digest()
    held = await session.scalar(_TRY_LOCK, {"scope": f"{user_id} {route} {key}"})
    if not held:
        raise KeyInUseError
    kept = await session.scalar(
        select(IdempotencyKey).where(
            IdempotencyKey.user_id == user_id,
            IdempotencyKey.route == route,
            IdempotencyKey.key == key,
            IdempotencyKey.expires_at > datetime.now(UTC),
        )
    )
    if kept is None:
        request.scope[_CLAIM] = _Claim(user_id, route, key, digest)
        return
    if kept.request_hash != digest:
        raise KeyReusedError
    raise ReplayError(_stored_response(kept))


def _stored_response(stored: IdempotencyKey) -> Response:
    """Return the first answer, with its own headers and the mark of a replay."""
    # Rows from before headers were stored are all JSON.
    headers = stored.headers or ([["content-type", "application/json"]] if stored.body else [])
    response = Response(stored.body, stored.status)
    for name, value in headers:
        response.headers.append(name, value)
    response.headers[REPLAYED_HEADER] = "true"
    return response


async def remember(request: Request, response: Response, *, session: AsyncSession) -> None:
    """Store the answer if the request claimed a key."""
    claimed: _Claim | None = request.scope.get(_CLAIM)
    if claimed is None:
        return
    answer = {
        "request_hash": claimed.request_hash,
        "status": response.status_code,
        "headers": [[name, value] for name, value in response.headers.items() if name != "content-length"],
        "body": bytes(response.body),
        "expires_at": datetime.now(UTC) + LIFETIME,
    }
    statement = insert(IdempotencyKey).values(user_id=claimed.user_id, route=claimed.route, key=claimed.key, **answer)
    await session.execute(statement.on_conflict_do_update(index_elements=["user_id", "route", "key"], set_=answer))
