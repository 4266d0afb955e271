"""``/.well-known``: public keys that verify access tokens."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from transactional_api.core.security.tokens import public_keys

CACHE_SECONDS = 300

router = APIRouter(prefix="/.well-known", tags=["platform"])


class PublicKey(BaseModel):
    """An Ed25519 public key (RFC 8037)."""

    kty: Literal["OKP"] = Field(examples=["OKP"])
    crv: Literal["Ed25519"] = Field(examples=["Ed25519"])
    x: str = Field(examples=["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"])
    kid: str = Field(examples=["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"])
    use: Literal["sig"] = Field(examples=["sig"])
    alg: Literal["EdDSA"] = Field(examples=["EdDSA"])


class KeySet(BaseModel):
    """Public keys that verify signatures, the current signing key first."""

    keys: list[PublicKey]


@router.get("/jwks.json", operation_id="getKeys")
async def keys(request: Request, response: Response) -> KeySet:
    """Get the public keys of access tokens (a JSON Web Key Set)."""
    response.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    return KeySet(keys=[PublicKey(**key) for key in public_keys(request.app.state.settings)])
