"""A second factor: codes of an authenticator app (RFC 6238), and codes on paper for the day when the phone is gone."""

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

from transactional_api.auth import Viewer, require_confirmed
from transactional_api.db.tables import SecondFactor, User
from transactional_api.errors import Problem
from transactional_api.users import recovery, throttle
from transactional_api.users.accounts import Accounts
from transactional_api.users.mailbox import prove_password
from transactional_api.users.recovery import Change
from transactional_api.users.schemas import RecoveryCodes, SecondFactorBegun, SecondFactorOff, SecondFactorOut
from transactional_api.users.sessions import hash_token
from transactional_api.vault import Vault

STEP_SECONDS = 30
# A code of the half minute before or after is good, too: clocks differ.
DRIFT_STEPS = 1
RECOVERY_CODES = 10
_ISSUER = "NeighborConnect"


class SecondFactorRequiredError(Problem):
    """The password is right, and the account asks for a code besides."""

    status, code, title = 401, "second_factor_required", "Send the code of your authenticator app as well"


class WrongCodeError(Problem):
    """The code is wrong, too old, or was used before."""

    status, code, title = 401, "wrong_code", "The code is wrong, too old, or was used before"


class SecondFactorOnError(Problem):
    """There is a second factor already."""

    status, code, title = 409, "second_factor_on", "Take your second factor away before you set up another one"


class NoSecondFactorError(Problem):
    """No second factor waits to be confirmed."""

    status, code, title = 409, "no_second_factor", "Begin to set up a second factor first"


async def state(session: AsyncSession, *, viewer: Viewer) -> SecondFactorOut:
    """Return whether the viewer has a second factor."""
    factor = await session.get(SecondFactor, viewer.id)
    on = factor is not None and factor.confirmed_at is not None
    return SecondFactorOut(enabled=on, recovery_codes_left=len(factor.recovery_hashes) if factor and on else 0)


async def begin(session: AsyncSession, *, accounts: Accounts, viewer: Viewer, password: SecretStr) -> SecondFactorBegun:
    """Give the viewer a secret for their authenticator app; it is asked for once they have confirmed it.

    Raises:
        WrongPasswordError, TooManyAttemptsError: as for every proof of a password.
        AddressNotConfirmedError: when their address is not confirmed.
        SecondFactorOnError: when they have one.
    """
    require_confirmed(viewer)
    user = await prove_password(session, accounts=accounts, viewer=viewer, password=password)
    secret = pyotp.random_base32()
    fresh = {"secret_sealed": accounts.vault.seal(secret), "last_step": 0, "created_at": datetime.now(UTC)}
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


async def confirm(session: AsyncSession, *, accounts: Accounts, viewer: Viewer, code: str) -> RecoveryCodes:
    """Turn the second factor on with a first code, and give the codes for the day when the phone is gone.

    Raises:
        NoSecondFactorError: when none waits for it.
        WrongCodeError: when the code is not of this secret and time.
        TooManyAttemptsError: when too many codes were wrong.
    """
    await accounts.throttle.count(throttle.CODES, viewer.id, viewer.session_id)
    factor = await _lock(session, user_id=viewer.id)
    if factor is None or factor.confirmed_at is not None:
        raise NoSecondFactorError
    step = _step_of(accounts.vault, factor=factor, code=code)
    if step is None:
        raise WrongCodeError
    codes = [f"{secrets.token_hex(4)}-{secrets.token_hex(4)}" for _ in range(RECOVERY_CODES)]
    factor.confirmed_at, factor.last_step = datetime.now(UTC), step
    factor.recovery_hashes = [hash_token(one) for one in codes]
    await session.flush()
    was = {"confirmed_at": factor.confirmed_at.isoformat()}
    await recovery.tell(session, user_id=viewer.id, change=Change.SECOND_FACTOR_ON, was=was)
    await accounts.throttle.forget(throttle.CODES, viewer.id, viewer.session_id)
    return RecoveryCodes(codes=codes)


async def turn_off(session: AsyncSession, *, accounts: Accounts, viewer: Viewer, proof: SecondFactorOff) -> None:
    """Turn the second factor off; where there is none nothing changes.

    Raises:
        WrongPasswordError, SecondFactorRequiredError, WrongCodeError, TooManyAttemptsError: without both proofs.
    """
    user = await prove_password(session, accounts=accounts, viewer=viewer, password=proof.password)
    await prove(session, accounts=accounts, user=user, code=proof.code, source=str(viewer.session_id))
    factor = await _lock(session, user_id=viewer.id)
    if factor is None:
        return
    await session.execute(delete(SecondFactor).where(SecondFactor.user_id == viewer.id))
    if factor.confirmed_at is not None:
        was = {name: getattr(factor, name) for name in ("secret_sealed", "last_step", "recovery_hashes")}
        was |= {"confirmed_at": factor.confirmed_at.isoformat()}
        await recovery.tell(session, user_id=viewer.id, change=Change.SECOND_FACTOR_OFF, was=was)


async def prove(session: AsyncSession, *, accounts: Accounts, user: User, code: str | None, source: str | None) -> None:
    """Require a good code of an account with a second factor. A code is accepted once.

    ``source`` is the device, network or session that the account knows; wrong codes of others do not count against it.

    Raises:
        SecondFactorRequiredError: when there is no code.
        WrongCodeError: when it is not good.
        TooManyAttemptsError: when too many were wrong.
    """
    factor = await _lock(session, user_id=user.id)
    if factor is None or factor.confirmed_at is None:
        return
    if code is None:
        raise SecondFactorRequiredError
    await accounts.throttle.count(throttle.CODES, user.id, source or "")
    step = _step_of(accounts.vault, factor=factor, code=code)
    if step is not None:
        factor.last_step = step
    elif (hashed := hash_token(code.strip().lower())) in factor.recovery_hashes:
        factor.recovery_hashes = [one for one in factor.recovery_hashes if one != hashed]
    else:
        raise WrongCodeError
    await session.flush()
    await accounts.throttle.forget(throttle.CODES, user.id, source or "")


async def _lock(session: AsyncSession, *, user_id: UUID) -> SecondFactor | None:
    statement = select(SecondFactor).where(SecondFactor.user_id == user_id).with_for_update()
    factor: SecondFactor | None = await session.scalar(statement.execution_options(populate_existing=True))
    return factor


def _step_of(vault: Vault, *, factor: SecondFactor, code: str) -> int | None:
    """Return the half minute that a code is of, None where it is of none that may still be used."""
    totp, now = pyotp.TOTP(vault.open(factor.secret_sealed)), int(time.time()) // STEP_SECONDS
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        if step > factor.last_step and hmac.compare_digest(totp.at(step * STEP_SECONDS).encode(), code.encode()):
            return step
    return None
