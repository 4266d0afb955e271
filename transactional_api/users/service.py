"""Accounts and profiles."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import FOREVER, Viewer
from transactional_api.callers import Caller
from transactional_api.db.tables import User
from transactional_api.errors import NotFoundError, Problem
from transactional_api.moderation import screening
from transactional_api.moderation.schemas import SubjectKind
from transactional_api.paging import Page, PageRequest
from transactional_api.places import Point
from transactional_api.users import (
    devices,
    mailbox,
    passwords,
    queries,
    recovery,
    sealing,
    second_factor,
    sessions,
    throttle,
)
from transactional_api.users.accounts import Accounts
from transactional_api.users.devices import Source
from transactional_api.users.recovery import Change
from transactional_api.users.schemas import (
    NOT_FOR_APPS,
    Credentials,
    OwnUser,
    Profile,
    PublicUser,
    Registration,
    Session,
    Tokens,
)


class UsernameTakenError(Problem):
    """Another account has this user name."""

    status, code, title = 409, "username_taken", "There is an account with this user name"


class WrongCredentialsError(Problem):
    """The e-mail address or the password is wrong; it does not say which."""

    status, code, title = 401, "wrong_credentials", "The e-mail address or the password is wrong"


class SuspendedError(Problem):
    """The credentials are good, and the account is suspended; only whose they are learns of it."""

    status, code, title = 403, "suspended", "This account is suspended"

    def __init__(self, until: datetime) -> None:
        lasts = "for good" if until >= FOREVER else f"until {until:%Y-%m-%d %H:%M} UTC"
        super().__init__(f"This account is suspended {lasts}; you may appeal: POST /moderation/suspension/appeal")


async def register(
    session: AsyncSession,
    *,
    accounts: Accounts,
    registration: Registration,
    caller: Caller,
    user_agent: str | None,
    vouched: bool = False,
) -> Session:
    """Open an account and log in to it; a letter asks to confirm the address.

    The platform vouches for people that it makes itself: they have no limits, and their address counts as confirmed.

    An address that has an account is answered as any other, with a session that opens nothing, and its owner gets a
    letter: nobody learns from the answer who has an account.

    Raises:
        UsernameTakenError: when another account has the user name.
        WeakPasswordError: when the password is easy to guess.
        TooManyAttemptsError: when this network opened too many accounts.
    """
    email, password = registration.email, registration.password.get_secret_value()
    if not vouched:
        await accounts.throttle.count(accounts.throttle.registrations, caller.network)
    async with accounts.hashing:
        await passwords.refuse_weak(password, personal=[registration.username, email])
        password_hash = await passwords.hash_password(password)
    if await session.scalar(select(User.id).where(User.username == registration.username)):
        raise UsernameTakenError
    values = registration.model_dump(exclude={"password"})
    values |= sealing.email_columns(accounts.vault, email)
    values |= sealing.phone_columns(accounts.vault, registration.phone)
    values |= {"password_hash": password_hash, "verified": vouched, "last_login": datetime.now(UTC)}
    whose = select(User.id).where(sealing.has_email(accounts.vault, email))
    owner_id = await session.scalar(whose)
    if owner_id is None:
        user = await session.scalar(insert(User).values(values).on_conflict_do_nothing().returning(User))
        if user is not None:
            if not vouched and await mailbox.may_write(accounts, email=email, caller=caller):
                await mailbox.ask_to_verify(session, user_id=user.id)
            await screening.screen(session, SubjectKind.USER, user.id)
            return await open_session(session, accounts=accounts, user=user, caller=caller, user_agent=user_agent)
        owner_id = await session.scalar(whose)
        if owner_id is None:
            raise UsernameTakenError
    if await mailbox.may_write(accounts, email=email, caller=caller):
        await mailbox.tell_of_registration(session, user_id=owner_id)
    return _decoy(accounts, values=values)


def _decoy(accounts: Accounts, *, values: dict[str, Any]) -> Session:
    """Return the answer to a registration that opened no account."""
    now = datetime.now(UTC)
    empty = {"is_active": True, "reputation": 0, "role": "member", "created_at": now, "updated_at": now}
    nobody = User(**values, **empty, id=uuid4())
    return Session(
        **sessions.decoy(user_id=nobody.id, settings=accounts.settings).model_dump(),
        device_token=devices.issue_token(accounts.vault, email=str(nobody.id)),
        user=own_user(nobody, accounts=accounts),
    )


async def log_in(
    session: AsyncSession, *, accounts: Accounts, credentials: Credentials, caller: Caller, user_agent: str | None
) -> Session:
    """Open a session; raises what ``authenticate`` raises."""
    source = await devices.source_of(accounts, caller, email=credentials.email)
    user = await authenticate(session, accounts=accounts, credentials=credentials, caller=caller)
    if source.is_new:
        await recovery.tell(session, user_id=user.id, change=Change.SESSION)
    user.last_login = datetime.now(UTC)
    await session.flush()
    await session.refresh(user)
    return await open_session(session, accounts=accounts, user=user, caller=caller, user_agent=user_agent)


async def open_session(
    session: AsyncSession, *, accounts: Accounts, user: User, caller: Caller, user_agent: str | None
) -> Session:
    """Open a session of a person who proved themselves; their account knows the device and network from now on."""
    tokens = await sessions.open_session(session, user_id=user.id, settings=accounts.settings, user_agent=user_agent)
    own = own_user(user, accounts=accounts)
    await devices.remember(accounts, caller, email=own.email)
    return Session(**tokens.model_dump(), device_token=devices.issue_token(accounts.vault, email=own.email), user=own)


async def authenticate(session: AsyncSession, *, accounts: Accounts, credentials: Credentials, caller: Caller) -> User:
    """Return whose credentials these are, if they may use the platform now.

    Raises:
        SuspendedError: when they may not for a while.
        WrongCredentialsError, SecondFactorRequiredError, WrongCodeError, TooManyAttemptsError: as ``identify`` does.
    """
    user = await identify(session, accounts=accounts, credentials=credentials, caller=caller)
    refuse_suspended(user)
    return user


def refuse_suspended(user: User) -> None:
    """Raise ``SuspendedError`` for who is suspended now."""
    if user.suspended_until is not None and user.suspended_until > datetime.now(UTC):
        raise SuspendedError(user.suspended_until)


async def identify(session: AsyncSession, *, accounts: Accounts, credentials: Credentials, caller: Caller) -> User:
    """Return the person of these credentials, suspended or not.

    Raises:
        WrongCredentialsError: for an unknown address as for a wrong password, after the same work.
        SecondFactorRequiredError, WrongCodeError: when the account asks for a code and there is none, or a wrong one.
        TooManyAttemptsError: when the account was tried too often, or this network tried too many.
    """
    email, password = credentials.email, credentials.password.get_secret_value()
    source = await devices.source_of(accounts, caller, email=email)
    limit = throttle.DEVICE if source.known else throttle.ACCOUNT
    await _refuse_guessing_network(accounts, caller=caller, source=source)
    await accounts.throttle.count(limit, email, source.known or "")
    async with accounts.hashing:
        # Asked again: many requests at once may have waited here.
        await _refuse_guessing_network(accounts, caller=caller, source=source)
        whose = sealing.has_email(accounts.vault, email)
        user = await session.scalar(select(User).where(whose, User.is_active.is_(True)))
        if not await passwords.password_matches(password, password_hash=user.password_hash if user else None):
            if source.known is None:
                await accounts.throttle.record(accounts.throttle.failures, caller.network)
            raise WrongCredentialsError
        assert user is not None  # noqa: S101 (nobody's hash matches nothing)
        if passwords.is_outdated(user.password_hash):
            user.password_hash = await passwords.hash_password(password)
    await second_factor.prove(session, accounts=accounts, user=user, code=credentials.code, source=source.known)
    await accounts.throttle.forget(limit, email, source.known or "")
    return user


async def _refuse_guessing_network(accounts: Accounts, *, caller: Caller, source: Source) -> None:
    """Raise ``TooManyAttemptsError`` for a network with too many wrong passwords, unless the account knows it."""
    if source.known is None:
        await accounts.throttle.check(accounts.throttle.failures, caller.network)


async def refresh(session: AsyncSession, *, accounts: Accounts, refresh_token: str) -> Tokens:
    """Trade a refresh token for new tokens."""
    return await sessions.rotate(session, refresh_token=refresh_token, settings=accounts.settings)


async def own_profile(session: AsyncSession, *, accounts: Accounts, viewer: Viewer) -> OwnUser:
    """Return the viewer's own profile, without the private fields if an app asks."""
    user = own_user(await session.get_one(User, viewer.id), accounts=accounts)
    return user if viewer.scopes is None else user.model_copy(update=dict.fromkeys(NOT_FOR_APPS))


async def replace_profile(session: AsyncSession, *, accounts: Accounts, viewer: Viewer, profile: Profile) -> OwnUser:
    """Replace the viewer's profile."""
    columns = profile.model_dump() | sealing.phone_columns(accounts.vault, profile.phone)
    await screening.screen(session, SubjectKind.USER, viewer.id)
    return await _change(session, accounts=accounts, viewer=viewer, columns=columns)


async def replace_home(session: AsyncSession, *, accounts: Accounts, viewer: Viewer, home: Point | None) -> OwnUser:
    """Keep where the viewer lives, or forget it."""
    columns = sealing.home_columns(accounts.vault, home)
    return await _change(session, accounts=accounts, viewer=viewer, columns=columns)


async def _change(session: AsyncSession, *, accounts: Accounts, viewer: Viewer, columns: Mapping[str, Any]) -> OwnUser:
    user = await session.scalar(
        update(User).where(User.id == viewer.id).values(**columns, updated_at=datetime.now(UTC)).returning(User)
    )
    assert user is not None  # noqa: S101 (the viewer is there)
    return own_user(user, accounts=accounts)


def own_user(user: User, *, accounts: Accounts) -> OwnUser:
    """Return a person as they see themselves."""
    public = PublicUser.model_validate(user)
    return OwnUser(
        **public.model_dump(),
        email=sealing.email_of(accounts.vault, user),
        state=user.state,
        country=user.country,
        postal_code=user.postal_code,
        phone=sealing.phone_of(accounts.vault, user),
        home=sealing.home_of(accounts.vault, user),
        updated_at=user.updated_at,
        last_login=user.last_login,
    )


async def profile_of(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> PublicUser:
    """Return another person's public profile; raises ``NotFoundError`` when the viewer may not see them."""
    user = await session.scalar(queries.visible_to(viewer).where(User.id == user_id))
    if user is None:
        raise NotFoundError
    return PublicUser.model_validate(user)


async def search(
    session: AsyncSession,
    *,
    viewer: Viewer,
    page: PageRequest,
    words: str | None,
    neighborhood: str | None,
    city: str | None,
) -> Page[PublicUser]:
    """Find people by name and place, the newest first."""
    statement = queries.matching(queries.visible_to(viewer), words=words, neighborhood=neighborhood, city=city)
    users = (await session.scalars(page.select(statement, at=User.created_at, row_id=User.id))).all()
    return Page(
        items=[PublicUser.model_validate(user) for user in users[: page.limit]], next_cursor=page.next_cursor(users)
    )
