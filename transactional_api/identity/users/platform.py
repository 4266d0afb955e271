"""Authentication of the platform's own pipelines at the API: the platform token, with a limit on wrong ones."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header

from transactional_api.core.errors import Problem
from transactional_api.core.security.callers import CallerDep, is_platform
from transactional_api.identity.users.account_routes import AccountsDep


class PlatformOnlyError(Problem):
    """The request lacks the platform token."""

    status, code, title = 403, "platform_only", "Only the platform's pipelines may call this"


async def _platform(
    accounts: AccountsDep, caller: CallerDep, x_platform_token: Annotated[str | None, Header(max_length=200)] = None
) -> None:
    await accounts.throttle.check(accounts.throttle.tokens, caller.network)
    if not is_platform(accounts.settings, x_platform_token):
        await accounts.throttle.record(accounts.throttle.tokens, caller.network)
        raise PlatformOnlyError


PlatformDep = Annotated[None, Depends(_platform)]
"""The caller is one of the platform's own processes."""
