"""``/users/login/...`` and ``/users/links``: logging in with other services."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import StringConstraints

from transactional_api.auth import ActorDep, AddressNotConfirmedError, ViewerDep
from transactional_api.callers import CallerDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import (
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    declare,
)
from transactional_api.oauth import links, providers
from transactional_api.oauth.links import (
    AccountExistsError,
    AddressNotProvedError,
    AlreadyLinkedError,
    LastWayInError,
)
from transactional_api.oauth.providers import LoginExpiredError, ProviderFailedError
from transactional_api.oauth.schemas import LinksOut, LoginBegun, LoginReturned, ProvidersOut
from transactional_api.users.account_routes import GUESSED, AccountsDep
from transactional_api.users.schemas import Session
from transactional_api.users.second_factor import SecondFactorRequiredError, WrongCodeError
from transactional_api.users.service import SuspendedError
from transactional_api.users.throttle import TooManyAttemptsError

router = APIRouter(prefix="/users", tags=["account"], route_class=TransactionalRoute)

ProviderName = Annotated[str, Path(examples=["google"]), StringConstraints(pattern=r"^[a-z0-9-]{1,50}$")]
RETURNS = (NotFoundError, InvalidRequestError, LoginExpiredError, ProviderFailedError, UnavailableError)


@router.get("/login/providers", operation_id="listProviders")
async def list_providers(request: Request) -> ProvidersOut:
    """List the services that people may log in with."""
    return ProvidersOut(providers=[one.name for one in request.app.state.settings.oauth_providers])


@router.post(
    "/login/{provider}/begin",
    operation_id="beginProviderLogin",
    responses=declare(NotFoundError, InvalidRequestError, ProviderFailedError, UnavailableError),
)
async def begin_login(provider: ProviderName, accounts: AccountsDep) -> LoginBegun:
    """Begin to log in with another service. Keep `binding` in the browser and send the person to `url`."""
    return await providers.begin(accounts.settings, accounts.redis, name=provider)


@router.post(
    "/login/{provider}",
    operation_id="finishProviderLogin",
    dependencies=[GUESSED],
    responses=declare(
        *RETURNS,
        AccountExistsError,
        AddressNotProvedError,
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
    """Log in with what the service sent the person back with. Who is new gets an account."""
    identity = await providers.finish(accounts.settings, accounts.redis, name=provider, returned=body)
    return await links.log_in(
        session,
        accounts=accounts,
        identity=identity,
        code=body.one_time_code,
        caller=caller,
        user_agent=request.headers.get("user-agent"),
    )


@router.get("/links", operation_id="listLinks", responses=declare(UnauthenticatedError))
async def list_links(session: SessionDep, viewer: ViewerDep) -> LinksOut:
    """List the services that you may log in with."""
    return await links.links_of(session, viewer=viewer)


@router.post(
    "/links/{provider}",
    operation_id="linkProvider",
    dependencies=[GUESSED],
    responses=declare(
        UnauthenticatedError, *RETURNS, AlreadyLinkedError, AddressNotConfirmedError, TooManyAttemptsError
    ),
)
async def link(
    provider: ProviderName, body: LoginReturned, session: SessionDep, accounts: AccountsDep, actor: ActorDep
) -> LinksOut:
    """Link another service to your account, with what it sent you back with."""
    identity = await providers.finish(accounts.settings, accounts.redis, name=provider, returned=body)
    return await links.link(session, viewer=actor, identity=identity)


@router.delete(
    "/links/{provider}",
    operation_id="unlinkProvider",
    status_code=204,
    responses=declare(UnauthenticatedError, NotFoundError, InvalidRequestError, LastWayInError),
)
async def unlink(provider: ProviderName, session: SessionDep, actor: ActorDep) -> None:
    """Take a link away."""
    await links.unlink(session, viewer=actor, provider=provider)
