"""Proofs of a mailbox, passwords, and sessions that can be ended."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from neighborconnect.settings import Settings
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_accounts import PASSWORD, register, registration
from transactional_api.core import mailer
from transactional_api.identity.users import throttle

NEW = "another long pass phrase"


def token_to(settings: Settings, email: str, *, purpose: str) -> str:
    """The token of the last letter of a purpose to somebody."""
    texts = [str(one.get_content()) for one in mailer.list_stored(settings) if one["To"] == email]
    return next(text for text in reversed(texts) if f"/{purpose}?" in text).split("token=")[1].split()[0]


async def log_in(town: Town, email: str, password: str = PASSWORD) -> dict[str, Any]:
    answer = await town.nobody.post("/users/login", {"email": email, "password": password})
    return dict(answer.json()) | {"status_code": answer.status_code}


def speaker(town: Town, session: dict[str, Any]) -> Person:
    return Person(session["user"]["id"], town.http, session["access_token"])


async def test_a_letter_confirms_the_address_of_a_new_user_once(town: Town, settings: Settings) -> None:
    session = await register(town)
    person = speaker(town, session)
    assert session["user"]["verified"] is False
    await town.run_jobs()
    token = {"token": token_to(settings, session["user"]["email"], purpose="verify-email")}
    assert (await town.nobody.post("/users/verify-email", token)).status_code == 204
    assert (await person.get("/users/profile")).json()["verified"] is True
    again = await town.nobody.post("/users/verify-email", token)
    assert (again.status_code, again.json()["code"]) == (422, "email_token_invalid")


async def test_a_second_letter_voids_the_first(town: Town, settings: Settings) -> None:
    session = await register(town)
    await town.run_jobs()
    first = token_to(settings, session["user"]["email"], purpose="verify-email")
    await speaker(town, session).post("/users/verify-email/resend")
    await town.run_jobs()
    assert (await town.nobody.post("/users/verify-email", {"token": first})).status_code == 422
    second = token_to(settings, session["user"]["email"], purpose="verify-email")
    assert (await town.nobody.post("/users/verify-email", {"token": second})).status_code == 204


async def test_a_token_is_good_for_its_own_purpose_only(town: Town, settings: Settings) -> None:
    session = await register(town)
    await town.run_jobs()
    token = token_to(settings, session["user"]["email"], purpose="verify-email")
    answer = await town.nobody.post("/users/password/reset", {"token": token, "password": NEW})
    assert answer.json()["code"] == "email_token_invalid"


async def test_a_forgotten_password_is_set_anew_and_every_session_ends(town: Town, settings: Settings) -> None:
    session = await register(town)
    email = session["user"]["email"]
    assert (await town.nobody.post("/users/password/forgot", {"email": email})).status_code == 204
    await town.run_jobs()
    body = {"token": token_to(settings, email, purpose="reset-password"), "password": NEW}
    answers = await asyncio.gather(*(town.nobody.post("/users/password/reset", body) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [204, 422]
    assert (await speaker(town, session).get("/users/profile")).status_code == 401
    refreshed = await town.nobody.post("/users/refresh", {"refresh_token": session["refresh_token"]})
    assert refreshed.status_code == 401
    assert (await log_in(town, email))["status_code"] == 401
    assert (await log_in(town, email, NEW))["user"]["verified"] is True


async def test_an_expired_token_is_no_good(town: Town, settings: Settings) -> None:
    session = await register(town)
    await town.run_jobs()
    await town.write(
        "UPDATE one_time_tokens SET expires_at = now() - interval '1 second' WHERE user_id = :user_id",
        user_id=session["user"]["id"],
    )
    token = token_to(settings, session["user"]["email"], purpose="verify-email")
    assert (await town.nobody.post("/users/verify-email", {"token": token})).status_code == 422


async def test_an_unknown_address_reveals_nothing_and_gets_no_letter(town: Town, settings: Settings) -> None:
    email = str(registration()["email"])
    answer = await town.nobody.post("/users/password/forgot", {"email": email})
    assert (answer.status_code, answer.content) == (204, b"")
    await town.run_jobs()
    assert [one for one in mailer.list_stored(settings) if one["To"] == email] == []


async def test_nobody_s_mailbox_is_filled_by_asking_again_and_again(town: Town) -> None:
    body = {"email": registration()["email"]}
    letters_an_hour = throttle.MAILBOX.windows[0].amount
    answers = [await town.nobody.post("/users/password/forgot", body) for _ in range(letters_an_hour + 1)]
    assert {answer.status_code for answer in answers} == {204}, "nobody learns that no letter goes any more"


async def test_changing_the_password_ends_the_other_sessions(town: Town) -> None:
    session = await register(town)
    email, here = session["user"]["email"], speaker(town, session)
    there = speaker(town, await log_in(town, email))
    body = {"current_password": PASSWORD, "password": NEW}
    assert (await here.put("/users/password", body | {"current_password": "not this"})).json()["code"] == (
        "wrong_password"
    )
    assert (await here.put("/users/password", body)).status_code == 204
    assert (await here.get("/users/profile")).status_code == 200
    assert (await there.get("/users/profile")).status_code == 401
    assert (await log_in(town, email, NEW))["status_code"] == 200


async def test_sessions_are_listed_and_ended_one_by_one(town: Town) -> None:
    session = await register(town)
    email, here = session["user"]["email"], speaker(town, session)
    there = speaker(town, await log_in(town, email))
    listed = (await here.get("/users/sessions")).json()["items"]
    assert [one["current"] for one in listed] == [False, True]
    assert all(one["user_agent"].startswith("python-httpx") for one in listed)
    assert (await here.delete(f"/users/sessions/{listed[0]['id']}")).status_code == 204
    assert (await there.get("/users/profile")).status_code == 401
    assert len((await here.get("/users/sessions")).json()["items"]) == 1
    assert (await here.delete(f"/users/sessions/{listed[0]['id']}")).status_code == 404


async def test_ending_the_others_keeps_this_one(town: Town) -> None:
    session = await register(town)
    here = speaker(town, session)
    others = [speaker(town, await log_in(town, session["user"]["email"])) for _ in range(2)]
    assert (await here.delete("/users/sessions")).status_code == 204
    assert [(await one.get("/users/profile")).status_code for one in (here, *others)] == [200, 401, 401]


async def test_a_session_that_ends_during_a_refresh_stays_ended(town: Town) -> None:
    session = await register(town)
    here = speaker(town, session)
    other = await log_in(town, session["user"]["email"])
    listed = (await here.get("/users/sessions")).json()["items"]
    other_id = next(one["id"] for one in listed if not one["current"])
    refreshed, _ = await asyncio.gather(
        town.nobody.post("/users/refresh", {"refresh_token": other["refresh_token"]}),
        here.delete(f"/users/sessions/{other_id}"),
    )
    if refreshed.status_code == 200:
        late = Person(here.id, town.http, refreshed.json()["access_token"])
        assert (await late.get("/users/profile")).status_code == 401
        token = {"refresh_token": refreshed.json()["refresh_token"]}
        assert (await town.nobody.post("/users/refresh", token)).status_code == 401


@pytest.mark.parametrize("until", ["now() + interval '1 day'", "now() - interval '1 second'"], ids=["now", "over"])
async def test_suspended_people_can_neither_log_in_nor_act(town: Town, until: str) -> None:
    session = await register(town)
    await town.write(f"UPDATE users SET suspended_until = {until} WHERE id = :id", id=session["user"]["id"])
    expected = 401 if "+" in until else 200
    assert (await log_in(town, session["user"]["email"]))["status_code"] == (403 if "+" in until else 200)
    assert (await speaker(town, session).get("/users/profile")).status_code == expected
    refreshed = await town.nobody.post("/users/refresh", {"refresh_token": session["refresh_token"]})
    assert refreshed.status_code == expected
