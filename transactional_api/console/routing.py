"""Routing of the console: its part of the API's paths, and routes that may audit reads."""

from __future__ import annotations

from typing import ClassVar

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from transactional_api.console.sessions import PREFIX
from transactional_api.core.http.unit_of_work import TransactionalRoute


class ConsoleRoute(TransactionalRoute):
    """A page or a form, in one transaction; views of users' data are audited, so reads commit, too."""

    commits_reads: ClassVar[bool] = True


class ConsoleMount(BaseRoute):
    """Forwards the paths of the console to its application unchanged.

    ``Mount`` would cut the prefix off the paths of routes, which name actions in the audit log and in metrics.
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a request is for the console."""
        is_console = scope["type"] == "http" and (scope["path"] == PREFIX or scope["path"].startswith(f"{PREFIX}/"))
        return (Match.FULL if is_console else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._application(scope, receive, send)
