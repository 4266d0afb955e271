"""Devices and networks that an account knows.

An account's own device is exempt from the limits that strangers can fill, so that nobody can lock its owner out. It
proves itself with the token that every session begins with, or by its network: one that a session of the account was
opened from within the last 30 days.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from cryptography.fernet import InvalidToken
from redis.exceptions import RedisError

from neighborconnect.telemetry import get_logger
from transactional_api.callers import Caller
from transactional_api.users.accounts import Accounts
from transactional_api.vault import UnknownKeyError, Vault

TOKEN_LIFETIME = timedelta(days=180)
NETWORK_SECONDS = 30 * 86_400
_PURPOSE = "device"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """Where an attempt comes from: ``known`` names the device or network, and is None where the account knows none."""

    known: str | None
    is_certain: bool = True
    """False where Redis did not answer, so that the network may be known after all."""

    @property
    def is_new(self) -> bool:
        """Whether the account certainly does not know it."""
        return self.known is None and self.is_certain


def issue_token(vault: Vault, *, email: str) -> str:
    """Return a token by which the account of an address knows a device; it opens nothing."""
    expires = datetime.now(UTC) + TOKEN_LIFETIME
    return vault.seal(f"{_PURPOSE} {vault.lookup(email)} {uuid4().hex} {int(expires.timestamp())}")


def device_of(vault: Vault, *, email: str, token: str | None) -> str | None:
    """Return the id of the device that a token names for this account, None where it names none."""
    if token is None:
        return None
    try:
        purpose, owner, device_id, expires = vault.open(token).split(" ")
        good = purpose == _PURPOSE and owner in vault.lookups(email) and int(expires) > datetime.now(UTC).timestamp()
    except (InvalidToken, UnknownKeyError, ValueError):
        return None
    return device_id if good else None


async def source_of(accounts: Accounts, caller: Caller, *, email: str) -> Source:
    """Return whether the account of an address knows the device or network; for unknown addresses it never does."""
    device_id = device_of(accounts.vault, email=email, token=caller.device_token)
    if device_id is not None:
        return Source(device_id)
    try:
        known = await accounts.redis.exists(_network_key(accounts.vault, email, caller.network))
    except RedisError as error:
        log.warning("devices.unknown", error=type(error).__name__)
        return Source(None, is_certain=False)
    return Source(caller.network if known else None)


async def remember(accounts: Accounts, caller: Caller, *, email: str) -> None:
    """Have the account know the network from now on."""
    try:
        await accounts.redis.set(_network_key(accounts.vault, email, caller.network), b"1", ex=NETWORK_SECONDS)
    except RedisError as error:
        log.warning("devices.not_remembered", error=type(error).__name__)


def _network_key(vault: Vault, email: str, network: str) -> str:
    return "login:known:" + hashlib.sha256(f"{vault.lookup(email)}\n{network}".encode()).hexdigest()
