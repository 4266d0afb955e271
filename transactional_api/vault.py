"""Personal columns at rest: sealed with keys that rotate, and found again by a keyed hash.

Of each key of the settings two are derived, one that seals and one that hashes. The first key seals; the others open
what they sealed until ``transactional_api.users.sealing`` has sealed it anew.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

_KEY_ID_LENGTH = 8


class UnknownKeyError(RuntimeError):
    """A cipher was sealed with a key that the settings no longer name."""


class Vault:
    """Seals and opens texts. ``key_id`` begins every text that the first key sealed."""

    def __init__(self, keys: SecretStr) -> None:
        """Derive what is needed from ``keys``, which are parted by commas.

        Raises:
            ValueError: when there is none.
        """
        secrets = [key for key in keys.get_secret_value().split(",") if key]
        if not secrets:
            raise ValueError("PERSONAL_DATA_KEYS names no key")
        self._seals = {_derive(key, "id").hex()[:_KEY_ID_LENGTH]: _fernet(key) for key in secrets}
        self._hashes = [_derive(key, "lookup") for key in secrets]
        self.key_id = next(iter(self._seals))

    def seal(self, text: str) -> str:
        """Return the cipher of ``text``, in ASCII; two of the same text differ."""
        return f"{self.key_id}:{self._seals[self.key_id].encrypt(text.encode()).decode()}"

    def open(self, sealed: str) -> str:
        """Return the text of a cipher.

        Raises:
            UnknownKeyError: when its key is not among those of the settings.
            cryptography.fernet.InvalidToken: when it was changed.
        """
        key_id, _, cipher = sealed.partition(":")
        if key_id not in self._seals:
            raise UnknownKeyError(f"PERSONAL_DATA_KEYS lacks the key {key_id}")
        return self._seals[key_id].decrypt(cipher.encode()).decode()

    def lookup(self, text: str) -> str:
        """Return the hash that ``text`` is found by; hex, the same for the same text and first key."""
        return self.lookups(text)[0]

    def lookups(self, text: str) -> list[str]:
        """Return the hashes that ``text`` may stand under, those of the first key first."""
        return [hmac.new(key, text.encode(), hashlib.sha256).hexdigest() for key in self._hashes]


def _derive(key: str, purpose: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=f"neighborconnect {purpose}".encode()).derive(key.encode())


def _fernet(key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_derive(key, "seal")))
