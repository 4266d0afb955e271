"""Signed heads of the audit chain, published in a bucket of their own.

The database alone cannot show that the end of its chain was cut off, or that all of it was written again with fitting
digests. So the newest position and digest are signed with a key that the database does not have, and stored where its
credentials do not reach.
"""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from minio import Minio

from neighborconnect.settings import Settings

ALGORITHM = "EdDSA"
_PURPOSE = b"neighborconnect audit heads"
_PREFIX = "heads/"


class HeadError(Exception):
    """A published head cannot be trusted; the message says why."""


@dataclass(frozen=True, slots=True)
class Head:
    """Newest link of the chain when it was published."""

    position: int
    digest: str


def sign(head: Head, *, settings: Settings) -> str:
    """Return a head as a JSON Web Token, signed with the audit key."""
    # The claim has the name that heads in the bucket already have.
    claims = {"place": head.position, "digest": head.digest, "iat": datetime.now(UTC)}
    return jwt.encode(claims, _key(settings), algorithm=ALGORITHM)


def read(token: str | bytes, *, settings: Settings) -> Head:
    """Return the head that ``sign`` signed; raises ``HeadError`` if anything in it was changed."""
    try:
        claims = jwt.decode(
            token,
            _key(settings).public_key(),
            algorithms=[ALGORITHM],
            options={"require": ["place", "digest", "iat"]},
        )
        return Head(int(claims["place"]), str(claims["digest"]))
    except (jwt.PyJWTError, ValueError) as error:
        raise HeadError(f"the newest published head is not signed with AUDIT_KEY ({error})") from None


def _key(settings: Settings) -> Ed25519PrivateKey:
    secret = settings.audit_key.get_secret_value().encode()
    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret)
    return Ed25519PrivateKey.from_private_bytes(seed)


class PublishedHeads:
    """Heads in the audit bucket, one object each, in the order of their positions; the client blocks."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._bucket = settings, settings.s3_audit_bucket
        endpoint = urlsplit(settings.s3_endpoint_url)
        self._client = Minio(
            endpoint.netloc,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key.get_secret_value(),
            secure=endpoint.scheme == "https",
            region=settings.s3_region,
        )

    async def publish(self, head: Head) -> None:
        """Store a signed head; raises ``S3Error`` or ``HTTPError`` when the store does not take it."""
        data = sign(head, settings=self._settings).encode()
        # A folder per thousand positions, so that two short listings find the newest.
        key = f"{_PREFIX}{head.position // 1_000:017d}/{head.position:020d}.jwt"
        await asyncio.to_thread(
            self._client.put_object, self._bucket, key, io.BytesIO(data), len(data), content_type="application/jwt"
        )

    async def newest(self) -> Head | None:
        """Return the newest head, None if none was published; raises ``HeadError`` if it cannot be trusted."""
        token = await asyncio.to_thread(self._newest_token)
        return None if token is None else read(token, settings=self._settings)

    def _newest_token(self) -> bytes | None:
        key = self._last_under(self._last_under(_PREFIX))
        if key is None:
            return None
        with self._client.get_object(self._bucket, key) as response:
            return bytes(response.read())

    def _last_under(self, prefix: str | None) -> str | None:
        if prefix is None:
            return None
        names = (one.object_name for one in self._client.list_objects(self._bucket, prefix))
        return max((name for name in names if name), default=None)
