"""Sessions of feeds: what the pages before a cursor had, so that the next page repeats none of it.

Each page with a successor appends one entry to a Redis stream of its person, and the entry's id is the cursor. Entries
do not change: a request repeated with the same cursor excludes the same items, and two clients of one person have a
session each. A cursor refers to the stream of the person who sends it, so another person's is as unknown as an
invented one. Without Redis, a feed has one page.
"""

from __future__ import annotations

import base64
import binascii
import struct
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from neighborconnect.contracts.serving import MAX_EXCLUDED
from neighborconnect.feed.reranking import Carried
from neighborconnect.telemetry import get_logger
from transactional_api.core.errors import InvalidCursorError, Problem, UnavailableError

TTL_SECONDS: Final = 60 * 60
"""Time in seconds after which a cursor expires."""
MAX_SESSION_ITEMS: Final = MAX_EXCLUDED
"""Items of a session, after which it ends: as many as the model can exclude."""
MAX_ENTRIES: Final = 64
"""Entries of one person; the oldest are dropped."""
_LAYOUT: Final = struct.Struct(">QI4s")
_MARK: Final = b"ncf1"
_ID_BYTES: Final = 16
_ITEMS, _STATE = b"items", b"state"

log = get_logger(__name__)


class CursorExpiredError(Problem):
    """The cursor of a feed has expired, or was not issued to this user."""

    status, code, title = 410, "cursor_expired", "This feed has expired; start again without a cursor"


@dataclass(frozen=True, slots=True)
class Position:
    """Place in the items of a kind by age; older ones follow."""

    at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class _State:
    kind: str
    carried: Carried
    older: Position | None
    pages: int
    older_by_kind: dict[str, Position] = field(default_factory=dict)


_STATES: Final = TypeAdapter(_State)


@dataclass(slots=True)
class FeedSession:
    """Pages of a feed so far.

    Attributes:
        kind: kind of the items, or ``home``.
        served: items of the pages.
        carried: repeats of authors and connectors on the pages.
        older: place up to which the items by age are exhausted; None before the first.
        older_by_kind: the same for each kind of a mixed feed.
        pages: number of pages.
        has_ended: whether no page follows.
    """

    kind: str
    served: tuple[UUID, ...] = ()
    carried: Carried = field(default_factory=Carried)
    older: Position | None = None
    pages: int = 0
    has_ended: bool = False
    older_by_kind: dict[str, Position] = field(default_factory=dict)

    def excluding(self, exclude: Iterable[UUID]) -> list[UUID]:
        """Return the items of the pages and those that the client names."""
        return list(dict.fromkeys((*exclude, *self.served)))

    def add_page(
        self, items: Collection[UUID], *, carried: Carried, is_last: bool, older: Position | None = None
    ) -> None:
        """Add a page that is served now."""
        self.served = (*self.served, *items)
        self.carried, self.older, self.pages = carried, older, self.pages + 1
        self.has_ended = is_last or len(self.served) >= MAX_SESSION_ITEMS


async def resume(redis: Redis, *, user_id: UUID, kind: str, cursor: str | None) -> FeedSession:
    """Return the session of a cursor, or a new one without a cursor.

    Raises:
        InvalidCursorError: the text is no cursor, or one of a feed of another kind.
        CursorExpiredError: the user has no such session, or none any more.
        UnavailableError: Redis does not respond.
    """
    if cursor is None:
        return FeedSession(kind)
    entry_id, issued_at = _decode(cursor)
    if time.time() - issued_at > TTL_SECONDS:
        raise CursorExpiredError
    try:
        entries: Any = await redis.xrange(_key(user_id), min=entry_id, max=entry_id, count=1)
    except RedisError as error:
        log.warning("feed_sessions.not_read", error=type(error).__name__)
        raise UnavailableError from None
    if not entries:
        raise CursorExpiredError
    [(_, fields)] = entries
    try:
        state = _STATES.validate_json(fields[_STATE])
    except (ValidationError, KeyError):
        # Written by another release.
        raise CursorExpiredError from None
    if state.kind != kind:
        raise InvalidCursorError
    return FeedSession(
        kind,
        served=_unpack(fields[_ITEMS]),
        carried=state.carried,
        older=state.older,
        pages=state.pages,
        older_by_kind=state.older_by_kind,
    )


async def save(redis: Redis, session: FeedSession, *, user_id: UUID) -> str | None:
    """Record the session and return its cursor; None if no page follows, or Redis does not respond."""
    if session.has_ended:
        return None
    state = _State(session.kind, session.carried, session.older, session.pages, session.older_by_kind)
    fields: Any = {_ITEMS: b"".join(one.bytes for one in session.served), _STATE: _STATES.dump_json(state)}
    try:
        async with redis.pipeline(transaction=True) as pipe:
            pipe.xadd(_key(user_id), fields, maxlen=MAX_ENTRIES, approximate=False)
            pipe.expire(_key(user_id), TTL_SECONDS)
            entry_id, _ = await pipe.execute()
    except RedisError as error:
        log.warning("feed_sessions.not_recorded", error=type(error).__name__)
        return None
    return _encode(entry_id)


def _encode(entry_id: bytes) -> str:
    milliseconds, _, number = entry_id.partition(b"-")
    return base64.urlsafe_b64encode(_LAYOUT.pack(int(milliseconds), int(number), _MARK)).decode()


def _decode(cursor: str) -> tuple[str, float]:
    """Return the id of an entry and its time in seconds since the epoch; raises ``InvalidCursorError``."""
    try:
        milliseconds, number, mark = _LAYOUT.unpack(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, struct.error, ValueError):
        raise InvalidCursorError from None
    if mark != _MARK:
        raise InvalidCursorError
    return f"{milliseconds}-{number}", milliseconds / 1_000


def _unpack(ids: bytes) -> tuple[UUID, ...]:
    return tuple(UUID(bytes=ids[start : start + _ID_BYTES]) for start in range(0, len(ids), _ID_BYTES))


def _key(user_id: UUID) -> str:
    return f"user:{user_id}:feeds"
