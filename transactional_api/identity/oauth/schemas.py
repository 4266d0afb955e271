"""Request and response bodies of third-party apps and login providers."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from transactional_api.core.text import Line, RequestBody
from transactional_api.identity.users.schemas import OneTimeCode, refuse_product_name

_OWN_SCHEME = re.compile(r"^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+$")
_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
# A host that the consent page can show and a Content-Security-Policy can contain: no user part, no punctuation.
# Internationalized names must be in ASCII form, so that look-alike letters cannot mislead.
_NETLOC = re.compile(r"^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[::1\])(?::[0-9]{1,5})?$")


def is_safe_redirect(uri: str) -> bool:
    """Return whether a redirect to ``uri`` is safe: https, http on loopback, or a private-use scheme of the app."""
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
        raise ValueError("Use https, http on localhost, or a private scheme such as org.example.app")
    return uri


RedirectUri = Annotated[Line, StringConstraints(min_length=5, max_length=500), AfterValidator(_safe_redirect)]


class NewApp(RequestBody):
    """Registration of an app that users can authorize."""

    name: Annotated[Line, StringConstraints(min_length=2, max_length=100), AfterValidator(refuse_product_name)] = Field(
        examples=["Street Calendar"]
    )
    redirect_uris: list[RedirectUri] = Field(
        min_length=1, max_length=5, examples=[["https://calendar.example.org/callback"]]
    )
    confidential: StrictBool = Field(
        default=True,
        description="Whether the app can protect a secret: true for a server, false for a phone or browser.",
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
    """A new app of yours, with its secret."""

    client_secret: str | None = Field(
        description="Shown only once; null for an app that is not confidential.",
        examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"],
    )


class AppTokens(BaseModel):
    """Tokens of an app (RFC 6749)."""

    access_token: str = Field(examples=["eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl"])
    token_type: str = Field(examples=["Bearer"])
    expires_in: int = Field(description="Seconds until the access token expires.", examples=[900])
    refresh_token: str = Field(examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"])
    scope: str = Field(examples=["posts:read events:read"])


class TokenError(BaseModel):
    """Error of a token request (RFC 6749, 5.2)."""

    error: str = Field(examples=["invalid_grant"])
    error_description: str = Field(examples=["The code has expired"])


class ProvidersOut(BaseModel):
    """Available login providers."""

    providers: list[str] = Field(examples=[["google"]])


class LoginBegun(BaseModel):
    """Redirect URL and browser binding of a login."""

    url: str = Field(examples=["https://accounts.example.org/authorize?response_type=code&client_id=neighborconnect"])
    binding: str = Field(
        description="Store it in the browser: only the browser that started a login can complete it.",
        examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"],
    )


class LoginReturned(RequestBody):
    """Parameters of the redirect from the provider."""

    code: Annotated[Line, StringConstraints(min_length=1, max_length=2_000)] = Field(examples=["4/0AeaYSHB"])
    state: Annotated[Line, StringConstraints(min_length=10, max_length=200)] = Field(examples=["xyzABC123456"])
    binding: Annotated[Line, StringConstraints(min_length=10, max_length=200)] = Field(
        examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"]
    )
    one_time_code: OneTimeCode | None = Field(
        default=None, description="Required with a second factor.", examples=["492039"]
    )


class LinkOut(BaseModel):
    """A linked login provider."""

    model_config = ConfigDict(from_attributes=True)

    provider: str = Field(examples=["google"])
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class LinksOut(BaseModel):
    """Linked login providers."""

    links: list[LinkOut]
