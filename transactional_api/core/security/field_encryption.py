"""Encryption of personal columns with rotating keys, and blind indexes (keyed hashes) to look rows up by.

Two keys are derived from each key of the settings: one encrypts, one hashes. The first encrypts; the others decrypt
what they encrypted until ``transactional_api.identity.users.reencryption`` has encrypted it again.
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
    """A ciphertext was encrypted with a key that the settings no longer contain."""


class FieldCipher:
    """Encrypts and decrypts texts. Ciphertexts of the first key start with ``key_id``."""

    def __init__(self, keys: SecretStr) -> None:
        """Derive the encryption and hash keys from the comma-separated ``keys``.

        Raises:
            ValueError: when there is none.
        """
        secrets = [key for key in keys.get_secret_value().split(",") if key]
        if not secrets:
            raise ValueError("PERSONAL_DATA_KEYS names no key")
        self._ciphers = {_derive(key, "id").hex()[:_KEY_ID_LENGTH]: _fernet(key) for key in secrets}
        self._hashes = [_derive(key, "lookup") for key in secrets]
        self.key_id = next(iter(self._ciphers))

    def encrypt(self, text: str) -> str:
        """Return the ciphertext of ``text`` in ASCII; repeated encryption gives different results."""
        return f"{self.key_id}:{self._ciphers[self.key_id].encrypt(text.encode()).decode()}"

    def decrypt(self, ciphertext: str) -> str:
        """Return the text of a ciphertext.

        Raises:
            UnknownKeyError: when its key is not among those of the settings.
            cryptography.fernet.InvalidToken: when it was changed.
        """
        key_id, _, cipher = ciphertext.partition(":")
        if key_id not in self._ciphers:
            raise UnknownKeyError(f"PERSONAL_DATA_KEYS lacks the key {key_id}")
        return self._ciphers[key_id].decrypt(cipher.encode()).decode()

    def blind_index(self, text: str) -> str:
        """Return the hash for lookups of ``text``; hex, equal for the same text and first key."""
        return self.blind_indexes(text)[0]

    def blind_indexes(self, text: str) -> list[str]:
        """Return the hashes under which ``text`` may be stored, that of the first key first."""
        return [hmac.new(key, text.encode(), hashlib.sha256).hexdigest() for key in self._hashes]


def _derive(key: str, purpose: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=f"neighborconnect {purpose}".encode()).derive(key.encode())


def _fernet(key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_derive(key, "seal")))
