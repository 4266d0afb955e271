"""Argon2 in threads, a bounded number at a time, so that hashing never holds up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from transactional_api.errors import Problem

# OWASP's second recommendation for Argon2id: 19 MiB, two passes, one lane.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
AT_ONCE = 2
LEAST_SCORE = 2
"""Of zxcvbn's 0 to 4: at least a million guesses."""
LEAST_PERSONAL = 4
PRODUCT_WORDS = frozenset({"neighborconnect", "neighbor", "neighborhood", "connect"})
"""Words that a guesser would try on this product first."""
ESTIMATED_LENGTH = 72
NO_PASSWORD = "!"  # noqa: S105 (what no password hashes to)


@lru_cache(maxsize=1)
def _nobodys_hash() -> str:
    return _hasher.hash("nobody has this password")


class WeakPasswordError(Problem):
    """The password is among the first that somebody would guess."""

    status, code, title = 422, "weak_password", "This password is easy to guess; choose a longer or less common one"


async def refuse_weak(password: str, *, personal: Sequence[str]) -> None:
    """Raise ``WeakPasswordError`` for common passwords, and those that hold a user name or an address.

    ``personal`` are words of the person that a guesser would try.
    """
    words = {*PRODUCT_WORDS} | {word.lower() for entry in personal for word in (entry, entry.partition("@")[0])}
    holds_one = any(len(word) >= LEAST_PERSONAL and word in password.lower() for word in words - PRODUCT_WORDS)
    if holds_one or await asyncio.to_thread(_score, password, sorted(words)) < LEAST_SCORE:
        raise WeakPasswordError


def _score(password: str, words: list[str]) -> int:
    estimate = zxcvbn(password[:ESTIMATED_LENGTH], user_inputs=words, max_length=ESTIMATED_LENGTH)
    return int(estimate["score"])


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
