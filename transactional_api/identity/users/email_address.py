"""Email verification, password reset and password change."""

from __future__ import annotations

from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core import mailer
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import User
from transactional_api.core.errors import Problem
from transactional_api.core.jobs import queue
from transactional_api.core.mailer import letters
from transactional_api.core.security import passwords, personal_data
from transactional_api.core.security.callers import Caller
from transactional_api.core.viewer import Viewer, language_of
from transactional_api.identity.users import devices, recovery, sessions, throttle, tokens
from transactional_api.identity.users.accounts import UserServices
from transactional_api.identity.users.recovery import Change
from transactional_api.identity.users.schemas import PasswordChange, PasswordReset
from transactional_api.identity.users.tokens import Purpose


class WrongPasswordError(Problem):
    """The current password is wrong."""

    status, code, title = 403, "wrong_password", "The current password is wrong"


@queue.task("users.send_verification_email", priority=queue.Priority.URGENT)
async def send_token(context: AppContext, *, user_id: str, purpose: str) -> None:
    """Send an email with a new token and revoke earlier tokens of the same purpose."""
    kind = Purpose(purpose)
    async with context.transaction() as session:
        user = await session.scalar(select(User).where(User.id == UUID(user_id), User.is_active.is_(True)))
        if user is None or (kind is Purpose.VERIFY_EMAIL and user.verified):
            return
        await tokens.revoke(session, user_id=user.id, purpose=kind)
        token = await tokens.issue(session, user_id=user.id, purpose=kind)
        language = await language_of(session, user.id)
        introduction = letters.render(f"{kind}.introduction", language)
        text = f"{introduction}\n\n{tokens.link(context.settings, purpose=kind, token=token)}\n"
        if kind is Purpose.VERIFY_EMAIL:
            text += f"\n{letters.render('verify_email.closing', language)}\n"
        subject = letters.render(f"{kind}.subject", language)
        await mailer.enqueue(session, user_id=user.id, subject=subject, text=text, confirmed_only=False)


@queue.task("users.send_password_reset", priority=queue.Priority.URGENT)
async def send_password_reset(context: AppContext, *, encrypted_email: str) -> None:
    """Send a reset email if the address has an account; the job hides from the caller whether it has."""
    email = context.cipher.decrypt(encrypted_email)
    async with context.transaction() as session:
        user_id = await session.scalar(
            select(User.id).where(personal_data.has_email(context.cipher, email), User.is_active.is_(True))
        )
        if user_id is not None:
            await queue.defer(session, send_token, user_id=str(user_id), purpose=Purpose.RESET_PASSWORD)


async def may_send_email(accounts: UserServices, *, email: str, caller: Caller) -> bool:
    """Count an email that an unauthenticated caller triggers; return whether it may be sent.

    Known devices and networks have a limit of their own, so that strangers cannot exhaust it. The caller gets the same
    response either way: an error would let strangers block a registration or recovery, and reveal which addresses have
    an account.
    """
    source = await devices.source_of(accounts, caller, email=email)
    return await accounts.throttle.try_count(throttle.MAILBOX, email, source.known or "")


async def notify_existing_account(session: AsyncSession, *, user_id: UUID) -> None:
    """Queue the email to the owner of an address that was used to register again."""
    language = await language_of(session, user_id)
    subject, text = letters.render("account_exists.subject", language), letters.render("account_exists.text", language)
    await mailer.enqueue(session, user_id=user_id, subject=subject, text=f"{text}\n", confirmed_only=False)


async def send_verification(session: AsyncSession, *, user_id: UUID) -> None:
    """Queue the email that verifies a user's address."""
    await queue.defer(session, send_token, user_id=str(user_id), purpose=Purpose.VERIFY_EMAIL)


async def resend_verification(session: AsyncSession, *, accounts: UserServices, viewer: Viewer, caller: Caller) -> None:
    """Queue another email that verifies the viewer's address.

    Raises:
        TooManyAttemptsError: after too many emails to this address or requests from this network.
    """
    user = await session.get_one(User, viewer.id)
    if not user.verified:
        email = personal_data.email_of(accounts.cipher, user)
        source = await devices.source_of(accounts, caller, email=email)
        await accounts.throttle.count(throttle.MAILBOX, email, source.known or "")
        await accounts.throttle.count(accounts.throttle.emails, caller.network)
        await send_verification(session, user_id=user.id)


async def verify(session: AsyncSession, *, token: str) -> None:
    """Verify the address that the token was sent to; raises ``EmailTokenError`` for an invalid token."""
    proof = await tokens.consume(session, token=token, purpose=Purpose.VERIFY_EMAIL)
    await session.execute(update(User).where(User.id == proof.user_id).values(verified=True))


async def forgot_password(session: AsyncSession, *, accounts: UserServices, email: str, caller: Caller) -> None:
    """Queue a reset email; the response time does not depend on whether the address has an account.

    Raises:
        TooManyAttemptsError: after too many requests from this network.
    """
    await accounts.throttle.count(accounts.throttle.emails, caller.network)
    if await may_send_email(accounts, email=email, caller=caller):
        await queue.defer(session, send_password_reset, encrypted_email=accounts.cipher.encrypt(email))


async def reset(session: AsyncSession, *, accounts: UserServices, body: PasswordReset, caller: Caller) -> None:
    """Set a new password, mark the address as verified, and revoke all other access to the account.

    Raises:
        EmailTokenError: when the token is not valid.
        WeakPasswordError: when the password is easy to guess; the token stays valid.
    """
    proof = await tokens.consume(session, token=body.token, purpose=Purpose.RESET_PASSWORD)
    user = await session.get_one(User, proof.user_id, with_for_update={"key_share": True})
    password_hash = await _new_hash(accounts, user=user, password=body.password)
    await recovery.revoke_access(session, user=user)
    user.password_hash, user.verified = password_hash, True
    await session.flush()
    await recovery.notify_change(session, user_id=user.id, change=Change.PASSWORD)
    await devices.remember(accounts, caller, email=personal_data.email_of(accounts.cipher, user))


async def change_password(
    session: AsyncSession, *, accounts: UserServices, viewer: Viewer, body: PasswordChange
) -> None:
    """Replace the viewer's password and end their other sessions.

    Raises:
        WrongPasswordError: when the current password is wrong.
        TooManyAttemptsError: after too many wrong passwords in this session.
    """
    user = await check_password(session, accounts=accounts, viewer=viewer, password=body.current_password)
    user.password_hash = await _new_hash(accounts, user=user, password=body.password)
    await session.flush()
    await tokens.revoke(session, user_id=viewer.id, purpose=Purpose.RESET_PASSWORD)
    await recovery.notify_change(session, user_id=viewer.id, change=Change.PASSWORD)
    await sessions.end_all(session, user_id=viewer.id, keep=viewer.session_id)


async def _new_hash(accounts: UserServices, *, user: User, password: SecretStr) -> str:
    """Return the hash of a new password; raises ``WeakPasswordError`` for one that is easy to guess."""
    plain, personal = password.get_secret_value(), [user.username, personal_data.email_of(accounts.cipher, user)]
    async with accounts.hashing:
        await passwords.refuse_weak(plain, personal=personal)
        return await passwords.hash_password(plain)


async def check_password(session: AsyncSession, *, accounts: UserServices, viewer: Viewer, password: SecretStr) -> User:
    """Check the viewer's password and return their locked row.

    Raises:
        WrongPasswordError: when the password is wrong.
        TooManyAttemptsError: after too many wrong passwords in this session.
    """
    await accounts.throttle.count(throttle.DEVICE, viewer.id, viewer.session_id)
    user = await session.get_one(User, viewer.id, with_for_update={"key_share": True})
    async with accounts.hashing:
        if not await passwords.password_matches(password.get_secret_value(), password_hash=user.password_hash):
            raise WrongPasswordError
    await accounts.throttle.clear(throttle.DEVICE, viewer.id, viewer.session_id)
    return user
