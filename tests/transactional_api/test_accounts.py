"""Accounts: registering, logging in, and sessions that end when they should."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from neighborconnect.settings import Settings
from tests.transactional_api.people import Person, Town
from transactional_api.core import mailer
from transactional_api.identity.users import throttle

PASSWORD = "a long pass phrase"
ATTEMPTS = throttle.ACCOUNT.windows[0].amount


def registration(**changes: Any) -> dict[str, Any]:
    name = uuid4().hex
    person = {
        "email": f"{name}@example.org",
        "username": name,
        "password": PASSWORD,
        "first_name": "Ada",
        "last_name": "Okafor",
        "neighborhood": "Park Slope",
        "interests": ["gardening"],
    }
    return person | changes


async def register(town: Town, **changes: Any) -> dict[str, Any]:
    answer = await town.nobody.post("/users/register", registration(**changes))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def confirmed(town: Town, **changes: Any) -> dict[str, Any]:
    """Register somebody whose address counts as confirmed."""
    session = await register(town, **changes)
    await town.write("UPDATE users SET verified = true WHERE id = :id", id=session["user"]["id"])
    return session


async def test_registering_opens_a_session(town: Town) -> None:
    session = await register(town, first_name="  Zoë ", neighborhood="Red Hook")
    person = Person(session["user"]["id"], town.http, session["access_token"])
    profile = (await person.get("/users/profile")).json()
    assert profile == session["user"]
    assert (profile["first_name"], profile["neighborhood"], profile["interests"]) == ("Zoë", "Red Hook", ["gardening"])


async def test_no_answer_and_no_event_holds_the_password(town: Town) -> None:
    answer = await town.nobody.post("/users/register", registration())
    assert PASSWORD not in answer.text
    assert "password" not in answer.text
    user_id = answer.json()["user"]["id"]
    [(kept,)] = await town.rows("SELECT password_hash FROM users WHERE id = :id", id=user_id)
    assert kept.startswith("$argon2id$")


async def test_a_username_is_unique_in_any_case(town: Town) -> None:
    first = registration()
    await town.nobody.post("/users/register", first)
    second = await town.nobody.post("/users/register", registration(username=first["username"].upper()))
    assert (second.status_code, second.json()["code"]) == (409, "username_taken")


def shape(value: Any) -> Any:
    """Return the names in an answer with the kind and length of their values, whatever they say."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, str):
        return "time" if re.match(r"20\d\d-\d\d-", value) else len(value)
    return value


async def test_registering_does_not_tell_who_has_an_account(town: Town, settings: Settings) -> None:
    owner = registration()
    await register(town, **owner)
    details = {"phone": "+1 718 555 0114", "postal_code": "11215", "first_name": "Eve"}
    known = await town.nobody.post("/users/register", registration(**details, email=owner["email"].upper()))
    fresh = await town.nobody.post("/users/register", registration(**details))
    assert (known.status_code, fresh.status_code) == (201, 201)
    assert shape(known.json()) == shape(fresh.json())
    assert set(known.headers) == set(fresh.headers)
    assert known.json()["user"]["email"] == owner["email"]
    assert known.json()["user"]["username"] != owner["username"]
    nobody = Person(known.json()["user"]["id"], town.http, known.json()["access_token"])
    assert (await nobody.get("/users/profile")).status_code == 401
    await town.run_jobs()
    subjects = [str(one["Subject"]) for one in mailer.list_stored(settings) if one["To"] == owner["email"]]
    assert sorted(subjects) == ["Verify your email address", "You already have an account"]
    right = {"email": owner["email"], "password": PASSWORD}
    assert (await town.nobody.post("/users/login", right)).json()["user"]["username"] == owner["username"]


async def test_a_taken_username_is_refused_whoever_has_the_address(town: Town) -> None:
    one, other = registration(), registration()
    await register(town, **one)
    await register(town, **other)
    answers = [
        await town.nobody.post("/users/register", registration(username=other["username"], email=email))
        for email in (one["email"], f"{uuid4().hex}@example.org")
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "username_taken")] * 2


@pytest.mark.parametrize(
    "password", ["1234567890", "Password1234", "qwertyuiop", "aaaaaaaaaaaaaaa", "my {username}", "is {email} long"]
)
async def test_passwords_that_are_guessed_first_are_refused(town: Town, password: str) -> None:
    person = registration()
    person["password"] = password.format(username=person["username"].upper(), email=person["email"])
    refused = await town.nobody.post("/users/register", person)
    assert (refused.status_code, refused.json()["code"]) == (422, "weak_password")


async def test_a_weak_password_is_refused_wherever_one_is_set(town: Town, settings: Settings) -> None:
    session = await register(town)
    person, email = Person(session["user"]["id"], town.http, session["access_token"]), session["user"]["email"]
    changed = await person.put("/users/password", {"current_password": PASSWORD, "password": "1234567890"})
    assert (changed.status_code, changed.json()["code"]) == (422, "weak_password")
    await town.nobody.post("/users/password/forgot", {"email": email})
    await town.run_jobs()
    texts = [str(one.get_content()) for one in mailer.list_stored(settings) if one["To"] == email]
    token = next(text for text in texts if "/reset-password?" in text).split("token=")[1].split()[0]
    for password, status in (("1234567890", 422), ("another long pass phrase", 204)):
        answer = await town.nobody.post("/users/password/reset", {"token": token, "password": password})
        assert answer.status_code == status, "a refusal leaves the link good"


async def test_logging_in_works_with_the_address_in_any_case(town: Town) -> None:
    person = registration()
    await town.nobody.post("/users/register", person)
    answer = await town.nobody.post("/users/login", {"email": person["email"].upper(), "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json()["user"]["last_login"] is not None


async def test_an_unknown_address_and_a_wrong_password_answer_the_same(town: Town) -> None:
    person = registration()
    await town.nobody.post("/users/register", person)
    wrong = await town.nobody.post("/users/login", {"email": person["email"], "password": "something else"})
    unknown = await town.nobody.post("/users/login", {"email": f"x{person['email']}", "password": PASSWORD})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}


async def test_a_closed_account_can_neither_log_in_nor_read(town: Town) -> None:
    session = await register(town)
    person = Person(session["user"]["id"], town.http, session["access_token"])
    async with town.app.state.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE users SET is_active = false WHERE id = %s", (str(person.id),))
    login = await town.nobody.post("/users/login", {"email": session["user"]["email"], "password": PASSWORD})
    assert login.json()["code"] == "wrong_credentials"
    assert (await person.get("/users/profile")).status_code == 401
    refreshed = await town.nobody.post("/users/refresh", {"refresh_token": session["refresh_token"]})
    assert refreshed.status_code == 401


async def test_guessing_is_stopped_for_that_account_only(town: Town) -> None:
    guesses = {"email": f"{uuid4()}@example.org", "password": "guess"}
    answers = [await town.nobody.post("/users/login", guesses) for _ in range(ATTEMPTS + 1)]
    assert [answer.status_code for answer in answers] == [401] * ATTEMPTS + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= throttle.ACCOUNT.windows[0].get_expiry()
    other = await town.nobody.post("/users/login", guesses | {"email": f"{uuid4()}@example.org"})
    assert other.status_code == 401


async def test_a_success_forgets_the_failures_before_it(town: Town) -> None:
    person = registration()
    await town.nobody.post("/users/register", person)
    right = {"email": person["email"], "password": PASSWORD}
    for _ in range(ATTEMPTS - 1):
        await town.nobody.post("/users/login", right | {"password": "guess"})
    assert (await town.nobody.post("/users/login", right)).status_code == 200
    assert (await town.nobody.post("/users/login", right | {"password": "guess"})).status_code == 401


async def test_logout_ends_the_session_and_accepts_unknown_tokens(town: Town) -> None:
    token = {"refresh_token": (await register(town))["refresh_token"]}
    assert (await town.nobody.post("/users/logout", token)).status_code == 204
    assert (await town.nobody.post("/users/refresh", token)).status_code == 401
    assert (await town.nobody.post("/users/logout", {"refresh_token": "x" * 40})).status_code == 204


async def test_refresh_tokens_are_kept_as_hashes_only(town: Town) -> None:
    session = await register(town)
    kept = await town.rows(
        "SELECT row_to_json(t)::text FROM refresh_tokens t WHERE user_id = :id", id=session["user"]["id"]
    )
    assert len(kept) == 1
    assert session["refresh_token"] not in kept[0][0]


async def test_replacing_a_profile_clears_what_is_left_out(town: Town, ada: Person) -> None:
    await ada.put("/users/profile", {"first_name": "Ada", "last_name": "Obi", "city": "New York"})
    replaced = (await ada.put("/users/profile", {"first_name": "Ada", "last_name": "Obi"})).json()
    assert (replaced["last_name"], replaced["city"]) == ("Obi", None)
    assert replaced["updated_at"] > replaced["created_at"]


async def test_others_see_no_address_and_no_phone(town: Town, ada: Person) -> None:
    other = await town.create_user(phone="+1 718 555 0114", postal_code="11215")
    seen = (await ada.get(f"/users/{other.id}")).json()
    assert seen["id"] == str(other.id)
    assert not {"email", "phone", "postal_code", "last_login"} & set(seen)


async def test_search_finds_people_by_part_of_a_name_and_by_place(town: Town, ada: Person) -> None:
    mark = uuid4().hex[:12]
    found = await town.create_user(last_name=f"Mc{mark}", neighborhood=mark)
    await town.create_user(last_name=f"Mc{mark}", neighborhood="elsewhere")
    answer = (await ada.get("/users/search", q=f"c{mark}".upper(), neighborhood=mark)).json()
    assert [one["id"] for one in answer["items"]] == [str(found.id)]


async def test_search_takes_wildcards_literally(town: Town, ada: Person) -> None:
    mark = uuid4().hex[:12]
    await town.create_user(last_name=f"{mark}xy")
    percent = await town.create_user(last_name=f"{mark}%y")
    answer = (await ada.get("/users/search", q=f"{mark}%y")).json()
    assert [one["id"] for one in answer["items"]] == [str(percent.id)]
