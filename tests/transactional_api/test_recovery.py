"""Recovery leaves only the owner of the mailbox, and letters tell of changes and undo them."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID, uuid4

import pyotp
import pytest

from neighborconnect.settings import Settings
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_accounts import PASSWORD, confirmed, register
from tests.transactional_api.test_attempts import somewhere_else
from tests.transactional_api.test_mailbox import NEW, log_in, token_to
from tests.transactional_api.test_oauth import make_app, speaks
from tests.transactional_api.test_provider_login import Provider, come_back
from tests.transactional_api.test_provider_login import log_in as log_in_elsewhere
from tests.transactional_api.test_provider_login import provider as provider  # noqa: PLC0414 (a fixture)
from tests.transactional_api.test_second_factor import AT, Phone, with_phone
from transactional_api.core import mailer

WAYS_IN = ("user_sessions", "linked_accounts", "second_factors", "push_devices", "oauth_codes")


def device() -> dict[str, str]:
    return {"kind": "expo", "address": f"ExponentPushToken[{uuid4().hex[:22]}]"}


def person_of(town: Town, session: dict[str, Any]) -> Person:
    return Person(UUID(session["user"]["id"]), town.http, session["access_token"])


async def ways_in(town: Town, person: Person) -> set[str]:
    """Return which tables still let somebody into an account."""
    found = set()
    for table in WAYS_IN:
        if await town.rows(f"SELECT 1 FROM {table} WHERE user_id = :id", id=person.id):
            found.add(table)
    if await town.rows("SELECT 1 FROM oauth_apps WHERE owner_id = :id", id=person.id):
        found.add("oauth_apps")
    return found


async def subjects_to(town: Town, settings: Settings, email: str) -> list[str]:
    await town.run_jobs()
    return [str(one["Subject"]) for one in mailer.list_stored(settings) if one["To"] == email]


async def undo(town: Town, settings: Settings, email: str) -> dict[str, Any]:
    """Follow the link of the last email about a change."""
    await town.run_jobs()
    answer = await town.nobody.post("/users/undo", {"token": token_to(settings, email, purpose="undo")})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def recover(town: Town, settings: Settings, email: str) -> None:
    await town.nobody.post("/users/password/forgot", {"email": email})
    await town.run_jobs()
    body = {"token": token_to(settings, email, purpose="reset-password"), "password": NEW}
    assert (await town.nobody.post("/users/password/reset", body)).status_code == 204


async def fill(town: Town, person: Person, session: dict[str, Any], provider: Provider) -> tuple[str, Person]:
    """Add every way into an account; returns the secret of the second factor, and the app that acts in it."""
    assert (await person.post("/users/links/local", await come_back(town))).status_code == 200
    assert (await person.post("/notifications/devices", device())).status_code == 201
    app_made = {"name": "Backdoor", "redirect_uris": ["https://evil.example/callback"]}
    assert (await person.post("/oauth/apps", app_made)).status_code == 201
    app = await make_app(town)
    acting = speaks(town, await app.trade(await app.answer(session["user"]["email"])))
    begun = (await person.post(AT, {"password": PASSWORD})).json()
    first = pyotp.TOTP(begun["secret"]).at(time.time() - 30)
    assert (await person.post(f"{AT}/confirm", {"code": first})).status_code == 200
    return begun["secret"], acting


async def test_a_reset_of_an_unconfirmed_account_leaves_only_its_owner(
    town: Town, settings: Settings, provider: Provider
) -> None:
    session = await confirmed(town)
    thief, email = person_of(town, session), session["user"]["email"]
    _, app = await fill(town, thief, session, provider)
    await town.write("UPDATE users SET verified = false WHERE id = :id", id=thief.id)
    assert await ways_in(town, thief) == {*WAYS_IN, "oauth_apps"}
    await recover(town, settings, email)
    assert await ways_in(town, thief) == set()
    assert (await thief.get("/users/profile")).status_code == (await app.get("/events")).status_code == 401
    refreshed = await town.nobody.post("/users/refresh", {"refresh_token": session["refresh_token"]})
    assert refreshed.status_code == 401
    assert (await log_in_elsewhere(town)).json()["user"]["id"] != str(thief.id)
    assert (await log_in(town, email, NEW))["user"]["verified"] is True


async def test_a_reset_of_a_confirmed_account_keeps_the_second_factor(
    town: Town, settings: Settings, provider: Provider
) -> None:
    session = await confirmed(town)
    person, email = person_of(town, session), session["user"]["email"]
    secret, app = await fill(town, person, session, provider)
    await recover(town, settings, email)
    assert await ways_in(town, person) == {"second_factors", "oauth_apps"}
    assert (await person.get("/users/profile")).status_code == (await app.get("/events")).status_code == 401
    assert (await log_in(town, email, NEW))["code"] == "second_factor_required"
    proofs = {"email": email, "password": NEW, "code": pyotp.TOTP(secret).now()}
    assert (await town.nobody.post("/users/login", proofs)).status_code == 200


async def test_a_first_password_keeps_the_login_provider(town: Town, settings: Settings, provider: Provider) -> None:
    first = (await log_in_elsewhere(town)).json()
    await recover(town, settings, first["user"]["email"])
    assert (await log_in_elsewhere(town)).json()["user"]["id"] == first["user"]["id"]


async def test_no_way_into_an_unconfirmed_account_is_added(town: Town, provider: Provider) -> None:
    session = await register(town)
    person = person_of(town, session)
    for refused in (
        await person.post(AT, {"password": PASSWORD}),
        await person.post("/users/links/local", await come_back(town)),
        await person.post("/notifications/devices", device()),
        await person.post("/oauth/apps", {"name": "Backdoor", "redirect_uris": ["https://evil.example/callback"]}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "email_not_verified")
    app = await make_app(town)
    page = await app.answer(session["user"]["email"])
    assert page.status_code == 200
    assert "Verify your email address first" in page.text
    assert await ways_in(town, person) == {"user_sessions"}


async def test_letters_tell_of_every_new_way_in(town: Town, settings: Settings, provider: Provider) -> None:
    session = await confirmed(town)
    person, email = person_of(town, session), session["user"]["email"]
    secret, _ = await fill(town, person, session, provider)
    proofs = {"password": PASSWORD, "code": pyotp.TOTP(secret).now()}
    assert (await person.post(f"{AT}/disable", proofs)).status_code == 204
    changed = await person.put("/users/password", {"current_password": PASSWORD, "password": NEW})
    assert changed.status_code == 204
    there = town.at(somewhere_else())
    assert (await there.post("/users/login", {"email": email, "password": NEW})).status_code == 200
    assert sorted(await subjects_to(town, settings, email)) == [
        "A new login",
        "A new login method",
        "An app has access to your account",
        "Notifications on a new device",
        "Your password was changed",
        "Your second factor was turned off",
        "Your second factor was turned on",
    ]


async def test_a_known_device_or_network_is_no_news(town: Town, settings: Settings) -> None:
    session = await confirmed(town)
    email, again = session["user"]["email"], {"email": session["user"]["email"], "password": PASSWORD}
    await town.nobody.post("/users/login", again)
    phone = town.at(somewhere_else(), **{"x-device-token": session["device_token"]})
    await phone.post("/users/login", again)
    assert await subjects_to(town, settings, email) == []


async def test_undoing_a_password_makes_it_void_and_sets_a_new_one(town: Town, settings: Settings) -> None:
    session = await confirmed(town)
    owner, email = person_of(town, session), session["user"]["email"]
    await owner.put("/users/password", {"current_password": PASSWORD, "password": "the thief has this one"})
    undone = await undo(town, settings, email)
    assert (await owner.get("/users/profile")).status_code == 401
    for void in (PASSWORD, "the thief has this one"):
        assert (await log_in(town, email, void))["status_code"] == 401
    body = {"token": undone["password_reset_token"], "password": NEW}
    assert (await town.nobody.post("/users/password/reset", body)).status_code == 204
    assert (await log_in(town, email, NEW))["status_code"] == 200


async def test_undoing_works_once(town: Town, settings: Settings) -> None:
    session = await confirmed(town)
    await person_of(town, session).put("/users/password", {"current_password": PASSWORD, "password": NEW})
    await town.run_jobs()
    token = {"token": token_to(settings, session["user"]["email"], purpose="undo")}
    assert [(await town.nobody.post("/users/undo", token)).status_code for _ in range(2)] == [200, 422]


async def test_undoing_a_second_factor_lets_its_owner_in_without_it(town: Town, settings: Settings) -> None:
    phone = await with_phone(town)
    undone = await undo(town, settings, phone.email)
    body = {"token": undone["password_reset_token"], "password": NEW}
    await town.nobody.post("/users/password/reset", body)
    assert (await log_in(town, phone.email, NEW))["status_code"] == 200


async def test_undoing_that_it_was_turned_off_restores_it_over_another(town: Town, settings: Settings) -> None:
    phone = await with_phone(town)
    await phone.person.post(f"{AT}/disable", {"password": PASSWORD, "code": phone.codes[0]})
    await town.run_jobs()
    token = token_to(settings, phone.email, purpose="undo")
    begun = (await phone.person.post(AT, {"password": PASSWORD})).json()
    thief = Phone(phone.person, phone.email, begun["secret"], [])
    await phone.person.post(f"{AT}/confirm", {"code": thief.code()})
    undone = (await town.nobody.post("/users/undo", {"token": token})).json()
    body = {"token": undone["password_reset_token"], "password": NEW}
    await town.nobody.post("/users/password/reset", body)
    proofs = {"email": phone.email, "password": NEW}
    stolen = await town.nobody.post("/users/login", proofs | {"code": thief.code(steps=1)})
    assert stolen.json()["code"] == "wrong_code"
    assert (await town.nobody.post("/users/login", proofs | {"code": phone.code()})).status_code == 200


async def test_a_link_can_be_undone_without_a_password(town: Town, settings: Settings, provider: Provider) -> None:
    session = await confirmed(town)
    owner, email = person_of(town, session), session["user"]["email"]
    await town.write("UPDATE users SET password_hash = '!' WHERE id = :id", id=owner.id)
    await owner.post("/users/links/local", await come_back(town))
    await undo(town, settings, email)
    assert await ways_in(town, owner) == set()


@pytest.mark.parametrize("is_confirmed", [True, False], ids=["confirmed", "not confirmed"])
async def test_an_unconfirmed_address_gets_no_letters_of_others(
    town: Town, settings: Settings, is_confirmed: bool
) -> None:
    session = await register(town)
    if is_confirmed:
        await town.write("UPDATE users SET verified = true WHERE id = :id", id=session["user"]["id"])
    person = person_of(town, session)
    await person.put("/users/password", {"current_password": PASSWORD, "password": NEW})
    async with town.app.state.context.transaction() as transaction:
        await mailer.enqueue(transaction, user_id=person.id, subject="News", text="Come and see.\n")
    about = [one for one in await subjects_to(town, settings, session["user"]["email"]) if "Verify" not in one]
    assert sorted(about) == (["News", "Your password was changed"] if is_confirmed else [])
