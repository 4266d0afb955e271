"""What apps, their makers and people who log in elsewhere send and see."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from transactional_api.text import Line, RequestBody
from transactional_api.users.schemas import OneTimeCode

_OWN_SCHEME = re.compile(r"^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+$")
_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
# A host as the consent page shows it and as a Content-Security-Policy can carry it: no user part, no punctuation. An
# internationalized name is written in its ASCII form, so that letters that look alike do not mislead.
_NETLOC = re.compile(r"^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[::1\])(?::[0-9]{1,5})?$")


def is_safe_redirect(uri: str) -> bool:
    """Return whether people may be sent to ``uri``: https, http on this machine, or a scheme of the app's own."""
    try:
        parts = urlsplit(uri)
        hostname, _port = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.fragment or (parts.netloc and not _NETLOC.match(parts.netloc)):
        return False
    if parts.scheme in {"http", "https"}:
        return hostname in _LOOPBACK_HOSTS or (parts.scheme == "https" and hostname is not None)
    return _OWN_SCHEME.match(parts.scheme) is not None


def _safe_redirect(uri: str) -> str:
    if not is_safe_redirect(uri):
        raise ValueError("Use https, http to this machine, or a scheme of your own such as org.example.app")
    return uri


RedirectUri = Annotated[Line, StringConstraints(min_length=5, max_length=500), AfterValidator(_safe_redirect)]


class NewApp(RequestBody):
    """An app that people may let act for them."""

    name: Annotated[Line, StringConstraints(min_length=2, max_length=100)] = Field(examples=["Street Calendar"])
    redirect_uris: list[RedirectUri] = Field(
        min_length=1, max_length=5, examples=[["https://calendar.example.org/callback"]]
    )
    confidential: StrictBool = Field(
        default=True,
        description="Whether it can keep a secret, as a server can, and a phone or a browser cannot.",
        examples=[True],
    )


class AppOut(BaseModel):
    """An app of yours."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(description="Its `client_id`.", examples=["0f2f5d8e-54f1-4f3a-9a5d-1a7f0e7a9b21"])
    name: str = Field(examples=["Street Calendar"])
    redirect_uris: list[str] = Field(examples=[["https://calendar.example.org/callback"]])
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class NewAppOut(AppOut):
    """An app of yours, with its secret."""

    client_secret: str | None = Field(
        description="Shown this once; null for an app that cannot keep one.",
        examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"],
    )


class AppTokens(BaseModel):
    """What an app acts with (RFC 6749)."""

    access_token: str = Field(examples=["eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl"])
    token_type: str = Field(examples=["Bearer"])
    expires_in: int = Field(description="Seconds.", examples=[900])
    refresh_token: str = Field(examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"])
    scope: str = Field(examples=["posts:read events:read"])


class TokenError(BaseModel):
    """Why an app gets no tokens (RFC 6749, 5.2)."""

    error: str = Field(examples=["invalid_grant"])
    error_description: str = Field(examples=["The code is not good any more"])


class ProvidersOut(BaseModel):
    """Where else people may log in."""

    providers: list[str] = Field(examples=[["google"]])


class LoginBegun(BaseModel):
    """Where to send the person, and what to keep until they come back."""

    url: str = Field(examples=["https://accounts.example.org/authorize?response_type=code&client_id=neighborconnect"])
    binding: str = Field(
        description="Keep it in the browser: only who began a log-in can finish it.",
        examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"],
    )


class LoginReturned(RequestBody):
    """What the provider sent the person back with."""

    code: Annotated[Line, StringConstraints(min_length=1, max_length=2_000)] = Field(examples=["4/0AeaYSHB"])
    state: Annotated[Line, StringConstraints(min_length=10, max_length=200)] = Field(examples=["xyzABC123456"])
    binding: Annotated[Line, StringConstraints(min_length=10, max_length=200)] = Field(
        examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"]
    )
    one_time_code: OneTimeCode | None = Field(
        default=None, description="Of accounts with a second factor.", examples=["492039"]
    )


class LinkOut(BaseModel):
    """A service that you may log in with."""

    model_config = ConfigDict(from_attributes=True)

    provider: str = Field(examples=["google"])
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class LinksOut(BaseModel):
    """Services that you may log in with."""

    links: list[LinkOut]
