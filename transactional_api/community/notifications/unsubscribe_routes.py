"""``/notifications/unsubscribe``: the link in emails, authenticated by its token alone."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Path
from fastapi.responses import HTMLResponse
from pydantic import StringConstraints

from transactional_api.community.notifications import unsubscribe
from transactional_api.community.notifications.unsubscribe import Subscription, UnsubscribeScope, UnsubscribeTokenError
from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import InvalidRequestError, problem_responses
from transactional_api.core.http.query_parameters import ignores_unknown_parameters
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.language import LanguageDep
from transactional_api.core.security.callers import Caller, CallerDep
from transactional_api.core.text import PlainText
from transactional_api.identity.users import throttle
from transactional_api.identity.users.account_routes import AccountsDep
from transactional_api.identity.users.accounts import UserServices
from transactional_api.identity.users.throttle import TooManyAttemptsError

router = APIRouter(prefix="/notifications", tags=["notifications"], route_class=TransactionalRoute)

UnsubscribeToken = Annotated[
    PlainText,
    Path(description="From an email.", examples=["9a1c04f2:gAAAAABpK9x2"]),
    StringConstraints(pattern=r"^[A-Za-z0-9_=:-]{10,500}$"),
]
_PAGE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The page.", "content": {"text/html": {"schema": {"type": "string"}}}},
}


@router.head("/unsubscribe/{token}", include_in_schema=False, response_class=HTMLResponse)
@router.get(
    "/unsubscribe/{token}",
    operation_id="getUnsubscribePage",
    summary="Get the unsubscribe page",
    response_class=HTMLResponse,
    responses={**_PAGE, **problem_responses(UnsubscribeTokenError, InvalidRequestError, TooManyAttemptsError)},
)
@ignores_unknown_parameters
async def get_unsubscribe_page(
    token: UnsubscribeToken, accounts: AccountsDep, caller: CallerDep, language: LanguageDep
) -> HTMLResponse:
    """Get the page behind the unsubscribe link of an email. Fetching it changes nothing."""
    subscription = await _subscription(token, accounts=accounts, caller=caller)
    return unsubscribe.confirmation_page(subscription.topic, language)


@router.post(
    "/unsubscribe/{token}",
    operation_id="unsubscribe",
    summary="Unsubscribe from emails",
    response_class=HTMLResponse,
    responses={**_PAGE, **problem_responses(UnsubscribeTokenError, InvalidRequestError, TooManyAttemptsError)},
)
@ignores_unknown_parameters
async def stop_emails(
    *,
    token: UnsubscribeToken,
    session: SessionDep,
    accounts: AccountsDep,
    caller: CallerDep,
    language: LanguageDep,
    scope: Annotated[
        UnsubscribeScope, Form(description="`topic`: emails about this topic; `all`: all emails.")
    ] = UnsubscribeScope.TOPIC,
) -> HTMLResponse:
    """Stop emails by the link in one, as mail clients do with one click (RFC 8058); idempotent."""
    subscription = await _subscription(token, accounts=accounts, caller=caller)
    await accounts.throttle.count(throttle.UNSUBSCRIBE, subscription.user_id)
    await unsubscribe.unsubscribe(session, subscription, scope=scope)
    return unsubscribe.done_page(language)


async def _subscription(token: str, *, accounts: UserServices, caller: Caller) -> Subscription:
    """Read a token; refuse networks that send many invalid ones."""
    await accounts.throttle.check(accounts.throttle.tokens, caller.network)
    try:
        return unsubscribe.read_token(accounts.cipher, token)
    except UnsubscribeTokenError:
        await accounts.throttle.record(accounts.throttle.tokens, caller.network)
        raise
