"""Second factor: time-based codes of an authenticator app (RFC 6238), and single-use recovery codes."""

from __future__ import annotations

import hmac
import secrets
import time
from datetime import UTC, datetime
from uuid import UUID

import pyotp
from pydantic import SecretStr
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.db.tables import SecondFactor, User
from transactional_api.core.errors import Problem
from transactional_api.core.http.auth import require_verified_email
from transactional_api.core.security.field_encryption import FieldCipher
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import recovery, throttle
from transactional_api.identity.users.accounts import UserServices
from transactional_api.identity.users.email_address import check_password
from transactional_api.identity.users.recovery import Change
from transactional_api.identity.users.schemas import RecoveryCodes, SecondFactorBegun, SecondFactorOff, SecondFactorOut
from transactional_api.identity.users.sessions import hash_token

STEP_SECONDS = 30
# Codes of the previous and the next time step are accepted too, because clocks differ.
DRIFT_STEPS = 1
RECOVERY_CODES = 10
_ISSUER = "NeighborConnect"


class SecondFactorRequiredError(Problem):
    """The password is correct, and the account requires a code."""

    status, code, title = 401, "second_factor_required", "Enter the code from your authenticator app"


class WrongCodeError(Problem):
    """The code is wrong, expired or used."""

    status, code, title = 401, "wrong_code", "The code is wrong, expired or already used"


class SecondFactorOnError(Problem):
    """The account has a second factor already."""

    status, code, title = 409, "second_factor_on", "Disable your second factor before you set up another one"


class NoSecondFactorError(Problem):
    """No second factor is waiting for confirmation."""

    status, code, title = 409, "no_second_factor", "Set up a second factor first"


async def state(session: AsyncSession, *, viewer: Viewer) -> SecondFactorOut:
    """Return whether the viewer has a second factor."""
    factor = await session.get(SecondFactor, viewer.id)
    on = factor is not None and factor.confirmed_at is not None
    return SecondFactorOut(enabled=on, recovery_codes_left=len(factor.recovery_hashes) if factor and on else 0)


async def begin(
    session: AsyncSession, *, accounts: UserServices, viewer: Viewer, password: SecretStr
) -> SecondFactorBegun:
    """Create a secret for the viewer's authenticator app; login requires codes once it is confirmed.

    Raises:
        WrongPasswordError, TooManyAttemptsError: see ``check_password``.
        EmailNotVerifiedError: when the address is not verified.
        SecondFactorOnError: when a second factor is enabled.
    """
    require_verified_email(viewer)
    user = await check_password(session, accounts=accounts, viewer=viewer, password=password)
    secret = pyotp.random_base32()
    fresh = {"secret_encrypted": accounts.cipher.encrypt(secret), "last_step": 0, "created_at": datetime.now(UTC)}
    statement = insert(SecondFactor).values(user_id=viewer.id, **fresh)
    begun = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=["user_id"], set_=fresh, where=SecondFactor.confirmed_at.is_(None)
        ).returning(SecondFactor.user_id)
    )
    if begun is None:
        raise SecondFactorOnError
    return SecondFactorBegun(
        secret=secret, uri=pyotp.TOTP(secret).provisioning_uri(name=user.username, issuer_name=_ISSUER)
    )


async def confirm(session: AsyncSession, *, accounts: UserServices, viewer: Viewer, code: str) -> RecoveryCodes:
    """Enable the second factor with a first code, and return recovery codes.

    Raises:
        NoSecondFactorError: when none is waiting for confirmation.
        WrongCodeError: when the code does not match.
        TooManyAttemptsError: after too many wrong codes.
    """
    await accounts.throttle.count(throttle.CODES, viewer.id, viewer.session_id)
    factor = await _lock(session, user_id=viewer.id)
    if factor is None or factor.confirmed_at is not None:
        raise NoSecondFactorError
    step = _matching_step(accounts.cipher, factor=factor, code=code)
    if step is None:
        raise WrongCodeError
    codes = [f"{secrets.token_hex(4)}-{secrets.token_hex(4)}" for _ in range(RECOVERY_CODES)]
    factor.confirmed_at, factor.last_step = datetime.now(UTC), step
    factor.recovery_hashes = [hash_token(recovery_code) for recovery_code in codes]
    await session.flush()
    was = {"confirmed_at": factor.confirmed_at.isoformat()}
    await recovery.notify_change(session, user_id=viewer.id, change=Change.SECOND_FACTOR_ON, was=was)
    await accounts.throttle.clear(throttle.CODES, viewer.id, viewer.session_id)
    return RecoveryCodes(codes=codes)


async def disable(session: AsyncSession, *, accounts: UserServices, viewer: Viewer, proof: SecondFactorOff) -> None:
    """Disable the second factor; without one nothing changes.

    Raises:
        WrongPasswordError, SecondFactorRequiredError, WrongCodeError, TooManyAttemptsError: without both credentials.
    """
    user = await check_password(session, accounts=accounts, viewer=viewer, password=proof.password)
    await verify(session, accounts=accounts, user=user, code=proof.code, source=str(viewer.session_id))
    factor = await _lock(session, user_id=viewer.id)
    if factor is None:
        return
    await session.execute(delete(SecondFactor).where(SecondFactor.user_id == viewer.id))
    if factor.confirmed_at is not None:
        was = {name: getattr(factor, name) for name in ("secret_encrypted", "last_step", "recovery_hashes")}
        was |= {"confirmed_at": factor.confirmed_at.isoformat()}
        await recovery.notify_change(session, user_id=viewer.id, change=Change.SECOND_FACTOR_OFF, was=was)


async def verify(
    session: AsyncSession, *, accounts: UserServices, user: User, code: str | None, source: str | None
) -> None:
    """Require a valid code if the account has a second factor. Each code is accepted once.

    ``source`` is a known device, network or session; wrong codes from elsewhere do not count against its limit.

    Raises:
        SecondFactorRequiredError: when there is no code.
        WrongCodeError: when the code is not valid.
        TooManyAttemptsError: after too many wrong codes.
    """
    factor = await _lock(session, user_id=user.id)
    if factor is None or factor.confirmed_at is None:
        return
    if code is None:
        raise SecondFactorRequiredError
    await accounts.throttle.count(throttle.CODES, user.id, source or "")
    step = _matching_step(accounts.cipher, factor=factor, code=code)
    if step is not None:
        factor.last_step = step
    elif (hashed := hash_token(code.strip().lower())) in factor.recovery_hashes:
        factor.recovery_hashes = [kept for kept in factor.recovery_hashes if kept != hashed]
    else:
        raise WrongCodeError
    await session.flush()
    await accounts.throttle.clear(throttle.CODES, user.id, source or "")


async def _lock(session: AsyncSession, *, user_id: UUID) -> SecondFactor | None:
    statement = select(SecondFactor).where(SecondFactor.user_id == user_id).with_for_update()
    factor: SecondFactor | None = await session.scalar(statement.execution_options(populate_existing=True))
    return factor


def _matching_step(cipher: FieldCipher, *, factor: SecondFactor, code: str) -> int | None:
    """Return the time step of a code, None if the code matches no unused step."""
    totp, now = pyotp.TOTP(cipher.decrypt(factor.secret_encrypted)), int(time.time()) // STEP_SECONDS
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        if step > factor.last_step and hmac.compare_digest(totp.at(step * STEP_SECONDS).encode(), code.encode()):
            return step
    return None
