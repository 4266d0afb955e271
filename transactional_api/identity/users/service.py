"""Accounts and profiles."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.localization import Language
from transactional_api.core.db.tables import RetiredUsername, User
from transactional_api.core.db.tables.users import username_skeleton
from transactional_api.core.errors import NotFoundError, Problem
from transactional_api.core.geography import Point
from transactional_api.core.media.references import ForeignLinkError, own_avatar
from transactional_api.core.moderation import SubjectKind, request_screening
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.security import passwords, personal_data
from transactional_api.core.security.callers import Caller
from transactional_api.core.viewer import NO_EXPIRY, Viewer
from transactional_api.identity.users import (
    devices,
    email_address,
    queries,
    recovery,
    second_factor,
    sessions,
    throttle,
    usernames,
)
from transactional_api.identity.users.accounts import UserServices
from transactional_api.identity.users.devices import Source
from transactional_api.identity.users.recovery import Change
from transactional_api.identity.users.schemas import (
    NOT_FOR_APPS,
    Credentials,
    OwnUser,
    PlatformRole,
    Profile,
    ProfilePatch,
    PublicUser,
    Registration,
    Session,
    Tokens,
    UserProfile,
)


class UsernameTakenError(Problem):
    """Another account has the username."""

    status, code, title = 409, "username_taken", "This username is taken"


class UsernameReservedError(Problem):
    """The username could be mistaken for the platform, its staff or a group."""

    status, code, title = 422, "username_reserved", "This username is reserved; choose another one"


class WrongCredentialsError(Problem):
    """The email address or the password is wrong; the error does not reveal which."""

    status, code, title = 401, "wrong_credentials", "The email address or password is wrong"


class SuspendedError(Problem):
    """The credentials are valid and the account is suspended; only its owner learns that."""

    status, code, title = 403, "suspended", "This account is suspended"

    def __init__(self, until: datetime) -> None:
        duration = "permanently" if until >= NO_EXPIRY else f"until {until:%Y-%m-%d %H:%M} UTC"
        super().__init__(f"This account is suspended {duration}; to appeal, call POST /moderation/suspension/appeal")


async def register(
    session: AsyncSession,
    *,
    accounts: UserServices,
    registration: Registration,
    caller: Caller,
    user_agent: str | None,
    language: Language | None = None,
    is_platform: bool = False,
) -> Session:
    """Create an account, log in, and send an email to verify the address.

    Users that the platform itself registers (``is_platform``) have no limits and a verified address. ``language`` is
    used where the registration has none.

    An address that already has an account gets the same response with an invalid session, and its owner gets an email,
    so the response does not reveal which addresses have an account.

    Raises:
        UsernameReservedError: when the username could be mistaken for the platform.
        UsernameTakenError: when another account has this username or a look-alike, or an erased account had it.
        WeakPasswordError: when the password is easy to guess.
        TooManyAttemptsError: when this network registered too many accounts.
        ForeignLinkError: for an avatar, since a new user has no uploads.
    """
    if registration.avatar_url is not None:
        raise ForeignLinkError
    email, password = registration.email, registration.password.get_secret_value()
    if not is_platform:
        await accounts.throttle.count(accounts.throttle.registrations, caller.network)
        if usernames.is_reserved(registration.username):
            raise UsernameReservedError
    async with accounts.hashing:
        await passwords.refuse_weak(password, personal=[registration.username, email])
        password_hash = await passwords.hash_password(password)
    if await _is_taken(session, accounts=accounts, username=registration.username, exact=is_platform):
        raise UsernameTakenError
    values = registration.model_dump(exclude={"password", "email"})
    values |= personal_data.email_columns(accounts.cipher, email)
    values |= personal_data.phone_columns(accounts.cipher, registration.phone)
    values |= {"password_hash": password_hash, "verified": is_platform, "last_login": datetime.now(UTC)}
    values["language"] = registration.language or language
    owner = select(User.id).where(personal_data.has_email(accounts.cipher, email))
    owner_id = await session.scalar(owner)
    if owner_id is None:
        user = await session.scalar(insert(User).values(values).on_conflict_do_nothing().returning(User))
        if user is not None:
            if not is_platform and await email_address.may_send_email(accounts, email=email, caller=caller):
                await email_address.send_verification(session, user_id=user.id)
            await request_screening(session, SubjectKind.USER, user.id)
            return await open_session(session, accounts=accounts, user=user, caller=caller, user_agent=user_agent)
        owner_id = await session.scalar(owner)
        if owner_id is None:
            raise UsernameTakenError
    if await email_address.may_send_email(accounts, email=email, caller=caller):
        await email_address.notify_existing_account(session, user_id=owner_id)
    return _decoy_session(accounts, values=values)


async def _is_taken(session: AsyncSession, *, accounts: UserServices, username: str, exact: bool) -> bool:
    """Return whether an account has the username (or a look-alike unless ``exact``), or an erased account had it.

    An advisory lock serializes registrations of look-alike names.
    """
    lock = func.pg_advisory_xact_lock(func.hashtextextended(f"username {usernames.skeleton(username)}", 0))
    await session.execute(select(lock))
    return await is_username_taken(session, accounts=accounts, username=username, exact=exact)


async def is_username_taken(
    session: AsyncSession, *, accounts: UserServices, username: str, exact: bool = False
) -> bool:
    """Return whether an account has the username (or a look-alike unless ``exact``), or an erased account had it."""
    shape = usernames.skeleton(username)
    same = User.username == username if exact else username_skeleton(User.username) == shape
    retired = RetiredUsername.name_hash.in_(accounts.cipher.blind_indexes(usernames.retired(username)))
    taken = select(exists().where(same) | exists().where(retired))
    return bool(await session.scalar(taken))


def _decoy_session(accounts: UserServices, *, values: dict[str, Any]) -> Session:
    """Return a response to a registration that created no account."""
    now = datetime.now(UTC)
    empty = {"is_active": True, "reputation": 0, "role": "member", "created_at": now, "updated_at": now}
    decoy = User(**values, **empty, id=uuid4())
    return Session(
        **sessions.decoy(user_id=decoy.id, settings=accounts.settings).model_dump(),
        device_token=devices.issue_token(accounts.cipher, email=str(decoy.id)),
        user=own_user(decoy, accounts=accounts),
    )


async def log_in(
    session: AsyncSession, *, accounts: UserServices, credentials: Credentials, caller: Caller, user_agent: str | None
) -> Session:
    """Open a session; raises the errors of ``authenticate``."""
    user = await authenticate_login(session, accounts=accounts, credentials=credentials, caller=caller)
    return await open_session(session, accounts=accounts, user=user, caller=caller, user_agent=user_agent)


async def authenticate_login(
    session: AsyncSession, *, accounts: UserServices, credentials: Credentials, caller: Caller
) -> User:
    """Return the user who logs in, and notify them of an unknown device; raises the errors of ``authenticate``."""
    source = await devices.source_of(accounts, caller, email=credentials.email)
    user = await authenticate(session, accounts=accounts, credentials=credentials, caller=caller)
    if source.is_new:
        await recovery.notify_change(session, user_id=user.id, change=Change.SESSION)
    user.last_login = datetime.now(UTC)
    await session.flush()
    await session.refresh(user)
    return user


async def open_session(
    session: AsyncSession, *, accounts: UserServices, user: User, caller: Caller, user_agent: str | None
) -> Session:
    """Open a session of an authenticated user and remember the device and network."""
    tokens = await sessions.open_session(session, user_id=user.id, settings=accounts.settings, user_agent=user_agent)
    own = own_user(user, accounts=accounts)
    await devices.remember(accounts, caller, email=own.email)
    return Session(**tokens.model_dump(), device_token=devices.issue_token(accounts.cipher, email=own.email), user=own)


async def authenticate(
    session: AsyncSession, *, accounts: UserServices, credentials: Credentials, caller: Caller
) -> User:
    """Return the user of the credentials, if the account may be used now.

    Raises:
        SuspendedError: when the account is suspended.
        WrongCredentialsError, SecondFactorRequiredError, WrongCodeError, TooManyAttemptsError: see ``identify``.
    """
    user = await identify(session, accounts=accounts, credentials=credentials, caller=caller)
    refuse_suspended(user)
    return user


def refuse_suspended(user: User) -> None:
    """Raise ``SuspendedError`` if the user is suspended."""
    if user.suspended_until is not None and user.suspended_until > datetime.now(UTC):
        raise SuspendedError(user.suspended_until)


async def identify(session: AsyncSession, *, accounts: UserServices, credentials: Credentials, caller: Caller) -> User:
    """Return the user of the credentials, suspended or not.

    Raises:
        WrongCredentialsError: for an unknown address or a wrong password, after the same amount of work.
        SecondFactorRequiredError, WrongCodeError: when a second factor is on and the code is missing or wrong.
        TooManyAttemptsError: after too many attempts on this account or from this network.
    """
    email, password = credentials.email, credentials.password.get_secret_value()
    source = await devices.source_of(accounts, caller, email=email)
    limit = throttle.DEVICE if source.known else throttle.ACCOUNT
    await _refuse_guessing_network(accounts, caller=caller, source=source)
    await accounts.throttle.count(limit, email, source.known or "")
    async with accounts.hashing:
        # Check again: many concurrent requests may have waited here.
        await _refuse_guessing_network(accounts, caller=caller, source=source)
        has_email = personal_data.has_email(accounts.cipher, email)
        user = await session.scalar(select(User).where(has_email, User.is_active.is_(True)))
        if not await passwords.password_matches(password, password_hash=user.password_hash if user else None):
            if source.known is None:
                await accounts.throttle.record(accounts.throttle.failures, caller.network)
            raise WrongCredentialsError
        assert user is not None  # noqa: S101 (the hash of an unknown account matches no password)
        if passwords.is_outdated(user.password_hash):
            user.password_hash = await passwords.hash_password(password)
    await second_factor.verify(session, accounts=accounts, user=user, code=credentials.code, source=source.known)
    await accounts.throttle.clear(limit, email, source.known or "")
    return user


async def _refuse_guessing_network(accounts: UserServices, *, caller: Caller, source: Source) -> None:
    """Raise ``TooManyAttemptsError`` for a network with too many wrong passwords, unless the account knows it."""
    if source.known is None:
        await accounts.throttle.check(accounts.throttle.failures, caller.network)


async def refresh(session: AsyncSession, *, accounts: UserServices, refresh_token: str) -> Tokens:
    """Exchange a refresh token for new tokens."""
    return await sessions.rotate(session, refresh_token=refresh_token, settings=accounts.settings)


async def own_profile(session: AsyncSession, *, accounts: UserServices, viewer: Viewer) -> OwnUser:
    """Return the viewer's profile, without the private fields for third-party apps."""
    user = own_user(await session.get_one(User, viewer.id), accounts=accounts)
    return user if viewer.scopes is None else user.model_copy(update=dict.fromkeys(NOT_FOR_APPS))


async def replace_profile(
    session: AsyncSession, *, accounts: UserServices, viewer: Viewer, profile: Profile
) -> OwnUser:
    """Replace the viewer's profile."""
    public_url = accounts.settings.public_url
    stored = await session.scalar(select(User.avatar_url).where(User.id == viewer.id))
    avatar = await own_avatar(session, viewer=viewer, link=profile.avatar_url, public_url=public_url, stored=stored)
    columns = {
        **profile.model_dump(),
        **personal_data.phone_columns(accounts.cipher, profile.phone),
        "avatar_url": avatar,
    }
    await request_screening(session, SubjectKind.USER, viewer.id)
    return await _change(session, accounts=accounts, viewer=viewer, columns=columns)


async def change_profile(
    session: AsyncSession, *, accounts: UserServices, viewer: Viewer, patch: ProfilePatch
) -> OwnUser:
    """Replace the fields of the viewer's profile that a patch has. The route has locked the row."""
    user = await session.get_one(User, viewer.id, populate_existing=True)
    present = own_user(user, accounts=accounts)
    # An address that is not shown, of an earlier release, is not kept.
    shown = present.model_copy(update={"avatar_url": present.model_dump()["avatar_url"]})
    profile = patch.applied_to(shown, body=Profile)
    return await replace_profile(session, accounts=accounts, viewer=viewer, profile=profile)


async def replace_home(session: AsyncSession, *, accounts: UserServices, viewer: Viewer, home: Point | None) -> OwnUser:
    """Store or remove the viewer's home location."""
    columns = personal_data.home_columns(accounts.cipher, home)
    return await _change(session, accounts=accounts, viewer=viewer, columns=columns)


async def _change(
    session: AsyncSession, *, accounts: UserServices, viewer: Viewer, columns: Mapping[str, Any]
) -> OwnUser:
    user = await session.scalar(
        update(User).where(User.id == viewer.id).values(**columns, updated_at=datetime.now(UTC)).returning(User)
    )
    assert user is not None  # noqa: S101 (the viewer exists)
    return own_user(user, accounts=accounts)


def own_user(user: User, *, accounts: UserServices) -> OwnUser:
    """Return the private representation of a user."""
    public = PublicUser.model_validate(user)
    return OwnUser(
        **public.model_dump(),
        email=personal_data.email_of(accounts.cipher, user),
        role=PlatformRole(user.role),
        state=user.state,
        country=user.country,
        postal_code=user.postal_code,
        phone=personal_data.phone_of(accounts.cipher, user),
        home=personal_data.home_of(accounts.cipher, user),
        language=Language(user.language) if user.language in set(Language) else None,
        updated_at=user.updated_at,
        last_login=user.last_login,
    )


async def profile_of(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> UserProfile:
    """Return the public profile of a user; raises ``NotFoundError`` if the viewer may not see it."""
    statement = queries.select_profiles(queries.visible_to(viewer), viewer).where(User.id == user_id)
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFoundError
    return UserProfile.model_validate(row)


async def search(
    session: AsyncSession,
    *,
    viewer: Viewer,
    page: PageRequest,
    query: str | None,
    neighborhood: str | None,
    city: str | None,
) -> Page[UserProfile]:
    """Search users by name and location, newest first."""
    statement = queries.matching(queries.visible_to(viewer), query=query, neighborhood=neighborhood, city=city)
    statement = queries.select_profiles(statement, viewer)
    rows = (await session.execute(page.select(statement, at=User.created_at, row_id=User.id))).all()
    return page.of(rows, UserProfile.model_validate)
