"""Known devices and networks of an account.

A known device has limits of its own, so that strangers cannot lock the owner out. It identifies itself with the device
token issued with every session, or by its network if a session was opened from there within the last 30 days.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from cryptography.fernet import InvalidToken
from redis.exceptions import RedisError

from neighborconnect.telemetry import get_logger
from transactional_api.core.security.callers import Caller
from transactional_api.core.security.field_encryption import FieldCipher, UnknownKeyError
from transactional_api.identity.users.accounts import UserServices

TOKEN_LIFETIME = timedelta(days=180)
NETWORK_SECONDS = 30 * 86_400
_PURPOSE = "device"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """Origin of an attempt: ``known`` identifies the device or network, None if the account does not know it."""

    known: str | None
    is_certain: bool = True
    """False while Redis is unavailable, so that the network may be known."""

    @property
    def is_new(self) -> bool:
        """Whether the account certainly does not know the origin."""
        return self.known is None and self.is_certain


def issue_token(cipher: FieldCipher, *, email: str) -> str:
    """Return a token that identifies a device to the account of an address; it grants no access."""
    expires = datetime.now(UTC) + TOKEN_LIFETIME
    return cipher.encrypt(f"{_PURPOSE} {cipher.blind_index(email)} {uuid4().hex} {int(expires.timestamp())}")


def device_of(cipher: FieldCipher, *, email: str, token: str | None) -> str | None:
    """Return the id of the device in a token of this account, None if the token is not valid."""
    if token is None:
        return None
    try:
        purpose, owner, device_id, expires = cipher.decrypt(token).split(" ")
        valid = (
            purpose == _PURPOSE
            and owner in cipher.blind_indexes(email)
            and int(expires) > datetime.now(UTC).timestamp()
        )
    except (InvalidToken, UnknownKeyError, ValueError):
        return None
    return device_id if valid else None


async def source_of(accounts: UserServices, caller: Caller, *, email: str) -> Source:
    """Return whether the account of an address knows the device or network; never for unknown addresses."""
    device_id = device_of(accounts.cipher, email=email, token=caller.device_token)
    if device_id is not None:
        return Source(device_id)
    try:
        known = await accounts.redis.exists(_network_key(accounts.cipher, email, caller.network))
    except RedisError as error:
        log.warning("devices.unknown", error=type(error).__name__)
        return Source(None, is_certain=False)
    return Source(caller.network if known else None)


async def remember(accounts: UserServices, caller: Caller, *, email: str) -> None:
    """Remember the network for the account."""
    try:
        await accounts.redis.set(_network_key(accounts.cipher, email, caller.network), b"1", ex=NETWORK_SECONDS)
    except RedisError as error:
        log.warning("devices.not_remembered", error=type(error).__name__)


def _network_key(cipher: FieldCipher, email: str, network: str) -> str:
    return "login:known:" + hashlib.sha256(f"{cipher.blind_index(email)}\n{network}".encode()).hexdigest()
