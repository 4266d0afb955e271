"""What accounts are served with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from redis.asyncio import Redis

from neighborconnect.settings import Settings
from transactional_api.users.throttle import Throttle
from transactional_api.vault import Vault


@dataclass(frozen=True, slots=True)
class Accounts:
    """What accounts are served with, beside the session of the request.

    ``hashing`` bounds how many passwords are hashed at once, and with them the connections that wait for it.
    """

    settings: Settings
    redis: Redis
    hashing: asyncio.Semaphore
    vault: Vault
    throttle: Throttle
