"""Client of login providers: OpenID Connect authorization code flow with PKCE, state, nonce and browser binding."""

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
from transactional_api.core.errors import NotFoundError, Problem, UnavailableError
from transactional_api.core.text import Line
from transactional_api.identity.oauth.schemas import LoginBegun, LoginReturned
from transactional_api.identity.users.schemas import Email, PersonName
from transactional_api.identity.users.tokens import LoginExpiredError

LOGIN_SECONDS = 600
PROVIDER_SECONDS = 5.0
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]
SCOPE = "openid email profile"

log = get_logger(__name__)

_SUBJECT: TypeAdapter[str] = TypeAdapter(Annotated[Line, StringConstraints(strict=True, min_length=1, max_length=255)])
_EMAIL: TypeAdapter[str] = TypeAdapter(Email)
_NAME: TypeAdapter[str] = TypeAdapter(PersonName)


class ProviderFailedError(Problem):
    """The provider is unavailable, or its response is not valid."""

    status, code, title = 502, "provider_failed", "The login provider failed"


@dataclass(frozen=True, slots=True)
class Identity:
    """Identity returned by a provider. ``subject`` never changes; ``email`` is None unless the provider verified it."""

    provider: str
    subject: str
    email: str | None
    first_name: str
    last_name: str


def provider_named(settings: Settings, name: str) -> OAuthProvider:
    """Return a provider from settings; raises ``NotFoundError`` for an unknown name."""
    for provider in settings.oauth_providers:
        if provider.name == name:
            return provider
    raise NotFoundError


async def begin(settings: Settings, redis: Redis, *, name: str) -> LoginBegun:
    """Prepare a login with a provider.

    Raises:
        NotFoundError: when the provider does not exist.
        ProviderFailedError: when the provider does not respond.
        UnavailableError: when Redis does not respond.
    """
    provider = provider_named(settings, name)
    state, nonce, verifier, binding = (secrets.token_urlsafe(32) for _ in range(4))
    metadata = await _metadata(provider)
    async with _client(settings, provider) as client:
        url, _ = client.create_authorization_url(
            metadata["authorization_endpoint"], state=state, code_verifier=verifier, nonce=nonce
        )
    login = {"provider": name, "verifier": verifier, "nonce": nonce, "binding": _hash(binding)}
    try:
        await redis.set(_key(state), orjson.dumps(login), ex=LOGIN_SECONDS)
    except RedisError:
        raise UnavailableError from None
    return LoginBegun(url=url, binding=binding)


async def finish(settings: Settings, redis: Redis, *, name: str, returned: LoginReturned) -> Identity:
    """Exchange the parameters of the redirect for an identity.

    Raises:
        LoginExpiredError: when no login with this state and binding is in progress.
        ProviderFailedError: when the provider returns no valid identity.
        UnavailableError: when Redis does not respond.
    """
    provider = provider_named(settings, name)
    try:
        stored = await redis.getdel(_key(returned.state))
    except RedisError:
        raise UnavailableError from None
    login = orjson.loads(stored) if stored else {}
    if login.get("provider") != name or not hmac.compare_digest(login["binding"], _hash(returned.binding)):
        raise LoginExpiredError
    metadata = await _metadata(provider)
    async with _client(settings, provider) as client:
        try:
            token = await client.fetch_token(
                metadata["token_endpoint"], code=returned.code, code_verifier=login["verifier"]
            )
            keys = await _fetch(metadata["jwks_uri"])
            claims = _verify_claims(token["id_token"], keys=keys, provider=provider, nonce=login["nonce"])
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
        document: dict[str, Any] = (await plain.get(address)).raise_for_status().json()
    return document


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


def _verify_claims(token: str, *, keys: Any, provider: OAuthProvider, nonce: str) -> dict[str, Any]:
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
    """Return the claims as an identity, validated like fields of the API.

    Raises:
        ValidationError: when the subject is not valid; an invalid name or address is omitted.
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


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _key(state: str) -> str:
    return f"oauth:login:{_hash(state)}"
