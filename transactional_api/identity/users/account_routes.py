"""Routes of ``/users``: email verification, passwords, sessions and the second factor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from transactional_api.core.cache import RedisDep
from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import (
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    problem_responses,
)
from transactional_api.core.http.auth import AuditedUser, CurrentUser, EmailNotVerifiedError, WritingUser
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.pagination import Page, PageDep
from transactional_api.core.security.callers import CallerDep
from transactional_api.core.security.passwords import WeakPasswordError
from transactional_api.identity.users import email_address, recovery, second_factor, sessions
from transactional_api.identity.users.accounts import UserServices
from transactional_api.identity.users.email_address import WrongPasswordError
from transactional_api.identity.users.schemas import (
    CodeProof,
    EmailToken,
    ForgottenPassword,
    PasswordChange,
    PasswordProof,
    PasswordReset,
    RecoveryCodes,
    SecondFactorBegun,
    SecondFactorOff,
    SecondFactorOut,
    SessionOut,
    Undone,
)
from transactional_api.identity.users.second_factor import (
    NoSecondFactorError,
    SecondFactorOnError,
    SecondFactorRequiredError,
    WrongCodeError,
)
from transactional_api.identity.users.sessions import RefreshTokenError
from transactional_api.identity.users.throttle import TooManyAttemptsError
from transactional_api.identity.users.tokens import EmailTokenError, LoginExpiredError

router = APIRouter(prefix="/users", tags=["account"], route_class=TransactionalRoute)

WRITES = (UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError)


async def _accounts(request: Request) -> UserServices:
    accounts: UserServices = request.app.state.accounts
    return accounts


AccountsDep = Annotated[UserServices, Depends(_accounts)]
"""Dependencies of the account services."""


async def _limit_guesses(accounts: AccountsDep, caller: CallerDep) -> AsyncIterator[None]:
    """Limit the wrong tokens that one network may send."""
    await accounts.throttle.check(accounts.throttle.tokens, caller.network)
    try:
        yield
    except (EmailTokenError, RefreshTokenError, LoginExpiredError, NotFoundError):
        await accounts.throttle.record(accounts.throttle.tokens, caller.network)
        raise


GUESSED = Depends(_limit_guesses)
"""Dependency of routes whose only credential is a token."""


@router.post(
    "/verify-email",
    operation_id="verifyEmail",
    summary="Verify an email address",
    status_code=204,
    dependencies=[GUESSED],
    responses=problem_responses(EmailTokenError, InvalidRequestError, TooManyAttemptsError),
)
async def verify_email(body: EmailToken, session: SessionDep) -> None:
    """Verify an email address with the token from the email."""
    await email_address.verify(session, token=body.token)


@router.post(
    "/verify-email/resend",
    operation_id="resendVerification",
    summary="Resend the verification email",
    status_code=204,
    responses=problem_responses(*WRITES, TooManyAttemptsError),
)
async def resend_verification(
    session: SessionDep, accounts: AccountsDep, caller: CallerDep, writer: WritingUser
) -> None:
    """Send a new verification email and revoke the previous one. Verified addresses receive none."""
    await email_address.resend_verification(session, accounts=accounts, viewer=writer, caller=caller)


@router.post(
    "/password/forgot",
    operation_id="forgotPassword",
    summary="Request a password reset",
    status_code=204,
    responses=problem_responses(InvalidRequestError, TooManyAttemptsError, UnavailableError),
)
async def forgot_password(
    body: ForgottenPassword, session: SessionDep, accounts: AccountsDep, caller: CallerDep
) -> None:
    """Send an email to reset a password. The response is the same for unknown addresses."""
    await email_address.forgot_password(session, accounts=accounts, email=body.email, caller=caller)


@router.post(
    "/password/reset",
    operation_id="resetPassword",
    summary="Reset a password",
    status_code=204,
    dependencies=[GUESSED],
    responses=problem_responses(EmailTokenError, WeakPasswordError, InvalidRequestError, TooManyAttemptsError),
)
async def reset_password(body: PasswordReset, session: SessionDep, accounts: AccountsDep, caller: CallerDep) -> None:
    """Set a new password with the token from the email. Sessions, apps, devices and provider links are removed."""
    await email_address.reset(session, accounts=accounts, body=body, caller=caller)


@router.post(
    "/undo",
    operation_id="undoChange",
    summary="Undo an account change",
    dependencies=[GUESSED],
    responses=problem_responses(EmailTokenError, InvalidRequestError, TooManyAttemptsError),
)
async def undo(body: EmailToken, session: SessionDep) -> Undone:
    """Undo the change that an email reported. All sessions end, and the password is invalid until you set a new one."""
    return await recovery.undo(session, token=body.token)


@router.put(
    "/password",
    operation_id="changePassword",
    summary="Change your password",
    status_code=204,
    responses=problem_responses(*WRITES, WrongPasswordError, WeakPasswordError, TooManyAttemptsError, UnavailableError),
)
async def change_password(
    body: PasswordChange, session: SessionDep, accounts: AccountsDep, writer: WritingUser
) -> None:
    """Change your password and end your other sessions."""
    await email_address.change_password(session, accounts=accounts, viewer=writer, body=body)


@router.get(
    "/sessions",
    operation_id="listSessions",
    summary="List sessions",
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def list_sessions(session: SessionDep, viewer: CurrentUser, redis: RedisDep, page: PageDep) -> Page[SessionOut]:
    """List your active sessions, most recently refreshed first."""
    return await sessions.list_sessions(session, redis, viewer=viewer, page=page)


@router.delete(
    "/sessions",
    operation_id="endOtherSessions",
    summary="End other sessions",
    status_code=204,
    responses=problem_responses(*WRITES),
)
async def end_other_sessions(session: SessionDep, writer: WritingUser) -> None:
    """End all your sessions except the current one."""
    await sessions.end_all(session, user_id=writer.id, keep=writer.session_id)


@router.delete(
    "/sessions/{session_id}",
    operation_id="endSession",
    summary="End a session",
    status_code=204,
    responses=problem_responses(*WRITES, NotFoundError),
)
async def end_session(session_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """End one of your sessions immediately, including its access tokens."""
    await sessions.end(session, viewer=writer, session_id=session_id)


@router.get(
    "/second-factor",
    operation_id="getSecondFactor",
    summary="Get your second factor",
    responses=problem_responses(UnauthenticatedError),
)
async def get_second_factor(session: SessionDep, viewer: CurrentUser) -> SecondFactorOut:
    """Return whether your account has a second factor."""
    return await second_factor.state(session, viewer=viewer)


@router.post(
    "/second-factor",
    operation_id="beginSecondFactor",
    summary="Set up a second factor",
    responses=problem_responses(
        UnauthenticatedError,
        InvalidRequestError,
        WrongPasswordError,
        SecondFactorOnError,
        EmailNotVerifiedError,
        TooManyAttemptsError,
        UnavailableError,
    ),
)
async def begin_second_factor(
    body: PasswordProof, session: SessionDep, accounts: AccountsDep, actor: AuditedUser
) -> SecondFactorBegun:
    """Return a secret for your authenticator app. Login requires no code until you confirm the secret with one."""
    return await second_factor.begin(session, accounts=accounts, viewer=actor, password=body.password)


@router.post(
    "/second-factor/confirm",
    operation_id="confirmSecondFactor",
    summary="Confirm a second factor",
    responses=problem_responses(
        UnauthenticatedError, InvalidRequestError, NoSecondFactorError, WrongCodeError, TooManyAttemptsError
    ),
)
async def confirm_second_factor(
    body: CodeProof, session: SessionDep, accounts: AccountsDep, actor: AuditedUser
) -> RecoveryCodes:
    """Enable your second factor with a code from your app. Every later login requires one."""
    return await second_factor.confirm(session, accounts=accounts, viewer=actor, code=body.code)


@router.post(
    "/second-factor/disable",
    operation_id="disableSecondFactor",
    summary="Disable a second factor",
    status_code=204,
    responses=problem_responses(
        UnauthenticatedError,
        InvalidRequestError,
        WrongPasswordError,
        SecondFactorRequiredError,
        WrongCodeError,
        TooManyAttemptsError,
        UnavailableError,
    ),
)
async def end_second_factor(
    body: SecondFactorOff, session: SessionDep, accounts: AccountsDep, actor: AuditedUser
) -> None:
    """Disable your second factor, with your password and a code."""
    await second_factor.disable(session, accounts=accounts, viewer=actor, proof=body)
