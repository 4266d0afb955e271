"""Asking other services who somebody is: OpenID Connect, code flow with PKCE, state, nonce and a binding."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Annotated, Any

import httpx2
import orjson
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import StringConstraints, TypeAdapter, ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from neighborconnect.settings import OAuthProvider, Settings
from neighborconnect.telemetry import get_logger
from transactional_api.errors import NotFoundError, Problem, UnavailableError
from transactional_api.oauth.schemas import LoginBegun, LoginReturned
from transactional_api.text import Line
from transactional_api.users.schemas import Email, Name

BEGUN_SECONDS = 600
PROVIDER_SECONDS = 5.0
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]
SCOPE = "openid email profile"

log = get_logger(__name__)

_SUBJECT: TypeAdapter[str] = TypeAdapter(Annotated[Line, StringConstraints(strict=True, min_length=1, max_length=255)])
_EMAIL: TypeAdapter[str] = TypeAdapter(Email)
_NAME: TypeAdapter[str] = TypeAdapter(Name)


class LoginExpiredError(Problem):
    """Nobody began this log-in here in the last ten minutes, or it was finished before."""

    status, code, title = 422, "login_expired", "Begin to log in again"


class ProviderFailedError(Problem):
    """The other service does not say who somebody is, or not so that it can be believed."""

    status, code, title = 502, "provider_failed", "The other service did not tell us who you are"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a provider vouches for. ``subject`` is theirs for good; the address is None where they did not prove it."""

    provider: str
    subject: str
    email: str | None
    first_name: str
    last_name: str


def provider_named(settings: Settings, name: str) -> OAuthProvider:
    """Return a provider of the settings; raises ``NotFoundError`` for any other."""
    for provider in settings.oauth_providers:
        if provider.name == name:
            return provider
    raise NotFoundError


async def begin(settings: Settings, redis: Redis, *, name: str) -> LoginBegun:
    """Prepare a log-in with a provider.

    Raises:
        NotFoundError: when there is no such provider.
        ProviderFailedError: when it does not answer.
        UnavailableError: when Redis does not.
    """
    provider = provider_named(settings, name)
    state, nonce, verifier, binding = (secrets.token_urlsafe(32) for _ in range(4))
    metadata = await _metadata(provider)
    async with _client(settings, provider) as client:
        url, _ = client.create_authorization_url(
            metadata["authorization_endpoint"], state=state, code_verifier=verifier, nonce=nonce
        )
    kept = {"provider": name, "verifier": verifier, "nonce": nonce, "binding": _hash(binding)}
    try:
        await redis.set(_key(state), orjson.dumps(kept), ex=BEGUN_SECONDS)
    except RedisError:
        raise UnavailableError from None
    return LoginBegun(url=url, binding=binding)


async def finish(settings: Settings, redis: Redis, *, name: str, returned: LoginReturned) -> Identity:
    """Trade what a person came back with for who they are.

    Raises:
        LoginExpiredError: when nobody with this binding began it.
        ProviderFailedError: when the provider does not vouch for anyone.
        UnavailableError: when Redis does not answer.
    """
    provider = provider_named(settings, name)
    try:
        found = await redis.getdel(_key(returned.state))
    except RedisError:
        raise UnavailableError from None
    begun = orjson.loads(found) if found else {}
    if begun.get("provider") != name or not hmac.compare_digest(begun["binding"], _hash(returned.binding)):
        raise LoginExpiredError
    metadata = await _metadata(provider)
    async with _client(settings, provider) as client:
        try:
            token = await client.fetch_token(
                metadata["token_endpoint"], code=returned.code, code_verifier=begun["verifier"]
            )
            keys = await _fetch(metadata["jwks_uri"])
            claims = _checked(token["id_token"], keys=keys, provider=provider, nonce=begun["nonce"])
            return _identity(name, claims)
        except (AuthlibBaseError, JoseError, httpx2.HTTPError, KeyError, ValueError) as error:
            log.warning("oauth.provider_failed", provider=name, error=type(error).__name__)
            raise ProviderFailedError from None


def _client(settings: Settings, provider: OAuthProvider) -> AsyncOAuth2Client:
    return AsyncOAuth2Client(
        client_id=provider.client_id,
        client_secret=provider.client_secret.get_secret_value(),
        scope=SCOPE,
        redirect_uri=f"{settings.public_url.rstrip('/')}/oauth/{provider.name}",
        code_challenge_method="S256",
        timeout=PROVIDER_SECONDS,
    )


async def _fetch(address: str) -> dict[str, Any]:
    async with httpx2.AsyncClient(timeout=PROVIDER_SECONDS) as plain:
        found: dict[str, Any] = (await plain.get(address)).raise_for_status().json()
    return found


async def _metadata(provider: OAuthProvider) -> dict[str, Any]:
    try:
        metadata = await _fetch(f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
        named = {name: str(metadata[name]) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    except (httpx2.HTTPError, KeyError, ValueError) as error:
        log.warning("oauth.provider_failed", provider=provider.name, error=type(error).__name__)
        raise ProviderFailedError from None
    if metadata.get("issuer") != provider.issuer:
        raise ProviderFailedError
    return named


def _checked(token: str, *, keys: Any, provider: OAuthProvider, nonce: str) -> dict[str, Any]:
    claims = jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS).claims
    rules = jwt.JWTClaimsRegistry(
        leeway=60,
        iss={"essential": True, "value": provider.issuer},
        aud={"essential": True, "value": provider.client_id},
        exp={"essential": True},
        sub={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    rules.validate(claims)
    return dict(claims)


def _identity(provider: str, claims: dict[str, Any]) -> Identity:
    """Return the claims as an identity. They come from outside, so they obey the rules of our own fields.

    Raises:
        ValidationError: when the subject is not one; a name or an address that is not valid is left out.
    """
    first, _, last = str(claims.get("name") or "").partition(" ")
    return Identity(
        provider=provider,
        subject=_SUBJECT.validate_python(claims["sub"]),
        email=_valid(_EMAIL, claims.get("email")) if claims.get("email_verified") is True else None,
        first_name=_valid(_NAME, claims.get("given_name")) or _valid(_NAME, first) or "New",
        last_name=_valid(_NAME, claims.get("family_name")) or _valid(_NAME, last) or "Neighbor",
    )


def _valid(adapter: TypeAdapter[str], claim: object) -> str | None:
    try:
        return adapter.validate_python(claim, strict=True)
    except ValidationError:
        return None


def _hash(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()


def _key(state: str) -> str:
    return f"oauth:login:{_hash(state)}"
