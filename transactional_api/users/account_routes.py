"""``/users``: proofs of the mailbox, passwords, and the sessions that are open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from transactional_api.auth import ActorDep, AddressNotConfirmedError, ViewerDep, WriterDep
from transactional_api.callers import CallerDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import (
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    declare,
)
from transactional_api.hot import RedisDep
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.oauth.providers import LoginExpiredError
from transactional_api.paging import Page, PageDep
from transactional_api.users import mailbox, recovery, second_factor, sessions
from transactional_api.users.accounts import Accounts
from transactional_api.users.mailbox import WrongPasswordError
from transactional_api.users.passwords import WeakPasswordError
from transactional_api.users.schemas import (
    CodeProof,
    ForgottenPassword,
    LetterProof,
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
from transactional_api.users.second_factor import (
    NoSecondFactorError,
    SecondFactorOnError,
    SecondFactorRequiredError,
    WrongCodeError,
)
from transactional_api.users.sessions import RefreshTokenError
from transactional_api.users.throttle import TooManyAttemptsError
from transactional_api.users.tokens import LetterTokenError

router = APIRouter(prefix="/users", tags=["account"], route_class=TransactionalRoute)

WRITES = (UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError)


async def _accounts(request: Request) -> Accounts:
    accounts: Accounts = request.app.state.accounts
    return accounts


AccountsDep = Annotated[Accounts, Depends(_accounts)]
"""What accounts are served with."""


async def _guess(accounts: AccountsDep, caller: CallerDep) -> AsyncIterator[None]:
    """Bound how many wrong tokens one network may send."""
    await accounts.throttle.check(accounts.throttle.tokens, caller.network)
    try:
        yield
    except (LetterTokenError, RefreshTokenError, LoginExpiredError, NotFoundError):
        await accounts.throttle.record(accounts.throttle.tokens, caller.network)
        raise


GUESSED = Depends(_guess)
"""For routes that a secret alone opens."""


@router.post(
    "/verify-email",
    operation_id="verifyEmail",
    status_code=204,
    dependencies=[GUESSED],
    responses=declare(LetterTokenError, InvalidRequestError, TooManyAttemptsError),
)
async def verify_email(body: LetterProof, session: SessionDep) -> None:
    """Confirm an e-mail address with the token out of the letter."""
    await mailbox.verify(session, token=body.token)


@router.post(
    "/verify-email/letter",
    operation_id="sendVerification",
    status_code=204,
    responses=declare(*WRITES, TooManyAttemptsError),
)
async def send_verification(session: SessionDep, accounts: AccountsDep, caller: CallerDep, writer: WriterDep) -> None:
    """Ask for a new letter to confirm your address; the one before is void. Confirmed addresses get none."""
    await mailbox.ask_again_to_verify(session, accounts=accounts, viewer=writer, caller=caller)


@router.post(
    "/password/forgot",
    operation_id="forgotPassword",
    status_code=204,
    responses=declare(InvalidRequestError, TooManyAttemptsError, UnavailableError),
)
async def forgot_password(
    body: ForgottenPassword, session: SessionDep, accounts: AccountsDep, caller: CallerDep
) -> None:
    """Ask for a letter to set a new password. Unknown addresses get the same answer."""
    await mailbox.forget(session, accounts=accounts, email=body.email, caller=caller)


@router.post(
    "/password/reset",
    operation_id="resetPassword",
    status_code=204,
    dependencies=[GUESSED],
    responses=declare(LetterTokenError, WeakPasswordError, InvalidRequestError, TooManyAttemptsError),
)
async def reset_password(body: PasswordReset, session: SessionDep, accounts: AccountsDep, caller: CallerDep) -> None:
    """Set a new password with the token out of the letter. Every session ends, and apps, devices and links go."""
    await mailbox.reset(session, accounts=accounts, body=body, caller=caller)


@router.post(
    "/undo",
    operation_id="undoChange",
    dependencies=[GUESSED],
    responses=declare(LetterTokenError, InvalidRequestError, TooManyAttemptsError),
)
async def undo(body: LetterProof, session: SessionDep) -> Undone:
    """Take back the change that a letter told of. Every session ends; the password is void until you set a new one."""
    return await recovery.undo(session, token=body.token)


@router.put(
    "/password",
    operation_id="changePassword",
    status_code=204,
    responses=declare(*WRITES, WrongPasswordError, WeakPasswordError, TooManyAttemptsError, UnavailableError),
)
async def change_password(body: PasswordChange, session: SessionDep, accounts: AccountsDep, writer: WriterDep) -> None:
    """Change your password. Your other sessions end."""
    await mailbox.change_password(session, accounts=accounts, viewer=writer, body=body)


@router.get(
    "/sessions",
    operation_id="listSessions",
    responses=declare(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def list_sessions(session: SessionDep, viewer: ViewerDep, redis: RedisDep, page: PageDep) -> Page[SessionOut]:
    """List your open sessions, the last refreshed first."""
    return await sessions.page_of(session, redis, viewer=viewer, page=page)


@router.delete("/sessions", operation_id="endOtherSessions", status_code=204, responses=declare(*WRITES))
async def end_other_sessions(session: SessionDep, writer: WriterDep) -> None:
    """End every session of yours but this one."""
    await sessions.end_all(session, user_id=writer.id, but=writer.session_id)


@router.delete(
    "/sessions/{session_id}", operation_id="endSession", status_code=204, responses=declare(*WRITES, NotFoundError)
)
async def end_session(session_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """End one of your sessions at once, access tokens and all."""
    await sessions.end(session, viewer=writer, session_id=session_id)


@router.get("/second-factor", operation_id="getSecondFactor", responses=declare(UnauthenticatedError))
async def get_second_factor(session: SessionDep, viewer: ViewerDep) -> SecondFactorOut:
    """See whether your account asks for a second factor."""
    return await second_factor.state(session, viewer=viewer)


@router.post(
    "/second-factor",
    operation_id="beginSecondFactor",
    responses=declare(
        UnauthenticatedError,
        InvalidRequestError,
        WrongPasswordError,
        SecondFactorOnError,
        AddressNotConfirmedError,
        TooManyAttemptsError,
        UnavailableError,
    ),
)
async def begin_second_factor(
    body: PasswordProof, session: SessionDep, accounts: AccountsDep, actor: ActorDep
) -> SecondFactorBegun:
    """Get a secret for your authenticator app. Nothing is asked for until you have confirmed it with a code."""
    return await second_factor.begin(session, accounts=accounts, viewer=actor, password=body.password)


@router.post(
    "/second-factor/confirm",
    operation_id="confirmSecondFactor",
    responses=declare(
        UnauthenticatedError, InvalidRequestError, NoSecondFactorError, WrongCodeError, TooManyAttemptsError
    ),
)
async def confirm_second_factor(
    body: CodeProof, session: SessionDep, accounts: AccountsDep, actor: ActorDep
) -> RecoveryCodes:
    """Turn your second factor on with a code of your app. From now on logging in asks for one."""
    return await second_factor.confirm(session, accounts=accounts, viewer=actor, code=body.code)


@router.post(
    "/second-factor/off",
    operation_id="endSecondFactor",
    status_code=204,
    responses=declare(
        UnauthenticatedError,
        InvalidRequestError,
        WrongPasswordError,
        SecondFactorRequiredError,
        WrongCodeError,
        TooManyAttemptsError,
        UnavailableError,
    ),
)
async def end_second_factor(body: SecondFactorOff, session: SessionDep, accounts: AccountsDep, actor: ActorDep) -> None:
    """Turn your second factor off, with your password and a code."""
    await second_factor.turn_off(session, accounts=accounts, viewer=actor, proof=body)
