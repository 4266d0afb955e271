"""Routes of ``/users/login`` and ``/users/links``: login with other providers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import StringConstraints

from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import (
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    problem_responses,
)
from transactional_api.core.http.auth import AuditedUser, CurrentUser, EmailNotVerifiedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.security.callers import CallerDep
from transactional_api.identity.oauth import links, providers
from transactional_api.identity.oauth.links import (
    AccountExistsError,
    AlreadyLinkedError,
    LastLoginMethodError,
    ProviderEmailNotVerifiedError,
)
from transactional_api.identity.oauth.providers import ProviderFailedError
from transactional_api.identity.oauth.schemas import LinksOut, LoginBegun, LoginReturned, ProvidersOut
from transactional_api.identity.users.account_routes import GUESSED, AccountsDep
from transactional_api.identity.users.schemas import Session
from transactional_api.identity.users.second_factor import SecondFactorRequiredError, WrongCodeError
from transactional_api.identity.users.service import SuspendedError
from transactional_api.identity.users.throttle import TooManyAttemptsError
from transactional_api.identity.users.tokens import LoginExpiredError

router = APIRouter(prefix="/users", tags=["account"], route_class=TransactionalRoute)

ProviderName = Annotated[str, Path(examples=["google"]), StringConstraints(pattern=r"^[a-z0-9-]{1,50}$")]
RETURNS = (NotFoundError, InvalidRequestError, LoginExpiredError, ProviderFailedError, UnavailableError)


@router.get("/login/providers", operation_id="listProviders", summary="List login providers")
async def list_providers(request: Request) -> ProvidersOut:
    """List the available login providers."""
    return ProvidersOut(providers=[provider.name for provider in request.app.state.settings.oauth_providers])


@router.post(
    "/login/{provider}/begin",
    operation_id="beginProviderLogin",
    summary="Start a provider login",
    responses=problem_responses(NotFoundError, InvalidRequestError, ProviderFailedError, UnavailableError),
)
async def begin_login(provider: ProviderName, accounts: AccountsDep) -> LoginBegun:
    """Start a login with a provider. Store `binding` in the browser and redirect the user to `url`."""
    return await providers.begin(accounts.settings, accounts.redis, name=provider)


@router.post(
    "/login/{provider}",
    operation_id="finishProviderLogin",
    summary="Complete a provider login",
    dependencies=[GUESSED],
    responses=problem_responses(
        *RETURNS,
        AccountExistsError,
        ProviderEmailNotVerifiedError,
        AlreadyLinkedError,
        SecondFactorRequiredError,
        WrongCodeError,
        SuspendedError,
        TooManyAttemptsError,
    ),
)
async def finish_login(
    *,
    provider: ProviderName,
    body: LoginReturned,
    request: Request,
    session: SessionDep,
    accounts: AccountsDep,
    caller: CallerDep,
) -> Session:
    """Log in with the parameters that the provider redirected with. A new user gets an account."""
    identity = await providers.finish(accounts.settings, accounts.redis, name=provider, returned=body)
    return await links.log_in(
        session,
        accounts=accounts,
        identity=identity,
        code=body.one_time_code,
        caller=caller,
        user_agent=request.headers.get("user-agent"),
    )


@router.get(
    "/links",
    operation_id="listLinks",
    summary="List linked providers",
    responses=problem_responses(UnauthenticatedError),
)
async def list_links(session: SessionDep, viewer: CurrentUser) -> LinksOut:
    """List the providers linked to your account."""
    return await links.links_of(session, viewer=viewer)


@router.post(
    "/links/{provider}",
    operation_id="linkProvider",
    summary="Link a provider",
    dependencies=[GUESSED],
    responses=problem_responses(
        UnauthenticatedError, *RETURNS, AlreadyLinkedError, EmailNotVerifiedError, TooManyAttemptsError
    ),
)
async def link(
    provider: ProviderName, body: LoginReturned, session: SessionDep, accounts: AccountsDep, actor: AuditedUser
) -> LinksOut:
    """Link a provider to your account with the parameters that it redirected with."""
    identity = await providers.finish(accounts.settings, accounts.redis, name=provider, returned=body)
    return await links.link(session, viewer=actor, identity=identity)


@router.delete(
    "/links/{provider}",
    operation_id="unlinkProvider",
    summary="Unlink a provider",
    status_code=204,
    responses=problem_responses(UnauthenticatedError, NotFoundError, InvalidRequestError, LastLoginMethodError),
)
async def unlink(provider: ProviderName, session: SessionDep, actor: AuditedUser) -> None:
    """Unlink a provider from your account."""
    await links.unlink(session, viewer=actor, provider=provider)
