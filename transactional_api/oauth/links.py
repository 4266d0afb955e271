"""Accounts with other services that people log in with."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.audit import trail
from transactional_api.auth import Viewer, require_confirmed
from transactional_api.callers import Caller
from transactional_api.db.tables import LinkedAccount, User
from transactional_api.errors import NotFoundError, Problem
from transactional_api.oauth.providers import Identity
from transactional_api.oauth.schemas import LinkOut, LinksOut
from transactional_api.users import devices, recovery, sealing, second_factor
from transactional_api.users.accounts import Accounts
from transactional_api.users.passwords import NO_PASSWORD
from transactional_api.users.recovery import Change
from transactional_api.users.schemas import Session
from transactional_api.users.service import open_session, refuse_suspended


class AccountExistsError(Problem):
    """There is an account with the address, and whoever has it did not say that this is theirs, too."""

    status, code, title = 409, "account_exists", "Log in with your password, and link this service in your account"


class AddressNotProvedError(Problem):
    """The other service does not vouch for an address, without which there is no account."""

    status, code, title = 422, "address_not_proved", "The other service does not vouch for your e-mail address"


class AlreadyLinkedError(Problem):
    """The other account is somebody's, or one of the same service is linked."""

    status, code, title = 409, "already_linked", "This service is linked already, or to another account"


class LastWayInError(Problem):
    """Without the link nobody could log in to the account."""

    status, code, title = 409, "last_way_in", "Set a password first: this is your only way in"


async def log_in(
    session: AsyncSession,
    *,
    accounts: Accounts,
    identity: Identity,
    code: str | None,
    caller: Caller,
    user_agent: str | None,
) -> Session:
    """Open a session for whom a provider vouches for; who is new gets an account.

    Raises:
        AccountExistsError: when the address is an account's that is not linked.
        AddressNotProvedError: when somebody new comes without an address.
        SecondFactorRequiredError, WrongCodeError: when the account asks for a code besides.
        SuspendedError: when they may not use the platform for a while.
    """
    whose = select(User).join(LinkedAccount, LinkedAccount.user_id == User.id)
    user = await session.scalar(
        whose.where(
            LinkedAccount.provider == identity.provider,
            LinkedAccount.subject == identity.subject,
            User.is_active.is_(True),
        )
    )
    if user is None:
        user = await _settle(session, accounts=accounts, identity=identity)
    source = await devices.source_of(accounts, caller, email=sealing.email_of(accounts.vault, user))
    await second_factor.prove(session, accounts=accounts, user=user, code=code, source=source.known)
    refuse_suspended(user)
    user.last_login = datetime.now(UTC)
    await session.flush()
    await session.refresh(user)
    if source.is_new:
        await recovery.tell(session, user_id=user.id, change=Change.SESSION)
    return await open_session(session, accounts=accounts, user=user, caller=caller, user_agent=user_agent)


async def link(session: AsyncSession, *, viewer: Viewer, identity: Identity) -> LinksOut:
    """Let the viewer log in with a provider from now on.

    Raises:
        AddressNotConfirmedError: when their address is not confirmed.
        AlreadyLinkedError: when the other account is somebody else's, or they have linked one of this provider.
    """
    require_confirmed(viewer)
    values = {"user_id": viewer.id, "provider": identity.provider, "subject": identity.subject}
    new = insert(LinkedAccount).values(values).on_conflict_do_nothing().returning(LinkedAccount.id)
    if await session.scalar(new) is None:
        mine = select(LinkedAccount.id).filter_by(**values)
        if await session.scalar(mine) is None:
            raise AlreadyLinkedError
    else:
        was = {"provider": identity.provider, "subject": identity.subject}
        await recovery.tell(session, user_id=viewer.id, change=Change.LINK, detail=identity.provider, was=was)
    return await links_of(session, viewer=viewer)


async def unlink(session: AsyncSession, *, viewer: Viewer, provider: str) -> None:
    """Take a link away.

    Raises:
        NotFoundError: when there is none.
        LastWayInError: when the account has neither a password nor another link.
    """
    user = await session.get_one(User, viewer.id, with_for_update={"key_share": True})
    number = await session.scalar(select(func.count()).where(LinkedAccount.user_id == viewer.id)) or 0
    if user.password_hash == NO_PASSWORD and number == 1:
        raise LastWayInError
    gone = delete(LinkedAccount).where(LinkedAccount.user_id == viewer.id, LinkedAccount.provider == provider)
    if await session.scalar(gone.returning(LinkedAccount.id)) is None:
        raise NotFoundError


async def links_of(session: AsyncSession, *, viewer: Viewer) -> LinksOut:
    """List the services that the viewer may log in with."""
    mine = select(LinkedAccount).where(LinkedAccount.user_id == viewer.id).order_by(LinkedAccount.provider)
    return LinksOut(links=[LinkOut.model_validate(row) for row in await session.scalars(mine)])


async def _settle(session: AsyncSession, *, accounts: Accounts, identity: Identity) -> User:
    if identity.email is None:
        raise AddressNotProvedError
    if await session.scalar(select(User.id).where(sealing.has_email(accounts.vault, identity.email))):
        raise AccountExistsError
    stem = re.sub(r"[^a-z0-9]+", ".", f"{identity.first_name} {identity.last_name}".lower()).strip(".") or "neighbour"
    values = {
        **sealing.email_columns(accounts.vault, identity.email),
        "username": f"{stem[:40]}.{secrets.token_hex(4)}",
        "password_hash": NO_PASSWORD,
        "first_name": identity.first_name,
        "last_name": identity.last_name,
        "verified": True,
    }
    user = await session.scalar(insert(User).values(values).on_conflict_do_nothing().returning(User))
    if user is None:  # Somebody registered with the address in this very moment.
        raise AccountExistsError
    trail.acts(session, user.id)
    linked = {"user_id": user.id, "provider": identity.provider, "subject": identity.subject}
    if await session.scalar(insert(LinkedAccount).values(linked).on_conflict_do_nothing().returning(LinkedAccount.id)):
        return user
    raise AlreadyLinkedError
