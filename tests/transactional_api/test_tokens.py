"""Access tokens: whom they speak for, who can check them, and what happens when the secret changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from neighborconnect.settings import Settings
from tests.transactional_api.people import Person, Town
from transactional_api.core.errors import UnauthenticatedError
from transactional_api.core.security import tokens
from transactional_api.core.security.tokens import Bearer, issue_access_token, read_access_token

BEARER = Bearer(uuid4(), uuid4())


def forge(person: Person, settings: Settings, **changes: Any) -> str:
    """Sign with the platform's own key what it would never sign."""
    claims = {
        "iss": "neighborconnect",
        "aud": "neighborconnect-api",
        "sub": str(person.id),
        "sid": str(person.session_id),
        "jti": str(uuid4()),
        "exp": datetime.now(UTC) + timedelta(minutes=5),
    }
    kept = {name: value for name, value in (claims | changes).items() if value is not None}
    key = tokens._keys(settings)[0]
    return jwt.encode(kept, key.private, algorithm="EdDSA", headers={"kid": key.kid})


async def test_a_token_with_all_its_claims_speaks_for_its_person(town: Town, ada: Person) -> None:
    whole = Person(ada.id, town.http, forge(ada, town.app.state.settings))
    assert (await whole.get("/users/profile")).json()["id"] == str(ada.id)


@pytest.mark.parametrize(
    "change",
    [
        {"exp": datetime(2020, 1, 1, tzinfo=UTC)},
        {"iss": "somebody"},
        {"aud": "another-api"},
        {"sub": "not-an-id"},
        {"sub": str(UUID(int=7))},
        {"sid": str(UUID(int=7))},
        {"sid": None},
        {"jti": None},
        {"iat": datetime(2099, 1, 1, tzinfo=UTC)},
    ],
    ids=str,
)
async def test_a_token_that_is_not_good_speaks_for_nobody(town: Town, ada: Person, change: dict[str, Any]) -> None:
    stranger = Person(ada.id, town.http, forge(ada, town.app.state.settings, **change))
    answer = await stranger.get("/users/profile")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


class TestClocksOfTwoProcesses:
    """Two processes of the API may have different clocks, within a minute."""

    async def test_token_of_a_clock_ahead_is_accepted(self, town: Town, ada: Person) -> None:
        token = forge(ada, town.app.state.settings, iat=datetime.now(UTC) + timedelta(seconds=30))
        assert (await Person(ada.id, town.http, token).get("/users/profile")).status_code == 200

    async def test_expiry_has_no_leeway(self, town: Town, ada: Person) -> None:
        token = forge(ada, town.app.state.settings, exp=datetime.now(UTC) - timedelta(seconds=2))
        assert (await Person(ada.id, town.http, token).get("/users/profile")).status_code == 401


async def test_a_token_of_another_signer_speaks_for_nobody(town: Town, ada: Person) -> None:
    settings = town.app.state.settings
    claims = jwt.decode(ada.token, options={"verify_signature": False})
    kid = {"kid": tokens._keys(settings)[0].kid}
    public = tokens.public_keys(settings)[0]["x"]
    for forged in (
        jwt.encode(claims, None, algorithm="none", headers=kid),
        jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers=kid),
        jwt.encode(claims, public, algorithm="HS256", headers=kid),  # The public key taken for a shared secret.
        jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm="HS256", headers=kid),
        "no.token.atall",
    ):
        assert (await Person(ada.id, town.http, forged).get("/users/profile")).status_code == 401


async def test_anybody_can_check_a_token_with_the_published_keys(town: Town, ada: Person) -> None:
    answer = await town.http.get("/.well-known/jwks.json")
    keys = jwt.PyJWKSet.from_dict(answer.json())
    kid = jwt.get_unverified_header(ada.token)["kid"]
    claims = jwt.decode(ada.token, keys[kid], algorithms=["EdDSA"], audience="neighborconnect-api")
    assert claims["sub"] == str(ada.id)
    assert all("d" not in key for key in answer.json()["keys"])


def test_tokens_of_a_former_secret_stay_valid(settings: Settings) -> None:
    before = settings.model_copy(update={"jwt_secret": SecretStr("before")})
    after = settings.model_copy(update={"jwt_secret": SecretStr("after"), "jwt_former_secrets": SecretStr("x,before")})
    done = after.model_copy(update={"jwt_former_secrets": None})
    old, new = (issue_access_token(BEARER, settings=one) for one in (before, after))
    assert read_access_token(old, settings=after) == read_access_token(new, settings=done) == BEARER
    for token, settings_then in ((old, done), (new, before)):
        with pytest.raises(UnauthenticatedError):
            read_access_token(token, settings=settings_then)
