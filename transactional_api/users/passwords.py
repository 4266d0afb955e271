"""Argon2 in threads, a bounded number at a time, so that hashing never holds up the event loop."""

from __future__ import annotations

import asyncio
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# OWASP's second recommendation for Argon2id: 19 MiB, two passes, one lane.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
AT_ONCE = 2


@lru_cache(maxsize=1)
def _nobodys_hash() -> str:
    return _hasher.hash("nobody has this password")


async def hash_password(password: str) -> str:
    """Return the encoded Argon2id hash of ``password``."""
    return await asyncio.to_thread(_hasher.hash, password)


async def password_matches(password: str, *, password_hash: str | None) -> bool:
    """Tell whether ``password`` is the one that was hashed; without a hash it takes as long and says no."""
    return await asyncio.to_thread(_verify, password, password_hash)


def _verify(password: str, password_hash: str | None) -> bool:
    try:
        return _hasher.verify(password_hash or _nobodys_hash(), password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Whether ``password_hash`` was made with other costs than today's."""
    return _hasher.check_needs_rehash(password_hash)
