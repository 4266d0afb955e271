"""Authentication of the platform's own HTTP services: bearer tokens for processes, a password for operators.

A service wraps its ASGI application and lists the paths that stay open for health probes.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Collection, Sequence
from http import HTTPStatus
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OPERATOR = "operator"
"""User name of the web interfaces; the password is ``OPERATOR_PASSWORD``."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PROBLEM = "application/problem+json"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def bearer(token: SecretStr) -> dict[str, str]:
    """Return the ``Authorization`` header with a bearer token."""
    return {"authorization": f"Bearer {token.get_secret_value()}"}


def is_bearer(authorization: str | None, token: SecretStr) -> bool:
    """Return whether an ``Authorization`` header has this bearer token, compared in constant time."""
    scheme, _, given = (authorization or "").partition(" ")
    return scheme.lower() == "bearer" and _equals(given.strip(), token)


async def refuse(
    status: HTTPStatus, detail: str, scope: Scope, receive: Receive, send: Send, *, challenges: Sequence[str] = ()
) -> None:
    """Respond with problem details (RFC 9457), or reject a WebSocket handshake."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    response = JSONResponse(body, status, media_type=_PROBLEM)
    for challenge in challenges:
        response.headers.append("www-authenticate", challenge)
    await response(scope, receive, send)


class RequireCredentials:
    """ASGI middleware that passes only requests with a token or the operator's password."""

    def __init__(
        self,
        application: ASGIApp,
        *,
        tokens: Sequence[SecretStr] = (),
        read_tokens: Sequence[SecretStr] = (),
        read_posts: Collection[str] = (),
        password: SecretStr | None = None,
        open_paths: Collection[str] = (),
    ) -> None:
        """Wrap an application.

        Args:
            application: the service.
            tokens: bearer tokens for all methods.
            read_tokens: bearer tokens for safe methods, and for a POST to ``read_posts``.
            read_posts: exact paths on which a POST only reads, such as searches.
            password: password of the operator for HTTP basic authentication; None to disable it.
            open_paths: exact paths that can be read without credentials, such as those of health probes.
        """
        self._application = application
        self._tokens = tuple(tokens)
        self._read_tokens = tuple(read_tokens)
        self._read_posts = frozenset(read_posts)
        self._password = password
        self._open_paths = frozenset(open_paths)
        self._challenges = ("Bearer",) if password is None else ('Basic realm="NeighborConnect"',)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request, or respond 401."""
        if (
            scope["type"] == "lifespan"
            or (scope["type"] == "http" and self._is_open(scope))
            or self._is_authorized(scope)
        ):
            await self._application(scope, receive, send)
            return
        await refuse(
            HTTPStatus.UNAUTHORIZED,
            "This service requires credentials.",
            scope,
            receive,
            send,
            challenges=self._challenges,
        )

    def _is_open(self, scope: Scope) -> bool:
        return scope["path"] in self._open_paths and scope["method"] in SAFE_METHODS

    def _is_authorized(self, scope: Scope) -> bool:
        authorization = Headers(scope=scope).get("authorization")
        if any(is_bearer(authorization, token) for token in self._tokens):
            return True
        reads = scope["type"] == "http" and (
            scope["method"] in SAFE_METHODS or (scope["method"] == "POST" and scope["path"] in self._read_posts)
        )
        if reads and any(is_bearer(authorization, token) for token in self._read_tokens):
            return True
        return self._password is not None and _is_operator(authorization, self._password)


class RefuseCrossSiteRequests:
    """ASGI middleware against cross-site requests, which a browser sends with the operator's password.

    Checks the host (DNS rebinding), and the origin of WebSockets and of all requests other than followed links.
    """

    def __init__(self, application: ASGIApp, *, hosts: Collection[str]) -> None:
        """Wrap an application.

        Args:
            application: the service.
            hosts: allowed host names, without ports.
        """
        self._application = application
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request, or respond 403."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if _split(f"//{host}").hostname not in self._hosts:
            detail = "This host name is not allowed; add it to OPERATOR_HOSTS."
            await refuse(HTTPStatus.FORBIDDEN, detail, scope, receive, send)
        elif _is_cross_site(scope, headers, host):
            await refuse(
                HTTPStatus.FORBIDDEN, "Requests from pages of other origins are refused.", scope, receive, send
            )
        else:
            await self._application(scope, receive, send)


def hosts_of(url: str, *, more: Collection[str] = ()) -> frozenset[str]:
    """Return the host names of a service: loopback, the host of its URL, and ``more``."""
    return frozenset({*_LOOPBACK, urlsplit(url).hostname or "localhost", *more})


def _equals(given: str, secret: SecretStr) -> bool:
    return hmac.compare_digest(given.encode(), secret.get_secret_value().encode())


def _is_operator(authorization: str | None, password: SecretStr) -> bool:
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        name, _, given = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        return False
    return _equals(given, password) and name == OPERATOR


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _is_cross_site(scope: Scope, headers: Headers, host: str) -> bool:
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    if origin is not None and _split(origin).netloc.lower() != host.lower():
        return True
    if site in {"none", "same-origin"}:
        return False
    # A link on another page may open a page of the service, and nothing else.
    follows_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return not (scope["type"] == "http" and scope["method"] in {"GET", "HEAD"} and follows_link)
