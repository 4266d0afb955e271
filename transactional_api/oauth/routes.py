"""``/oauth``: apps of third parties, the page that lets one act for somebody, and its tokens."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, Field, SecretStr, StringConstraints, ValidationError

from transactional_api.auth import ActorDep, AddressNotConfirmedError, ViewerDep, require_confirmed
from transactional_api.callers import CallerDep
from transactional_api.db.session import SessionDep
from transactional_api.db.tables import OAuthApp
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import (
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    declare,
)
from transactional_api.oauth import apps
from transactional_api.oauth.apps import TokenRefusedError, Trade
from transactional_api.oauth.page import consent_page
from transactional_api.oauth.schemas import AppOut, AppTokens, NewApp, NewAppOut, TokenError
from transactional_api.oauth.scopes import parse
from transactional_api.paging import Page, PageDep
from transactional_api.users import service
from transactional_api.users.account_routes import AccountsDep
from transactional_api.users.schemas import Credentials
from transactional_api.users.second_factor import SecondFactorRequiredError, WrongCodeError
from transactional_api.users.service import SuspendedError, WrongCredentialsError
from transactional_api.users.throttle import TooManyAttemptsError

REFUSALS = (
    WrongCredentialsError,
    SuspendedError,
    SecondFactorRequiredError,
    WrongCodeError,
    TooManyAttemptsError,
    AddressNotConfirmedError,
)

router = APIRouter(prefix="/oauth", tags=["oauth"], route_class=TransactionalRoute)

PAGE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The page.", "content": {"text/html": {"schema": {"type": "string"}}}},
    303: {"description": "Back to the app, with a code or with an error."},
}
Word = Annotated[str, StringConstraints(max_length=500)]
Challenge = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43,128}$")]


class Asked(BaseModel):
    """What an app asks a person for (RFC 6749, 4.1.1, and RFC 7636, 4.3)."""

    client_id: Word = Field(examples=["0f2f5d8e-54f1-4f3a-9a5d-1a7f0e7a9b21"])
    redirect_uri: Word = Field(examples=["https://calendar.example.org/callback"])
    response_type: Word = Field(default="code", examples=["code"])
    scope: Word = Field(default="", examples=["posts:read events:read"])
    state: Word = Field(default="", examples=["xyz"])
    code_challenge: Word = Field(default="", examples=["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"])
    code_challenge_method: Word = Field(default="", examples=["S256"])

    @property
    def fault(self) -> str | None:
        """Why an app is sent back at once, as a word of RFC 6749."""
        if self.response_type != "code":
            return "unsupported_response_type"
        proved = self.code_challenge_method == "S256" and 43 <= len(self.code_challenge) <= 128  # noqa: PLR2004
        if not proved or not self.code_challenge.replace("-", "a").replace("_", "a").isalnum():
            return "invalid_request"
        try:
            parse(self.scope)
        except ValueError:
            return "invalid_scope"
        return None


class Answered(Asked):
    """What a person answers on the page."""

    email: Word = ""
    password: SecretStr = Field(default=SecretStr(""), max_length=500)
    one_time_code: Word = ""
    decision: Word = Field(default="deny", examples=["allow"])


class TokenRequest(BaseModel):
    """What an app offers for tokens (RFC 6749, 4.1.3 and 6)."""

    grant_type: Word = Field(examples=["authorization_code"])
    client_id: Word = Field(examples=["0f2f5d8e-54f1-4f3a-9a5d-1a7f0e7a9b21"])
    client_secret: SecretStr | None = Field(default=None, max_length=500)
    code: Word = ""
    redirect_uri: Word = ""
    code_verifier: Annotated[str, StringConstraints(max_length=128)] = ""
    refresh_token: Word = ""


@router.post(
    "/apps",
    operation_id="registerApp",
    status_code=201,
    responses=declare(UnauthenticatedError, InvalidRequestError, AddressNotConfirmedError),
)
async def register_app(body: NewApp, session: SessionDep, actor: ActorDep) -> NewAppOut:
    """Register an app that people may let act for them. Its secret is shown this once."""
    require_confirmed(actor)
    return await apps.register(session, viewer=actor, body=body)


@router.get(
    "/apps",
    operation_id="listApps",
    responses=declare(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def list_apps(session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[AppOut]:
    """List your apps, the last first."""
    return await apps.find(session, viewer=viewer, page=page)


@router.delete(
    "/apps/{app_id}",
    operation_id="deleteApp",
    status_code=204,
    responses=declare(UnauthenticatedError, NotFoundError, InvalidRequestError),
)
async def delete_app(app_id: UUID, session: SessionDep, actor: ActorDep) -> None:
    """Delete an app of yours. Whatever it was allowed ends at once."""
    await apps.remove(session, viewer=actor, app_id=app_id)


@router.get(
    "/authorize",
    operation_id="authorizePage",
    response_class=Response,
    responses={**PAGE, **declare(NotFoundError, InvalidRequestError)},
)
async def authorize_page(asked: Annotated[Asked, Query()], session: SessionDep) -> Response:
    """Show the page on which somebody lets an app act for them. PKCE with S256 is required."""
    app = await apps.app_for(session, client_id=asked.client_id, redirect_uri=asked.redirect_uri)
    if asked.fault:
        return _back(asked, error=asked.fault)
    return _page(app, asked)


@router.post(
    "/authorize",
    operation_id="authorizeApp",
    response_class=Response,
    responses={**PAGE, **declare(NotFoundError, InvalidRequestError, UnavailableError)},
)
async def authorize_app(
    answered: Annotated[Answered, Form()], session: SessionDep, accounts: AccountsDep, caller: CallerDep
) -> Response:
    """Take what somebody answers on the page, and send them back to the app."""
    app = await apps.app_for(session, client_id=answered.client_id, redirect_uri=answered.redirect_uri)
    if answered.fault or answered.decision != "allow":
        return _back(answered, error=answered.fault or "access_denied")
    try:
        credentials = Credentials(email=answered.email, password=answered.password, code=answered.one_time_code or None)
        user = await service.authenticate(session, accounts=accounts, credentials=credentials, caller=caller)
        require_confirmed(user)
    except ValidationError:
        return _page(app, answered, wrong="This is not an address and a password")
    except REFUSALS as problem:
        return _page(app, answered, wrong=problem.detail)
    code = await apps.give_code(
        session,
        app=app,
        user_id=user.id,
        redirect_uri=answered.redirect_uri,
        challenge=answered.code_challenge,
        scopes=parse(answered.scope),
    )
    return _back(answered, code=code)


@router.post(
    "/token",
    operation_id="tradeForTokens",
    response_model=AppTokens,
    responses={
        400: {"description": "No tokens.", "model": TokenError},
        **declare(InvalidRequestError, TooManyAttemptsError),
    },
)
async def token(
    body: Annotated[TokenRequest, Form()], session: SessionDep, accounts: AccountsDep, caller: CallerDep
) -> Response:
    """For apps: trade a code and its proof, or a refresh token, for tokens."""
    settings, limit = accounts.settings, accounts.throttle.tokens
    await accounts.throttle.check(limit, caller.network)
    secret = body.client_secret.get_secret_value() if body.client_secret else None
    try:
        app = await apps.prove_app(session, client_id=body.client_id, secret=secret)
        if body.grant_type == "authorization_code":
            trade = Trade(body.code, body.redirect_uri, body.code_verifier)
            tokens = await apps.trade_code(session, app=app, settings=settings, trade=trade)
        elif body.grant_type == "refresh_token":
            tokens = await apps.trade_refresh_token(
                session, app=app, settings=settings, refresh_token=body.refresh_token
            )
        else:
            raise TokenRefusedError("unsupported_grant_type", "Trade a code or a refresh token")  # noqa: TRY301
    except TokenRefusedError as refused:
        # An answer, not an error of ours: what a copied code or token ended stays ended.
        await accounts.throttle.record(limit, caller.network)
        return JSONResponse({"error": refused.error, "error_description": refused.why}, 400)
    return JSONResponse(tokens.model_dump())


def _page(app: OAuthApp, asked: Asked, *, wrong: str | None = None) -> Response:
    hidden = {name: str(getattr(asked, name)) for name in Asked.model_fields}
    return consent_page(app=app.name, scopes=parse(asked.scope), hidden=hidden, wrong=wrong)


def _back(asked: Asked, **told: str) -> Response:
    query = urlencode(told | ({"state": asked.state} if asked.state else {}))
    joint = "&" if "?" in asked.redirect_uri else "?"
    return RedirectResponse(f"{asked.redirect_uri}{joint}{query}", 303)
