"""Cookies of browser sessions: a signed reference to a session, and the CSRF token that belongs to it.

The cookie is httpOnly, so that no script reads it, and names a session that is looked up with each request: to end
the session is to end the cookie. Its signing keys are derived from the secrets of access tokens, former ones included.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as EncodingError
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Response

from neighborconnect.settings import Settings
from transactional_api.core.security.tokens import Bearer, derived_keys

COOKIE = "nc_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Name over HTTPS: browsers accept it from this host alone, not from a host next to it."""
CSRF_HEADER = "X-CSRF-Token"
_COOKIE_PURPOSE = b"neighborconnect web sessions"
_CSRF_PURPOSE = b"neighborconnect csrf tokens"
_ID_BYTES = 16


def is_secure(settings: Settings) -> bool:
    """Return whether browsers reach the API over HTTPS."""
    return urlsplit(settings.public_api_url or settings.public_url).scheme == "https"


def cookie_name(settings: Settings) -> str:
    """Return the name of the cookie."""
    return SECURE_COOKIE if is_secure(settings) else COOKIE


def set_cookie(response: Response, bearer: Bearer, *, settings: Settings) -> None:
    """Store a session in the browser for as long as it lasts without renewal."""
    response.set_cookie(
        cookie_name(settings),
        seal(bearer, settings=settings),
        max_age=settings.refresh_token_days * 24 * 60 * 60,
        path="/",
        secure=is_secure(settings),
        httponly=True,
        samesite="lax",
    )


def delete_cookie(response: Response, *, settings: Settings) -> None:
    """Remove the cookie from the browser."""
    response.delete_cookie(cookie_name(settings), path="/", secure=is_secure(settings), httponly=True, samesite="lax")


def seal(bearer: Bearer, *, settings: Settings) -> str:
    """Return the value of the cookie: the ids of user and session, and their signature."""
    named = bearer.user_id.bytes + bearer.session_id.bytes
    key = derived_keys(settings, _COOKIE_PURPOSE)[0]
    return urlsafe_b64encode(named + hmac.digest(key, named, "sha256")).decode().rstrip("=")


def unseal(cookie: str, *, settings: Settings) -> Bearer | None:
    """Return the session that a cookie names; None if it is not ours or was changed."""
    try:
        raw = urlsafe_b64decode(cookie.encode("ascii") + b"=" * (-len(cookie) % 4))
    except (EncodingError, ValueError):
        return None
    named, signature = raw[: 2 * _ID_BYTES], raw[2 * _ID_BYTES :]
    keys = derived_keys(settings, _COOKIE_PURPOSE)
    if not any(hmac.compare_digest(hmac.digest(key, named, "sha256"), signature) for key in keys):
        return None
    return Bearer(UUID(bytes=named[:_ID_BYTES]), UUID(bytes=named[_ID_BYTES:]))


def csrf_token(session_id: UUID, *, settings: Settings) -> str:
    """Return the CSRF token of a session; pages of other origins cannot read it."""
    return hmac.digest(derived_keys(settings, _CSRF_PURPOSE)[0], session_id.bytes, "sha256").hex()


def is_csrf_token(token: str, session_id: UUID, *, settings: Settings) -> bool:
    """Return whether a CSRF token is the session's."""
    keys = derived_keys(settings, _CSRF_PURPOSE)
    expected = (hmac.digest(key, session_id.bytes, "sha256").hex() for key in keys)
    return any(hmac.compare_digest(one.encode(), token.encode("utf-8", "replace")) for one in expected)
