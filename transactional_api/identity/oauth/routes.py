"""Routes of ``/oauth``: third-party apps, the consent page, and app tokens."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, Field, SecretStr, StringConstraints, ValidationError

from transactional_api.core.db.session import SessionDep
from transactional_api.core.db.tables import OAuthApp
from transactional_api.core.errors import (
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    problem_responses,
)
from transactional_api.core.http.auth import AuditedUser, CurrentUser, EmailNotVerifiedError, require_verified_email
from transactional_api.core.http.query_parameters import ignores_unknown_parameters
from transactional_api.core.http.scopes import parse
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.pagination import Page, PageDep
from transactional_api.core.security.callers import CallerDep
from transactional_api.core.text import Password, PlainText
from transactional_api.identity.oauth import apps
from transactional_api.identity.oauth.apps import CodeExchange, TokenRefusedError
from transactional_api.identity.oauth.page import consent_page
from transactional_api.identity.oauth.schemas import AppOut, AppTokens, NewApp, NewAppOut, TokenError
from transactional_api.identity.users import service
from transactional_api.identity.users.account_routes import AccountsDep
from transactional_api.identity.users.schemas import Credentials
from transactional_api.identity.users.second_factor import SecondFactorRequiredError, WrongCodeError
from transactional_api.identity.users.service import SuspendedError, WrongCredentialsError
from transactional_api.identity.users.throttle import TooManyAttemptsError

LOGIN_ERRORS = (
    WrongCredentialsError,
    SuspendedError,
    SecondFactorRequiredError,
    WrongCodeError,
    TooManyAttemptsError,
    EmailNotVerifiedError,
)

router = APIRouter(prefix="/oauth", tags=["oauth"], route_class=TransactionalRoute)

PAGE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The consent page.", "content": {"text/html": {"schema": {"type": "string"}}}},
    303: {"description": "Redirect to the app, with a code or an error."},
}
ShortText = Annotated[PlainText, StringConstraints(max_length=500)]
Challenge = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43,128}$")]


class AuthorizationRequest(BaseModel):
    """Authorization request of an app (RFC 6749, 4.1.1, and RFC 7636, 4.3)."""

    client_id: ShortText = Field(examples=["0f2f5d8e-54f1-4f3a-9a5d-1a7f0e7a9b21"])
    redirect_uri: ShortText = Field(examples=["https://calendar.example.org/callback"])
    response_type: ShortText = Field(default="code", examples=["code"])
    scope: ShortText = Field(default="", examples=["posts:read events:read"])
    state: ShortText = Field(default="", examples=["xyz"])
    code_challenge: ShortText = Field(default="", examples=["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"])
    code_challenge_method: ShortText = Field(default="", examples=["S256"])

    @property
    def error(self) -> str | None:
        """Error code of RFC 6749 to redirect with immediately, None for a valid request."""
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


class ConsentForm(AuthorizationRequest):
    """Form of the consent page."""

    email: ShortText = ""
    password: Password = Field(default=SecretStr(""), max_length=500)
    one_time_code: ShortText = ""
    decision: ShortText = Field(default="deny", examples=["allow"])


class TokenRequest(BaseModel):
    """Token request of an app (RFC 6749, 4.1.3 and 6)."""

    grant_type: ShortText = Field(examples=["authorization_code"])
    client_id: ShortText = Field(examples=["0f2f5d8e-54f1-4f3a-9a5d-1a7f0e7a9b21"])
    client_secret: Password | None = Field(default=None, max_length=500)
    code: ShortText = Field(default="", examples=["SplxlOBeZQQYbYS6WxSbIA"])
    redirect_uri: ShortText = Field(default="", examples=["https://calendar.example.org/callback"])
    code_verifier: Annotated[PlainText, StringConstraints(max_length=128)] = Field(
        default="", examples=["dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"]
    )
    refresh_token: ShortText = ""


@router.post(
    "/apps",
    operation_id="registerApp",
    summary="Register an app",
    status_code=201,
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, EmailNotVerifiedError),
)
async def register_app(body: NewApp, session: SessionDep, actor: AuditedUser) -> NewAppOut:
    """Register an app that users can authorize. Its secret is shown only once."""
    require_verified_email(actor)
    return await apps.register(session, viewer=actor, body=body)


@router.get(
    "/apps",
    operation_id="listApps",
    summary="List apps",
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def list_apps(session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[AppOut]:
    """List your apps, newest first."""
    return await apps.list_apps(session, viewer=viewer, page=page)


@router.delete(
    "/apps/{app_id}",
    operation_id="deleteApp",
    summary="Delete an app",
    status_code=204,
    responses=problem_responses(UnauthenticatedError, NotFoundError, InvalidRequestError),
)
async def delete_app(app_id: UUID, session: SessionDep, actor: AuditedUser) -> None:
    """Delete an app of yours. Its access ends immediately."""
    await apps.remove(session, viewer=actor, app_id=app_id)


@router.get(
    "/authorize",
    operation_id="showAuthorizePage",
    summary="Show the consent page",
    response_class=Response,
    responses={**PAGE, **problem_responses(NotFoundError, InvalidRequestError)},
)
@ignores_unknown_parameters
async def authorize_page(authorization: Annotated[AuthorizationRequest, Query()], session: SessionDep) -> Response:
    """Show the page on which users authorize an app. PKCE with S256 is required."""
    app = await apps.app_for(session, client_id=authorization.client_id, redirect_uri=authorization.redirect_uri)
    if authorization.error:
        return _redirect(authorization, error=authorization.error)
    return _page(app, authorization)


@router.post(
    "/authorize",
    operation_id="authorizeApp",
    summary="Authorize an app",
    response_class=Response,
    responses={**PAGE, **problem_responses(NotFoundError, InvalidRequestError, UnavailableError)},
)
@ignores_unknown_parameters
async def authorize_app(
    form: Annotated[ConsentForm, Form()], session: SessionDep, accounts: AccountsDep, caller: CallerDep
) -> Response:
    """Process the consent form and redirect to the app."""
    app = await apps.app_for(session, client_id=form.client_id, redirect_uri=form.redirect_uri)
    if form.error or form.decision != "allow":
        return _redirect(form, error=form.error or "access_denied")
    try:
        credentials = Credentials(email=form.email, password=form.password, code=form.one_time_code or None)
        user = await service.authenticate(session, accounts=accounts, credentials=credentials, caller=caller)
        require_verified_email(user)
    except ValidationError:
        return _page(app, form, wrong="Enter an email address and a password")
    except LOGIN_ERRORS as problem:
        return _page(app, form, wrong=problem.detail)
    code = await apps.issue_code(
        session,
        app=app,
        user_id=user.id,
        redirect_uri=form.redirect_uri,
        challenge=form.code_challenge,
        scopes=parse(form.scope),
    )
    return _redirect(form, code=code)


@router.post(
    "/token",
    operation_id="createToken",
    summary="Create an app token",
    response_model=AppTokens,
    responses={
        400: {"description": "The token request is refused.", "model": TokenError},
        **problem_responses(InvalidRequestError, TooManyAttemptsError),
    },
)
@ignores_unknown_parameters
async def token(
    body: Annotated[TokenRequest, Form()], session: SessionDep, accounts: AccountsDep, caller: CallerDep
) -> Response:
    """Exchange an authorization code or a refresh token of an app for tokens."""
    settings, limit = accounts.settings, accounts.throttle.tokens
    await accounts.throttle.check(limit, caller.network)
    secret = body.client_secret.get_secret_value() if body.client_secret else None
    try:
        app = await apps.authenticate_app(session, client_id=body.client_id, secret=secret)
        if body.grant_type == "authorization_code":
            exchange = CodeExchange(body.code, body.redirect_uri, body.code_verifier)
            tokens = await apps.exchange_code(session, app=app, settings=settings, exchange=exchange)
        elif body.grant_type == "refresh_token":
            tokens = await apps.exchange_refresh_token(
                session, app=app, settings=settings, refresh_token=body.refresh_token
            )
        else:
            raise TokenRefusedError("unsupported_grant_type", "Use authorization_code or refresh_token")  # noqa: TRY301
    except TokenRefusedError as refused:
        # Returned instead of raised, so that the transaction commits: the session of a copied token must end.
        await accounts.throttle.record(limit, caller.network)
        return JSONResponse({"error": refused.error, "error_description": refused.description}, 400)
    return JSONResponse(tokens.model_dump())


def _page(app: OAuthApp, authorization: AuthorizationRequest, *, wrong: str | None = None) -> Response:
    hidden = {name: str(getattr(authorization, name)) for name in AuthorizationRequest.model_fields}
    return consent_page(app=app.name, scopes=parse(authorization.scope), hidden=hidden, wrong=wrong)


def _redirect(authorization: AuthorizationRequest, **parameters: str) -> Response:
    query = urlencode(parameters | ({"state": authorization.state} if authorization.state else {}))
    separator = "&" if "?" in authorization.redirect_uri else "?"
    return RedirectResponse(f"{authorization.redirect_uri}{separator}{query}", 303)
