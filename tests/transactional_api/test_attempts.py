"""Limits of guessing: no caller chooses the counter, no account is locked, and Redis away opens nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from redis.asyncio import Redis

from neighborconnect.settings import Settings
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_accounts import ATTEMPTS, PASSWORD, register, registration
from tests.transactional_api.test_second_factor import AT, with_phone
from transactional_api.core.security.callers import address_behind, network_of
from transactional_api.identity.users import throttle
from transactional_api.identity.users.throttle import Throttle

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.fixture
async def tight(town: Town) -> AsyncIterator[None]:
    """Four failures, three registrations and four letters a network and hour."""
    accounts = town.app.state.accounts
    before = accounts.throttle
    limits = dict.fromkeys(("rate_limit_failures", "rate_limit_letters"), "4/hour")
    settings = accounts.settings.model_copy(update=limits | {"rate_limit_registrations": "3/hour"})
    object.__setattr__(accounts, "throttle", Throttle(settings, town.app.state.redis))
    yield
    object.__setattr__(accounts, "throttle", before)


def somewhere_else() -> str:
    """Return an IPv6 address in a network that no other test has."""
    mark = uuid4().hex
    return f"2001:db8:{mark[:4]}:{mark[4:8]}::{mark[8:12]}"


async def log_in(nobody: Person, email: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
    return await nobody.post("/users/login", {"email": email, "password": password, **more})


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("127.0.0.1", ["203.0.113.7"], "127.0.0.1"),
        ("198.51.100.2", ["203.0.113.7"], "198.51.100.2"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["192.0.2.9, 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["192.0.2.9", "203.0.113.7, 10.2.3.4"], "203.0.113.7"),
        ("10.0.0.1", ["192.0.2.9, not an address, 10.2.3.4"], "10.2.3.4"),
        ("10.0.0.1", ["10.9.9.9, 10.2.3.4"], "10.9.9.9"),
        ("fd00::1", ['"[2001:db8::5]:4711"'], "2001:db8::5"),
        ("::ffff:10.0.0.1", ["203.0.113.7:4711"], "203.0.113.7"),
        ("", ["203.0.113.7"], ""),
    ],
)
def test_forwarded_addresses_count_if_trusted_proxies_wrote_them(
    peer: str, forwarded_for: list[str], client: str
) -> None:
    assert address_behind(peer, forwarded_for, trusted=PROXIES) == client


def test_a_network_is_an_ipv4_address_or_half_of_an_ipv6_address() -> None:
    assert network_of("203.0.113.7") == "203.0.113.7"
    assert network_of("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64"


def test_trusted_proxies_are_addresses_or_networks(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.trusted_proxies == []
    monkeypatch.setenv("TRUSTED_PROXIES", '["10.0.0.0/8", "::1"]')
    assert [str(one) for one in Settings(**settings.model_dump(exclude={"trusted_proxies"})).trusted_proxies] == [
        "10.0.0.0/8",
        "::1/128",
    ]


async def test_a_forged_forwarded_address_is_no_new_caller(town: Town) -> None:
    email = f"{uuid4()}@example.org"
    answers = [
        await log_in(town.at("127.0.0.1", **{"x-forwarded-for": f"203.0.113.{number}"}), email)
        for number in range(ATTEMPTS + 1)
    ]
    assert [answer.status_code for answer in answers] == [401] * ATTEMPTS + [429]


async def test_an_account_is_not_guessed_from_many_networks(town: Town) -> None:
    email = (await register(town))["user"]["email"]
    answers = [await log_in(town.at(somewhere_else()), email, "guess") for _ in range(ATTEMPTS + 1)]
    assert [answer.status_code for answer in answers] == [401] * ATTEMPTS + [429]
    assert (await log_in(town.at(somewhere_else()), email)).status_code == 429


async def test_nobody_locks_the_owner_out(town: Town) -> None:
    session = await register(town)
    email = session["user"]["email"]
    await asyncio.gather(*(log_in(town.at(somewhere_else()), email, "guess") for _ in range(ATTEMPTS + 5)))
    assert (await log_in(town.nobody, email)).status_code == 200, "their network is known"
    phone = town.at(somewhere_else(), **{"x-device-token": session["device_token"]})
    assert (await log_in(phone, email)).status_code == 200, "their device is known"
    other = (await register(town))["device_token"]
    assert (await log_in(town.at(somewhere_else(), **{"x-device-token": other}), email)).status_code == 429


async def test_a_known_device_guesses_no_more_than_others(town: Town) -> None:
    session = await register(town)
    phone = town.at(somewhere_else(), **{"x-device-token": session["device_token"]})
    answers = [await log_in(phone, session["user"]["email"], "guess") for _ in range(ATTEMPTS + 1)]
    assert answers[-1].status_code == 429


@pytest.mark.parametrize("token", ["x", "9a1c04f2:gAAAAABm", "a:b c"])
async def test_a_device_token_that_is_not_good_is_none(town: Town, token: str) -> None:
    session = await register(town)
    phone = town.at(somewhere_else(), **{"x-device-token": token})
    assert (await log_in(phone, session["user"]["email"])).status_code == 200


async def test_a_network_does_not_try_one_password_on_many_accounts(town: Town, tight: None) -> None:
    first, second = somewhere_else(), somewhere_else()
    answers = [await log_in(town.at(first), f"{uuid4()}@example.org") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401] * 4 + [429]
    neighbor = first.rpartition("::")[0] + "::1"
    assert (await log_in(town.at(neighbor), f"{uuid4()}@example.org")).status_code == 429, "of the same /64"
    assert (await log_in(town.at(second), f"{uuid4()}@example.org")).status_code == 401


async def test_many_guesses_at_once_do_not_slip_through(town: Town, tight: None) -> None:
    here = town.at(somewhere_else())
    answers = await asyncio.gather(*(log_in(here, f"{uuid4()}@example.org") for _ in range(12)))
    assert [answer.status_code for answer in answers].count(401) < 8


async def test_right_passwords_are_no_failures_of_a_network(town: Town, tight: None) -> None:
    here, people = town.at(somewhere_else()), [registration() for _ in range(3)]
    for person in people:
        assert (await town.at(somewhere_else()).post("/users/register", person)).status_code == 201
    emails = [person["email"] for person in people]
    answers = [await log_in(here, email) for email in emails * 3]
    assert {answer.status_code for answer in answers} == {200}


async def test_codes_cannot_be_guessed_from_many_networks(town: Town) -> None:
    phone = await with_phone(town)
    answers = [await log_in(town.at(somewhere_else()), phone.email, code="000000") for _ in range(ATTEMPTS + 1)]
    assert [answer.status_code for answer in answers] == [401] * ATTEMPTS + [429]
    right = await log_in(town.at(somewhere_else()), phone.email, code=phone.code())
    assert right.status_code == 429
    assert (await log_in(town.nobody, phone.email, code=phone.code())).status_code == 200, "their network is known"


async def test_recovery_codes_and_codes_share_a_limit(town: Town) -> None:
    phone = await with_phone(town)
    there = town.at(somewhere_else())
    guesses = ["000000", "00000000-00000000"] * (ATTEMPTS // 2)
    for code in guesses:
        await log_in(there, phone.email, code=code)
    assert (await log_in(there, phone.email, code=phone.codes[0])).status_code == 429


async def test_codes_cannot_be_guessed_where_the_factor_is_toggled(town: Town) -> None:
    phone = await with_phone(town)
    proofs = {"password": PASSWORD, "code": "000000"}
    answers = [await phone.person.post(f"{AT}/disable", proofs) for _ in range(ATTEMPTS + 1)]
    assert [answer.status_code for answer in answers] == [401] * ATTEMPTS + [429]
    session = await register(town)
    person = Person(UUID(session["user"]["id"]), town.http, session["access_token"])
    await town.write("UPDATE users SET verified = true WHERE id = :id", id=person.id)
    await person.post(AT, {"password": PASSWORD})
    answers = [await person.post(f"{AT}/confirm", {"code": "000000"}) for _ in range(ATTEMPTS + 1)]
    assert [answer.status_code for answer in answers] == [401] * ATTEMPTS + [429]


@pytest.mark.parametrize(
    ("path", "body", "refusal"),
    [
        ("/users/refresh", {"refresh_token": "x" * 40}, 401),
        ("/users/verify-email", {"token": "x" * 40}, 422),
        ("/users/password/reset", {"token": "x" * 40, "password": "another long pass phrase"}, 422),
    ],
)
async def test_a_network_does_not_guess_tokens(
    town: Town, tight: None, path: str, body: dict[str, str], refusal: int
) -> None:
    here = town.at(somewhere_else())
    answers = [await here.post(path, body) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [refusal] * 4 + [429]


async def test_guesses_of_secrets_are_limited_by_network(town: Town, tight: None) -> None:
    here = town.at(somewhere_else())
    form = {"grant_type": "refresh_token", "client_id": str(uuid4()), "client_secret": "x", "refresh_token": "x"}
    answers = [await here.http.post("/api/v1/oauth/token", data=form) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [400] * 4 + [429]
    here = town.at(somewhere_else())
    assert [(await here.get(f"/privacy/receipts/{'x' * 43}")).status_code for _ in range(5)] == [404] * 4 + [429]
    here = town.at(somewhere_else(), **{"x-platform-token": "guess"})
    assert [(await here.get("/privacy/platform/exports")).status_code for _ in range(5)] == [403] * 4 + [429]


async def test_one_network_opens_few_accounts_and_all_together_many(
    town: Town, tight: None, settings: Settings
) -> None:
    address = somewhere_else()
    answers = [await town.at(address).post("/users/register", registration()) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201] * 3 + [429]
    neighbor = town.at(address.rpartition("::")[0] + "::1")
    assert (await neighbor.post("/users/register", registration())).status_code == 429, "of the same /64"
    platform = town.at(address, **{"x-platform-token": settings.platform_token.get_secret_value()})
    vouched = await platform.post("/users/register", registration())
    assert (vouched.status_code, vouched.json()["user"]["verified"]) == (201, True)
    forged = await town.at(somewhere_else(), **{"x-platform-token": "x"}).post("/users/register", registration())
    assert forged.status_code == 403


async def test_a_network_has_few_letters_sent(town: Town, tight: None) -> None:
    here = town.at(somewhere_else())
    answers = [await here.post("/users/password/forgot", {"email": f"{uuid4()}@example.org"}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [204] * 4 + [429]


async def test_a_mailbox_gets_few_letters_from_any_kind_of_request(town: Town) -> None:
    session = await register(town)
    email, most = session["user"]["email"], throttle.MAILBOX.windows[0].amount
    person = Person(UUID(session["user"]["id"]), town.at(somewhere_else()).http, session["access_token"])
    answers = [await person.post("/users/verify-email/resend") for _ in range(most - 1)]
    assert {answer.status_code for answer in answers} == {204}, "the letter of the registration counts"
    assert (await person.post("/users/verify-email/resend")).status_code == 429
    forgot = {"email": email}
    waiting = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'users.send_password_reset'"
    [(before,)] = await town.rows(waiting)
    assert (await town.at(somewhere_else()).post("/users/password/forgot", forgot)).status_code == 204
    assert await town.rows(waiting) == [(before,)], "a stranger is answered alike, and no letter goes"
    assert (await town.nobody.post("/users/password/forgot", forgot)).status_code == 204
    assert await town.rows(waiting) == [(before + 1,)], "their network is known"


async def test_strangers_and_slips_do_not_stop_a_registration(town: Town) -> None:
    email, here = f"{uuid4()}@example.org", town.at(somewhere_else())
    for _ in range(throttle.MAILBOX.windows[0].amount + 1):
        await town.at(somewhere_else()).post("/users/password/forgot", {"email": email})
    body = registration() | {"email": email}
    slips = [await here.post("/users/register", body | {"password": "password123"}) for _ in range(6)]
    assert {slip.json()["code"] for slip in slips} == {"weak_password"}
    assert (await here.post("/users/register", body)).status_code == 201


async def test_without_redis_each_process_counts_and_nobody_is_locked(town: Town) -> None:
    accounts = town.app.state.accounts
    before = accounts.throttle, accounts.redis
    away = Redis.from_url("redis://127.0.0.1:9", socket_connect_timeout=1)
    email = (await register(town))["user"]["email"]
    object.__setattr__(accounts, "throttle", Throttle(accounts.settings, away))
    object.__setattr__(accounts, "redis", away)
    try:
        assert (await log_in(town.nobody, email)).status_code == 200
        answers = [await log_in(town.nobody, email, "guess") for _ in range(ATTEMPTS + 1)]
        assert [answer.status_code for answer in answers] == [401] * ATTEMPTS + [429]
    finally:
        object.__setattr__(accounts, "throttle", before[0])
        object.__setattr__(accounts, "redis", before[1])
        await away.aclose()
