"""Dependencies of the account services."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from redis.asyncio import Redis

from neighborconnect.settings import Settings
from transactional_api.core.security.field_encryption import FieldCipher
from transactional_api.identity.users.throttle import Throttle


@dataclass(frozen=True, slots=True)
class UserServices:
    """Dependencies of the account services, in addition to the database session of the request.

    ``hashing`` limits concurrent password hashing, and with it the connections that wait for it.
    """

    settings: Settings
    redis: Redis
    hashing: asyncio.Semaphore
    cipher: FieldCipher
    throttle: Throttle
