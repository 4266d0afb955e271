"""Browsers log in by cookie; writes need the CSRF token of the session and a page of an allowed origin."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import Response

from tests.transactional_api.people import API, Person, Town
from tests.transactional_api.test_accounts import PASSWORD, register
from transactional_api.core.security.tokens import Bearer
from transactional_api.core.security.web_sessions import COOKIE, seal, set_cookie

AT = f"{API}/users/web-session"
PROFILE = f"{API}/users/profile"
NAMES = {"first_name": "Ada", "last_name": "Byron"}


@pytest.fixture
def browser(town: Town) -> httpx.AsyncClient:
    """A browser without cookies."""
    return town.at("192.0.2.1").http


async def log_in(town: Town, browser: httpx.AsyncClient, **headers: str) -> httpx.Response:
    """Register somebody and log in."""
    email = (await register(town))["user"]["email"]
    return await browser.post(AT, json={"email": email, "password": PASSWORD}, headers=headers)


def sealed(town: Town, person: Person) -> dict[str, str]:
    """Return the cookie header of a person's session."""
    assert person.session_id is not None
    return {"Cookie": f"{COOKIE}={seal(Bearer(person.id, person.session_id), settings=town.app.state.settings)}"}


async def test_a_cookie_reads_and_writes_with_its_csrf_token(town: Town, browser: httpx.AsyncClient) -> None:
    opened = await log_in(town, browser)
    assert opened.status_code == 200, opened.text
    attributes = {part.strip().lower() for part in opened.headers["set-cookie"].split(";")[1:]}
    assert attributes == {"httponly", "path=/", "samesite=lax", f"max-age={30 * 24 * 60 * 60}"}
    assert browser.cookies[COOKIE] not in opened.text
    token, user = opened.json()["csrf_token"], opened.json()["user"]
    assert (await browser.get(PROFILE)).json() == user
    assert (await browser.get(AT)).json()["csrf_token"] == token

    other = (await log_in(town, town.at("192.0.2.1").http)).json()["csrf_token"]
    for headers, code in (
        ({}, "csrf_token_invalid"),
        ({"X-CSRF-Token": other}, "csrf_token_invalid"),
        ({"X-CSRF-Token": token, "Origin": "https://evil.example"}, "origin_not_allowed"),
        ({"X-CSRF-Token": token, "Origin": "null"}, "origin_not_allowed"),
    ):
        refused = await browser.put(PROFILE, json=NAMES, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, code)
    assert (await browser.get(PROFILE)).json() == user
    for origin in ("http://api.test", "http://localhost:5173"):
        changed = await browser.put(PROFILE, json=NAMES, headers={"X-CSRF-Token": token, "Origin": origin})
        assert changed.json()["last_name"] == "Byron"


async def test_tabs_renew_at_once_and_log_out_together(town: Town, browser: httpx.AsyncClient) -> None:
    opened = (await log_in(town, browser)).json()
    await town.write(
        "UPDATE user_sessions SET expires_at = now() + interval '1 hour' WHERE user_id = :id", id=opened["user"]["id"]
    )
    csrf = {"X-CSRF-Token": opened["csrf_token"]}
    tabs = await asyncio.gather(*(browser.post(f"{AT}/renew", headers=csrf) for _ in range(4)))
    assert {tab.status_code for tab in tabs} == {200}
    assert tabs[0].json()["expires_at"] > opened["expires_at"]
    cookie = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
    assert (await browser.delete(AT, headers=csrf)).status_code == 204
    assert COOKIE not in browser.cookies
    assert (await browser.get(PROFILE, headers=cookie)).status_code == 401


async def test_tokens_are_exchanged_for_a_cookie(town: Town, browser: httpx.AsyncClient) -> None:
    tokens = await register(town)
    body = {"refresh_token": tokens["refresh_token"]}
    assert (await browser.post(f"{AT}/exchange", json=body)).json()["user"]["id"] == tokens["user"]["id"]
    assert (await browser.get(PROFILE)).status_code == 200
    assert (await browser.post(f"{API}/users/refresh", json=body)).status_code == 401
    assert (await browser.get(PROFILE)).status_code == 401, "a used token ends its session"


async def test_a_foreign_page_cannot_log_in(town: Town, browser: httpx.AsyncClient) -> None:
    refused = await log_in(town, browser, Origin="https://evil.example")
    assert (refused.status_code, refused.json()["code"]) == (403, "origin_not_allowed")
    assert "set-cookie" not in refused.headers


async def test_a_cookie_opens_the_stream(town: Town, ada: Person, browser: httpx.AsyncClient) -> None:
    opened = await browser.get(f"{API}/notifications/stream", params={"seconds": 0}, headers=sealed(town, ada))
    assert (opened.status_code, opened.text.split("\n")[0]) == (200, "event: started")


async def test_a_bearer_token_comes_before_a_cookie(town: Town, ada: Person, ben: Person) -> None:
    seen = await ada.request("GET", "/users/profile", headers=sealed(town, ben))
    assert seen.json()["id"] == str(ada.id)
    assert (await ada.request("GET", "/users/web-session", headers=sealed(town, ben))).status_code == 401


@pytest.mark.parametrize("change", ["expired", "suspended", "another user", "another signature", "short", "words"])
async def test_a_cookie_that_is_not_valid_is_refused(
    town: Town, ada: Person, browser: httpx.AsyncClient, change: str
) -> None:
    cookie = sealed(town, ada)["Cookie"].partition("=")[2]
    raw: Any = urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4))
    changed = {"another user": uuid4().bytes + raw[16:], "another signature": raw[:-1] + bytes([raw[-1] ^ 1])}
    if change == "expired":
        await town.write("UPDATE user_sessions SET expires_at = now() WHERE id = :id", id=ada.session_id)
    elif change == "suspended":
        await town.write("UPDATE users SET suspended_until = now() + interval '1 day' WHERE id = :id", id=ada.id)
    else:
        wrong = changed.get(change, b"")
        cookie = urlsafe_b64encode(wrong).decode() if wrong else {"short": "", "words": "%00;ü"}[change]
    headers = [(b"cookie", f"{COOKIE}={cookie}".encode("latin-1"))]
    answer = await browser.get(PROFILE, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_over_https_the_cookie_is_of_this_host_alone(town: Town) -> None:
    settings = town.app.state.settings.model_copy(update={"public_api_url": "https://api.example.org"})
    response = Response()
    set_cookie(response, Bearer(uuid4(), uuid4()), settings=settings)
    cookie = response.headers["set-cookie"]
    assert cookie.startswith("__Host-nc_session=")
    assert "; Secure" in cookie
