"""Proofs of a mailbox: letters with a token that is good once, to verify an address or to set a new password."""

from __future__ import annotations

from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.callers import Caller
from transactional_api.db.tables import User
from transactional_api.errors import Problem
from transactional_api.jobs import queue
from transactional_api.mail import letters
from transactional_api.resources import Resources
from transactional_api.users import devices, passwords, recovery, sealing, sessions, throttle, tokens
from transactional_api.users.accounts import Accounts
from transactional_api.users.recovery import Change
from transactional_api.users.schemas import PasswordChange, PasswordReset
from transactional_api.users.tokens import Purpose

_SUBJECT = {
    Purpose.VERIFY_EMAIL: "Please confirm your e-mail address",
    Purpose.RESET_PASSWORD: "Set a new password",
}
_WORDS = {
    Purpose.VERIFY_EMAIL: "Welcome to NeighborConnect. Confirm your address within three days:",
    Purpose.RESET_PASSWORD: "Somebody asked to set a new password for your account. If it was you, do it within an "
    "hour; if not, leave this letter alone and nothing changes:",
}


_AFTER = {
    Purpose.VERIFY_EMAIL: "\nIf you did not open an account, do not confirm it. Somebody else used your address; ask "
    "for a new password with it, and the account is yours alone.\n",
    Purpose.RESET_PASSWORD: "",
}


class WrongPasswordError(Problem):
    """The present password is not this one."""

    status, code, title = 403, "wrong_password", "The present password is not this one"


@queue.task("users.send_letter", priority=queue.Priority.URGENT)
async def send_letter(resources: Resources, *, user_id: str, purpose: str) -> None:
    """Send a letter with a new token; the tokens of earlier ones of the same purpose are void."""
    what = Purpose(purpose)
    async with resources.transaction() as session:
        user = await session.scalar(select(User).where(User.id == UUID(user_id), User.is_active.is_(True)))
        if user is None or (what is Purpose.VERIFY_EMAIL and user.verified):
            return
        await tokens.void(session, user_id=user.id, purpose=what)
        token = await tokens.issue(session, user_id=user.id, purpose=what)
        text = f"{_WORDS[what]}\n\n{tokens.link(resources.settings, purpose=what, token=token)}\n{_AFTER[what]}"
        await letters.post(session, user_id=user.id, subject=_SUBJECT[what], text=text, confirmed_only=False)


@queue.task("users.forgot_password", priority=queue.Priority.URGENT)
async def look_up(resources: Resources, *, sealed: str) -> None:
    """Write to an address if it is somebody's; whoever asked has their answer long since."""
    email = resources.vault.open(sealed)
    async with resources.transaction() as session:
        user_id = await session.scalar(
            select(User.id).where(sealing.has_email(resources.vault, email), User.is_active.is_(True))
        )
        if user_id is not None:
            await queue.defer(session, send_letter, user_id=str(user_id), purpose=Purpose.RESET_PASSWORD)


async def may_write(accounts: Accounts, *, email: str, caller: Caller) -> bool:
    """Count a letter that somebody who proved nothing causes to an address; return whether it may be sent.

    A network or device that the account knows has a count of its own, so that strangers cannot use all of it up. The
    caller gets the same answer either way: a refusal would let strangers stop a registration or a recovery, and tell
    which addresses have an account.
    """
    source = await devices.source_of(accounts, caller, email=email)
    return await accounts.throttle.admits(throttle.MAILBOX, email, source.known or "")


async def tell_of_registration(session: AsyncSession, *, user_id: UUID) -> None:
    """Queue the letter that tells somebody that their address was used to register another account."""
    text = (
        "Somebody tried to open a NeighborConnect account with this address, which has one. If it was you, log in, or "
        "ask for a new password if you forgot yours. If not, there is nothing to do.\n"
    )
    subject = "You already have an account"
    await letters.post(session, user_id=user_id, subject=subject, text=text, confirmed_only=False)


async def ask_to_verify(session: AsyncSession, *, user_id: UUID) -> None:
    """Queue the letter that asks a person to confirm their address."""
    await queue.defer(session, send_letter, user_id=str(user_id), purpose=Purpose.VERIFY_EMAIL)


async def ask_again_to_verify(session: AsyncSession, *, accounts: Accounts, viewer: Viewer, caller: Caller) -> None:
    """Queue another letter that asks the viewer to confirm their address.

    Raises:
        TooManyAttemptsError: when too many letters were asked for, to this address or from this network.
    """
    user = await session.get_one(User, viewer.id)
    if not user.verified:
        email = sealing.email_of(accounts.vault, user)
        source = await devices.source_of(accounts, caller, email=email)
        await accounts.throttle.count(throttle.MAILBOX, email, source.known or "")
        await accounts.throttle.count(accounts.throttle.letters, caller.network)
        await ask_to_verify(session, user_id=user.id)


async def verify(session: AsyncSession, *, token: str) -> None:
    """Confirm the address that the token was sent to; raises ``LetterTokenError`` when it is not good."""
    spent = await tokens.spend(session, token=token, purpose=Purpose.VERIFY_EMAIL)
    await session.execute(update(User).where(User.id == spent.user_id).values(verified=True))


async def forget(session: AsyncSession, *, accounts: Accounts, email: str, caller: Caller) -> None:
    """Queue a letter to the account of an address; an address without one takes as long.

    Raises:
        TooManyAttemptsError: when too many letters were asked for from this network.
    """
    await accounts.throttle.count(accounts.throttle.letters, caller.network)
    if await may_write(accounts, email=email, caller=caller):
        await queue.defer(session, look_up, sealed=accounts.vault.seal(email))


async def reset(session: AsyncSession, *, accounts: Accounts, body: PasswordReset, caller: Caller) -> None:
    """Set a new password, take the mailbox as proved, and leave nobody else in the account.

    Raises:
        LetterTokenError: when the token is not good.
        WeakPasswordError: when the password is easy to guess; the token stays good.
    """
    spent = await tokens.spend(session, token=body.token, purpose=Purpose.RESET_PASSWORD)
    user = await session.get_one(User, spent.user_id, with_for_update={"key_share": True})
    password_hash = await _new_hash(accounts, user=user, password=body.password)
    await recovery.evict(session, user=user)
    user.password_hash, user.verified = password_hash, True
    await session.flush()
    await recovery.tell(session, user_id=user.id, change=Change.PASSWORD)
    await devices.remember(accounts, caller, email=sealing.email_of(accounts.vault, user))


async def change_password(session: AsyncSession, *, accounts: Accounts, viewer: Viewer, body: PasswordChange) -> None:
    """Replace the viewer's password and end their other sessions.

    Raises:
        WrongPasswordError: when the present password is another.
        TooManyAttemptsError: when it was guessed too often in this session.
    """
    user = await prove_password(session, accounts=accounts, viewer=viewer, password=body.current_password)
    user.password_hash = await _new_hash(accounts, user=user, password=body.password)
    await session.flush()
    await tokens.void(session, user_id=viewer.id, purpose=Purpose.RESET_PASSWORD)
    await recovery.tell(session, user_id=viewer.id, change=Change.PASSWORD)
    await sessions.end_all(session, user_id=viewer.id, but=viewer.session_id)


async def _new_hash(accounts: Accounts, *, user: User, password: SecretStr) -> str:
    """Return the hash of a new password; raises ``WeakPasswordError`` for one that is easy to guess."""
    plain, personal = password.get_secret_value(), [user.username, sealing.email_of(accounts.vault, user)]
    async with accounts.hashing:
        await passwords.refuse_weak(plain, personal=personal)
        return await passwords.hash_password(plain)


async def prove_password(session: AsyncSession, *, accounts: Accounts, viewer: Viewer, password: SecretStr) -> User:
    """Return the viewer's row, locked, if the password is theirs.

    Raises:
        WrongPasswordError: when it is another.
        TooManyAttemptsError: when it was guessed too often in this session.
    """
    await accounts.throttle.count(throttle.DEVICE, viewer.id, viewer.session_id)
    user = await session.get_one(User, viewer.id, with_for_update={"key_share": True})
    async with accounts.hashing:
        if not await passwords.password_matches(password.get_secret_value(), password_hash=user.password_hash):
            raise WrongPasswordError
    await accounts.throttle.forget(throttle.DEVICE, viewer.id, viewer.session_id)
    return user
