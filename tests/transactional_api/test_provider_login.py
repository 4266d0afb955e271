"""Logging in with another service: a provider on this machine that checks what the API sends it."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from neighborconnect.settings import OAuthProvider
from tests.transactional_api.local_server import serving
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_accounts import confirmed
from tests.transactional_api.test_second_factor import with_phone


class Provider:
    """A provider that knows one person at a time and lies as the test asks."""

    def __init__(self) -> None:
        self.url = ""
        self.key = RSAKey.generate_key(2048, {"kid": "1"}, private=True)
        self.other_key = RSAKey.generate_key(2048, {"kid": "1"}, private=True)
        self.person: dict[str, Any] = {}
        self.lies: dict[str, Any] = {}
        self.forges = False
        self._asked: dict[str, dict[str, str]] = {}
        routes = {
            "/.well-known/openid-configuration": self.metadata,
            "/authorize": self.authorize,
            "/token": self.token,
            "/keys": self.keys,
        }
        self.app = Starlette(routes=[Route(path, answer, methods=["GET", "POST"]) for path, answer in routes.items()])

    async def metadata(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
            }
        )

    async def authorize(self, request: Request) -> Response:
        asked, code = dict(request.query_params), uuid4().hex
        self._asked[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?code={code}&state={asked['state']}")

    async def token(self, request: Request) -> Response:
        form = await request.form()
        asked = self._asked.pop(str(form["code"]), None)
        proof = hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest()
        proved = asked and base64.urlsafe_b64encode(proof).rstrip(b"=").decode() == asked["code_challenge"]
        if asked is None or not proved or form["redirect_uri"] != asked["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        told = {"iss": self.url, "aud": asked["client_id"], "iat": now, "exp": now + 60, "nonce": asked["nonce"]}
        key = self.other_key if self.forges else self.key
        id_token = jwt.encode({"alg": "RS256", "kid": "1"}, told | self.person | self.lies, key)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": id_token})

    async def keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})


@pytest.fixture
async def provider(town: Town) -> AsyncIterator[Provider]:
    made = Provider()
    accounts = town.app.state.accounts
    before = accounts.settings
    async with serving(made.app) as url:
        made.url = url
        known = OAuthProvider(name="local", issuer=url, client_id="nc", client_secret=SecretStr("secret"))
        changed = before.model_copy(update={"oauth_providers": [known]})
        object.__setattr__(accounts, "settings", changed)
        town.app.state.settings = changed
        name = uuid4().hex
        made.person = {
            "sub": name,
            "email": f"{name}@example.org",
            "email_verified": True,
            "given_name": "Zoë",
            "family_name": "Li",
        }
        yield made
        object.__setattr__(accounts, "settings", before)
        town.app.state.settings = before


async def come_back(town: Town) -> dict[str, str]:
    """Begin a log-in, let the provider send the person back, and return what the browser has then."""
    begun = (await town.nobody.post("/users/login/local/begin")).json()
    async with httpx.AsyncClient(timeout=60) as browser:
        sent = await browser.get(begun["url"])
    back = parse_qs(urlsplit(sent.headers["location"]).query)
    return {"code": back["code"][0], "state": back["state"][0], "binding": begun["binding"]}


async def log_in(town: Town, **changes: str) -> httpx.Response:
    return await town.nobody.post("/users/login/local", await come_back(town) | changes)


async def test_who_is_new_gets_an_account_and_comes_back_to_it(town: Town, provider: Provider) -> None:
    assert (await town.http.get("/api/v1/users/login/providers")).json() == {"providers": ["local"]}
    first = (await log_in(town)).json()
    assert (first["user"]["first_name"], first["user"]["verified"]) == ("Zoë", True)
    assert first["user"]["email"] == provider.person["email"]
    assert first["user"]["username"].startswith("zo.li.")
    again = (await log_in(town)).json()
    assert again["user"]["id"] == first["user"]["id"]
    own = Person(UUID(first["user"]["id"]), town.http, first["access_token"])
    assert [one["provider"] for one in (await own.get("/users/links")).json()["links"]] == ["local"]
    last = await own.delete("/users/links/local")
    assert (last.status_code, last.json()["code"]) == (409, "last_login_method")


async def test_who_is_suspended_is_told_so(town: Town, provider: Provider) -> None:
    first = (await log_in(town)).json()
    await town.write("UPDATE users SET suspended_until = '9999-01-01' WHERE id = :id", id=first["user"]["id"])
    refused = await log_in(town)
    assert (refused.status_code, refused.json()["code"]) == (403, "suspended")


async def test_an_address_alone_opens_nobodys_account(town: Town, provider: Provider) -> None:
    session = await confirmed(town, email=provider.person["email"])
    answer = await log_in(town)
    assert (answer.status_code, answer.json()["code"]) == (409, "account_exists")
    own = Person(UUID(session["user"]["id"]), town.http, session["access_token"])
    assert (await own.post("/users/links/local", await come_back(town))).status_code == 200
    assert (await log_in(town)).json()["user"]["id"] == session["user"]["id"]
    assert (await own.delete("/users/links/local")).status_code == 204


async def test_an_address_that_is_not_proved_makes_no_account(town: Town, provider: Provider) -> None:
    provider.person["email_verified"] = False
    assert (await log_in(town)).json()["code"] == "provider_email_not_verified"


async def test_claims_obey_the_rules_of_our_own_fields(town: Town, provider: Provider) -> None:
    provider.person |= {"given_name": "Zo\u0000ë", "family_name": "x" * 5_000, "name": "Ana\nMaria Li"}
    user = (await log_in(town)).json()["user"]
    assert (user["first_name"], user["last_name"]) == ("New", "Li")
    provider.person |= {"sub": uuid4().hex, "email": "not an address"}
    assert (await log_in(town)).json()["code"] == "provider_email_not_verified"


@pytest.mark.parametrize(
    "lie",
    [
        {"sub": "x" * 256},
        {"sub": ""},
        {"sub": "a\u0000b"},
        {"sub": 7},
        {"nonce": "another"},
        {"aud": "another"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"sub": None},
    ],
    ids=str,
)
async def test_what_a_provider_says_is_checked(town: Town, provider: Provider, lie: dict[str, Any]) -> None:
    provider.lies = lie
    answer = await log_in(town)
    assert (answer.status_code, answer.json()["code"]) == (502, "provider_failed")


async def test_a_signature_of_another_key_is_nobodys(town: Town, provider: Provider) -> None:
    provider.forges = True
    assert (await log_in(town)).status_code == 502


async def test_only_who_began_a_log_in_finishes_it_once(town: Town, provider: Provider) -> None:
    stolen = await log_in(town, binding="x" * 40)
    assert (stolen.status_code, stolen.json()["code"]) == (422, "login_expired")
    mine = await come_back(town)
    assert (await town.nobody.post("/users/login/local", mine)).status_code == 200
    assert (await town.nobody.post("/users/login/local", mine)).status_code == 422


async def test_a_link_is_one_persons(town: Town, provider: Provider, ada: Person, ben: Person) -> None:
    assert (await ada.post("/users/links/local", await come_back(town))).status_code == 200
    taken = await ben.post("/users/links/local", await come_back(town))
    assert (taken.status_code, taken.json()["code"]) == (409, "already_linked")
    assert (await ada.post("/users/links/local", await come_back(town))).status_code == 200
    assert (await ben.delete("/users/links/local")).status_code == 404


async def test_the_second_factor_holds_here_too(town: Town, provider: Provider) -> None:
    phone = await with_phone(town)
    await phone.person.post("/users/links/local", await come_back(town))
    assert (await log_in(town)).json()["code"] == "second_factor_required"
    assert (await log_in(town, one_time_code=phone.code())).status_code == 200


async def test_a_provider_that_nobody_knows_or_that_is_away(town: Town, provider: Provider) -> None:
    assert (await town.nobody.post("/users/login/elsewhere/begin")).status_code == 404
    provider.url = "https://another.example"  # It says that it is somebody else.
    assert (await town.nobody.post("/users/login/local/begin")).json()["code"] == "provider_failed"
