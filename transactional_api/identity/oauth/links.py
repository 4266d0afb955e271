"""Login with linked accounts of other providers."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.audit import trail
from transactional_api.core.db.tables import LinkedAccount, User
from transactional_api.core.errors import NotFoundError, Problem
from transactional_api.core.http.auth import require_verified_email
from transactional_api.core.security import personal_data
from transactional_api.core.security.callers import Caller
from transactional_api.core.security.passwords import NO_PASSWORD
from transactional_api.core.viewer import Viewer
from transactional_api.identity.oauth.providers import Identity
from transactional_api.identity.oauth.schemas import LinkOut, LinksOut
from transactional_api.identity.users import devices, recovery, second_factor, usernames
from transactional_api.identity.users.accounts import UserServices
from transactional_api.identity.users.recovery import Change
from transactional_api.identity.users.schemas import Session
from transactional_api.identity.users.service import open_session, refuse_suspended


class AccountExistsError(Problem):
    """An account with this address exists and is not linked to the provider."""

    status, code, title = 409, "account_exists", "Log in with your password and link the provider in your account"


class ProviderEmailNotVerifiedError(Problem):
    """The provider returns no verified email address, which a new account requires."""

    status, code, title = 422, "provider_email_not_verified", "The provider has no verified email address for you"


class AlreadyLinkedError(Problem):
    """The provider account is linked to another user, or the user linked another one of this provider."""

    status, code, title = 409, "already_linked", "This provider is already linked, or linked to another account"


class LastLoginMethodError(Problem):
    """The link is the only login method of the account."""

    status, code, title = 409, "last_login_method", "Set a password first: this is your only login method"


async def log_in(
    session: AsyncSession,
    *,
    accounts: UserServices,
    identity: Identity,
    code: str | None,
    caller: Caller,
    user_agent: str | None,
) -> Session:
    """Open a session for an identity of a provider; a new user gets an account.

    Raises:
        AccountExistsError: when the address belongs to an account that is not linked.
        ProviderEmailNotVerifiedError: when a new user has no verified address.
        SecondFactorRequiredError, WrongCodeError: when the account requires a code.
        SuspendedError: when the account is suspended.
    """
    linked = select(User).join(LinkedAccount, LinkedAccount.user_id == User.id)
    user = await session.scalar(
        linked.where(
            LinkedAccount.provider == identity.provider,
            LinkedAccount.subject == identity.subject,
            User.is_active.is_(True),
        )
    )
    if user is None:
        user = await _create_account(session, accounts=accounts, identity=identity)
    source = await devices.source_of(accounts, caller, email=personal_data.email_of(accounts.cipher, user))
    await second_factor.verify(session, accounts=accounts, user=user, code=code, source=source.known)
    refuse_suspended(user)
    user.last_login = datetime.now(UTC)
    await session.flush()
    await session.refresh(user)
    if source.is_new:
        await recovery.notify_change(session, user_id=user.id, change=Change.SESSION)
    return await open_session(session, accounts=accounts, user=user, caller=caller, user_agent=user_agent)


async def link(session: AsyncSession, *, viewer: Viewer, identity: Identity) -> LinksOut:
    """Link a provider as a login method of the viewer.

    Raises:
        EmailNotVerifiedError: when the viewer's address is not verified.
        AlreadyLinkedError: when the identity is linked to another user, or the viewer linked this provider before.
    """
    require_verified_email(viewer)
    values = {"user_id": viewer.id, "provider": identity.provider, "subject": identity.subject}
    new = insert(LinkedAccount).values(values).on_conflict_do_nothing().returning(LinkedAccount.id)
    if await session.scalar(new) is None:
        mine = select(LinkedAccount.id).filter_by(**values)
        if await session.scalar(mine) is None:
            raise AlreadyLinkedError
    else:
        was = {"provider": identity.provider, "subject": identity.subject}
        await recovery.notify_change(
            session, user_id=viewer.id, change=Change.LINK, detail=identity.provider.title(), was=was
        )
    return await links_of(session, viewer=viewer)


async def unlink(session: AsyncSession, *, viewer: Viewer, provider: str) -> None:
    """Remove a link.

    Raises:
        NotFoundError: when there is no such link.
        LastLoginMethodError: when the account has neither a password nor another link.
    """
    user = await session.get_one(User, viewer.id, with_for_update={"key_share": True})
    number = await session.scalar(select(func.count()).where(LinkedAccount.user_id == viewer.id)) or 0
    if user.password_hash == NO_PASSWORD and number == 1:
        raise LastLoginMethodError
    deleted = delete(LinkedAccount).where(LinkedAccount.user_id == viewer.id, LinkedAccount.provider == provider)
    if await session.scalar(deleted.returning(LinkedAccount.id)) is None:
        raise NotFoundError


async def links_of(session: AsyncSession, *, viewer: Viewer) -> LinksOut:
    """List the providers linked to the viewer's account."""
    mine = select(LinkedAccount).where(LinkedAccount.user_id == viewer.id).order_by(LinkedAccount.provider)
    return LinksOut(links=[LinkOut.model_validate(row) for row in await session.scalars(mine)])


async def _create_account(session: AsyncSession, *, accounts: UserServices, identity: Identity) -> User:
    if identity.email is None:
        raise ProviderEmailNotVerifiedError
    if await session.scalar(select(User.id).where(personal_data.has_email(accounts.cipher, identity.email))):
        raise AccountExistsError
    stem = re.sub(r"[^a-z0-9]+", ".", f"{identity.first_name} {identity.last_name}".lower())[:40].strip(".")
    if not stem or usernames.is_reserved(stem):
        stem = "neighbor"
    values = {
        **personal_data.email_columns(accounts.cipher, identity.email),
        "username": f"{stem}.{secrets.token_hex(4)}",
        "password_hash": NO_PASSWORD,
        "first_name": identity.first_name,
        "last_name": identity.last_name,
        "verified": True,
    }
    user = await session.scalar(insert(User).values(values).on_conflict_do_nothing().returning(User))
    if user is None:  # A concurrent registration used the address.
        raise AccountExistsError
    trail.acts(session, user.id)
    linked = {"user_id": user.id, "provider": identity.provider, "subject": identity.subject}
    if await session.scalar(insert(LinkedAccount).values(linked).on_conflict_do_nothing().returning(LinkedAccount.id)):
        return user
    raise AlreadyLinkedError
