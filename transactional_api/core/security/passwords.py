"""Argon2 in threads, a bounded number at a time, so that hashing never holds up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from transactional_api.core.errors import Problem
from transactional_api.core.text import normalize_password

# OWASP's second recommendation for Argon2id: 19 MiB, two passes, one lane.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
AT_ONCE = 2
LEAST_SCORE = 2
"""Of zxcvbn's 0 to 4: at least a million guesses."""
LEAST_PERSONAL = 4
PRODUCT_WORDS = frozenset({"neighborconnect", "neighbor", "neighborhood", "connect"})
"""Words that a guesser would try on this product first."""
ESTIMATED_LENGTH = 72
NO_PASSWORD = "!"  # noqa: S105 (not a valid hash)


@lru_cache(maxsize=1)
def _nobodys_hash() -> str:
    return _hasher.hash("nobody has this password")


class WeakPasswordError(Problem):
    """The password is easy to guess."""

    status, code, title = 422, "weak_password", "This password is easy to guess; choose a longer or less common one"


async def refuse_weak(password: str, *, personal: Sequence[str]) -> None:
    """Raise ``WeakPasswordError`` for common passwords, and those that hold a user name or an address.

    ``personal`` are words of the person that a guesser would try.
    """
    password = normalize_password(password)
    words = {*PRODUCT_WORDS} | {word.lower() for entry in personal for word in (entry, entry.partition("@")[0])}
    holds_one = any(len(word) >= LEAST_PERSONAL and word in password.lower() for word in words - PRODUCT_WORDS)
    if holds_one or await asyncio.to_thread(_score, password, sorted(words)) < LEAST_SCORE:
        raise WeakPasswordError


def _score(password: str, words: list[str]) -> int:
    estimate = zxcvbn(password[:ESTIMATED_LENGTH], user_inputs=words, max_length=ESTIMATED_LENGTH)
    return int(estimate["score"])


async def hash_password(password: str) -> str:
    """Return the encoded Argon2id hash of ``password`` in its normalized form."""
    return await asyncio.to_thread(_hasher.hash, normalize_password(password))


async def password_matches(password: str, *, password_hash: str | None) -> bool:
    """Return whether ``password`` is the one that was hashed; without a hash it takes as long and the answer is no.

    Hashes from before passwords were normalized are of the code points as they were sent, which is tried second.
    """
    for form in dict.fromkeys((normalize_password(password), password)):
        if await asyncio.to_thread(_verify, form, password_hash):
            return True
    return False


def _verify(password: str, password_hash: str | None) -> bool:
    try:
        return _hasher.verify(password_hash or _nobodys_hash(), password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Return whether ``password_hash`` was made with other costs than today's."""
    return _hasher.check_needs_rehash(password_hash)
