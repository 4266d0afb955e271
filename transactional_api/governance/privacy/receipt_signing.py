"""Signatures of erasure receipts: Ed25519 over the canonical JSON of the receipt (RFC 8785).

The first secret of ``RECEIPT_KEYS`` signs. The public keys of all of them are published as a JSON Web Key Set
(RFC 8037), so that receipts of former keys can still be verified. Verification needs the receipt and that set alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.algorithms import OKPAlgorithm

from neighborconnect.settings import Settings

SIGNATURE: Final = "signature"
_PURPOSE: Final = b"neighborconnect erasure receipts"
_KEY_ID_LENGTH: Final = 16


class ReceiptError(Exception):
    """A receipt is not valid; the message is one sentence for the user."""


def sign(receipt: Mapping[str, Any], *, settings: Settings) -> dict[str, Any]:
    """Return the receipt with a ``signature`` member: ``key_id``, and ``digest`` and ``value`` as hex.

    Args:
        receipt: JSON members without floats, for which sorted keys without spaces are the canonical form.
        settings: with ``RECEIPT_KEYS``.
    """
    key, message = _private_keys(settings)[0], _canonical(receipt)
    signature = {
        "key_id": _key_id(key.public_key()),
        "digest": hashlib.sha256(message).hexdigest(),
        "value": key.sign(message).hex(),
    }
    return {**receipt, SIGNATURE: signature}


def public_keys(settings: Settings) -> list[dict[str, Any]]:
    """Return the public keys that verify receipts, as JSON Web Keys, the one that signs first."""
    return [_jwk(key.public_key()) for key in _private_keys(settings)]


def verify(receipt: Mapping[str, Any], *, keys: Sequence[Mapping[str, Any]]) -> str:
    """Verify a receipt and return its digest.

    Args:
        receipt: the receipt with its signature.
        keys: JSON Web Keys, of which one signed it.

    Raises:
        ReceiptError: when it has no signature, no key fits, or anything in it was changed.
    """
    signature = receipt.get(SIGNATURE)
    if not isinstance(signature, Mapping):
        raise ReceiptError("the receipt has no signature; it is signed when the erasure is complete everywhere")
    key = next((key for key in map(_public_key, keys) if _key_id(key) == signature.get("key_id")), None)
    if key is None:
        raise ReceiptError(f"none of the public keys is the signing key {signature.get('key_id')}")
    message = _canonical(receipt)
    value = str(signature.get("value"))
    try:
        key.verify(bytes.fromhex(value), message)
    except (InvalidSignature, ValueError):
        raise ReceiptError("the receipt was changed after it was signed") from None
    digest = hashlib.sha256(message).hexdigest()
    # Hexadecimal digits have two spellings; any change is reported.
    if dict(signature) != {"key_id": _key_id(key), "digest": digest, "value": bytes.fromhex(value).hex()}:
        raise ReceiptError("the receipt was changed after it was signed")
    return digest


def parse(text: str | bytes) -> dict[str, Any]:
    """Return the members of a JSON object; raises ``ReceiptError`` for anything else, or a repeated member."""
    try:
        value = json.loads(text, object_pairs_hook=_unique_members)
    except (ValueError, RecursionError) as error:
        raise ReceiptError(f"it is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise ReceiptError("it is not a JSON object")
    return value


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member is repeated")
    return members


def _canonical(receipt: Mapping[str, Any]) -> bytes:
    signed = {name: value for name, value in receipt.items() if name != SIGNATURE}
    return json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _private_keys(settings: Settings) -> list[Ed25519PrivateKey]:
    secrets = [secret for secret in settings.receipt_keys.get_secret_value().split(",") if secret]
    if not secrets:
        raise ValueError("RECEIPT_KEYS names no key")
    return [_derive(secret) for secret in secrets]


@lru_cache(maxsize=16)
def _derive(secret: str) -> Ed25519PrivateKey:
    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
    return Ed25519PrivateKey.from_private_bytes(seed)


def _key_id(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:_KEY_ID_LENGTH]


def _jwk(key: Ed25519PublicKey) -> dict[str, Any]:
    return {**OKPAlgorithm.to_jwk(key, as_dict=True), "kid": _key_id(key), "use": "sig", "alg": "EdDSA"}


def _public_key(jwk: Mapping[str, Any]) -> Ed25519PublicKey:
    try:
        key = OKPAlgorithm.from_jwk(dict(jwk))
    except (jwt.InvalidKeyError, ValueError, TypeError) as error:
        raise ReceiptError(f"a public key is not a JSON Web Key of Ed25519 ({error})") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ReceiptError("a public key is not a public JSON Web Key of Ed25519")
    return key
