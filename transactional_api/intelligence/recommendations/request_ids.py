"""Signed ids of feeds: interactions can only refer to feeds that were issued to the same user; nothing is stored.

An id is a UUID of version 8 (RFC 9562): 48 bits of time in milliseconds, 12 random bits, and 62 bits of an HMAC over
both and the user id, with a key derived from the secret of access tokens.
"""

from __future__ import annotations

import hmac
import secrets
import time
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Request

from neighborconnect.settings import Settings
from transactional_api.core.http.auth import CurrentUser
from transactional_api.core.security.tokens import derived_keys

WINDOW_SECONDS: Final = 7 * 24 * 60 * 60
"""Time in seconds in which interactions with a feed are accepted; phones report late."""
CLOCK_SKEW_SECONDS: Final = 60
_PURPOSE = b"neighborconnect feed ids"
_VERSION, _VARIANT = 0x8, 0b10
_RANDOM_BITS, _SIGNATURE_BITS = 12, 62


def issue(user_id: UUID, *, settings: Settings) -> UUID:
    """Issue the id of a new feed of a user."""
    head = int(time.time() * 1_000) << 16 | _VERSION << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
    return _signed(head, user_id, key=derived_keys(settings, _PURPOSE)[0])


def is_issued(request_id: UUID, user_id: UUID, *, settings: Settings) -> bool:
    """Return whether a feed of this id was issued to the user within the window."""
    head = request_id.int >> 64
    age = time.time() - (head >> 16) / 1_000
    if not -CLOCK_SKEW_SECONDS <= age <= WINDOW_SECONDS:
        return False
    keys = derived_keys(settings, _PURPOSE)
    return any(hmac.compare_digest(_signed(head, user_id, key=key).bytes, request_id.bytes) for key in keys)


def _signed(head: int, user_id: UUID, *, key: bytes) -> UUID:
    digest = hmac.digest(key, head.to_bytes(8) + user_id.bytes, "sha256")
    signature = int.from_bytes(digest[:8]) >> (64 - _SIGNATURE_BITS)
    return UUID(int=head << 64 | _VARIANT << _SIGNATURE_BITS | signature)


async def _new_request_id(request: Request, viewer: CurrentUser) -> UUID:
    return issue(viewer.id, settings=request.app.state.settings)


RequestIdDep = Annotated[UUID, Depends(_new_request_id)]
"""Id of the requested feed."""
