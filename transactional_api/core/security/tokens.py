"""Access tokens: JSON Web Tokens signed with Ed25519, and the public keys that anybody may check them with.

A signing key is derived from a secret of the settings, so that rotating is: move ``JWT_SECRET`` to
``JWT_FORMER_SECRETS``, set a new one, restart. Tokens of former secrets stay good until they expire.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.algorithms import OKPAlgorithm

from neighborconnect.settings import Settings
from transactional_api.core.errors import UnauthenticatedError

ISSUER = "neighborconnect"
AUDIENCE = "neighborconnect-api"
ALGORITHM = "EdDSA"
CLOCK_LEEWAY_SECONDS = 60
"""How far the clock of the process that issued a token may be ahead; expiry has no leeway."""
_PURPOSE = b"neighborconnect access tokens"
_REFRESH_PURPOSE = b"neighborconnect refresh tokens"


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom an access token speaks for, and in which session."""

    user_id: UUID
    session_id: UUID


@dataclass(frozen=True, slots=True, eq=False)
class _Key:
    private: Ed25519PrivateKey
    kid: str
    public_jwk: dict[str, Any]


def issue_access_token(bearer: Bearer, *, settings: Settings) -> str:
    """Return a signed token that speaks for a person for ``access_token_minutes``."""
    now = datetime.now(UTC)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(bearer.user_id),
        "sid": str(bearer.session_id),
        "jti": str(uuid4()),
        "iat": now,
        "exp": now + timedelta(minutes=settings.access_token_minutes),
    }
    key = _keys(settings)[0]
    return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})


def read_access_token(token: str, *, settings: Settings) -> Bearer:
    """Return whom a token speaks for.

    Raises:
        UnauthenticatedError: when it is not ours, not for us, changed or expired.
    """
    bearer, expires_at = _read(token, _keys(settings))
    if expires_at <= time.time():
        raise UnauthenticatedError("The access token is not valid")
    return bearer


# Checking a signature takes as long as a statement; whether the session still lives is asked every time.
@lru_cache(maxsize=4_096)
def _read(token: str, keys: tuple[_Key, ...]) -> tuple[Bearer, float]:
    try:
        kid = jwt.get_unverified_header(token).get("kid")
        key = next((one for one in keys if one.kid == kid), None)
        if key is None:
            raise jwt.InvalidKeyError
        claims = jwt.decode(
            token,
            key.private.public_key(),
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=CLOCK_LEEWAY_SECONDS,
            options={"require": ["iss", "aud", "sub", "sid", "jti", "exp"]},
        )
        return Bearer(UUID(claims["sub"]), UUID(claims["sid"])), float(claims["exp"])
    except (jwt.PyJWTError, ValueError, AttributeError):
        raise UnauthenticatedError("The access token is not valid") from None


def public_keys(settings: Settings) -> list[dict[str, Any]]:
    """Return the public keys (RFC 8037 JWKs) of every token that may still be good, the signing one first."""
    return [key.public_jwk for key in _keys(settings)]


def successors_of(refresh_token: str, *, settings: Settings) -> list[str]:
    """Return the refresh tokens that ``refresh_token`` may be exchanged for, the one of the present secret first."""
    return [
        jwt.utils.base64url_encode(hmac.digest(key, refresh_token.encode(), "sha256")).decode()
        for key in derived_keys(settings, _REFRESH_PURPOSE)
    ]


def derived_keys(settings: Settings, purpose: bytes) -> list[bytes]:
    """Return keys for a purpose of their own, one for each secret of access tokens, the present one first."""
    return [_derived_key(secret, purpose) for secret in _secrets(settings)]


@lru_cache(maxsize=64)
def _derived_key(secret: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())


def _secrets(settings: Settings) -> list[str]:
    former = settings.jwt_former_secrets.get_secret_value().split(",") if settings.jwt_former_secrets else []
    return [one for one in (settings.jwt_secret.get_secret_value(), *former) if one]


def _keys(settings: Settings) -> tuple[_Key, ...]:
    # The same secrets give the very same keys, which what was read with them is remembered by.
    return tuple(_key(one) for one in _secrets(settings))


@lru_cache(maxsize=64)
def _key(secret: str) -> _Key:
    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
    private = Ed25519PrivateKey.from_private_bytes(seed)
    jwk = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    # RFC 7638: the digest of the required members in lexical order.
    members = json.dumps({name: jwk[name] for name in ("crv", "kty", "x")}, separators=(",", ":"))
    kid = jwt.utils.base64url_encode(hashlib.sha256(members.encode()).digest()).decode()
    return _Key(
        private, kid, {"kty": jwk["kty"], "crv": jwk["crv"], "x": jwk["x"], "kid": kid, "use": "sig", "alg": ALGORITHM}
    )
