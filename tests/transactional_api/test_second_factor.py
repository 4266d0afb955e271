"""A second factor: begun, confirmed, asked for, used once, and replaced by paper."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import UUID

import httpx
import pyotp
import pytest

from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_accounts import PASSWORD, confirmed

AT = "/users/second-factor"


class Phone:
    """Somebody with an authenticator app."""

    def __init__(self, person: Person, email: str, secret: str, codes: list[str]) -> None:
        self.person, self.email, self.totp, self.codes = person, email, pyotp.TOTP(secret), codes

    def code(self, *, steps: int = 0) -> str:
        return self.totp.at(time.time() + 30 * steps)


async def with_phone(town: Town) -> Phone:
    session = await confirmed(town)
    person = Person(UUID(session["user"]["id"]), town.http, session["access_token"])
    begun = (await person.post(AT, {"password": PASSWORD})).json()
    # The code of the half minute before, so that the next one is still to come.
    first = pyotp.TOTP(begun["secret"]).at(time.time() - 30)
    codes = (await person.post(f"{AT}/confirm", {"code": first})).json()["codes"]
    return Phone(person, session["user"]["email"], begun["secret"], codes)


async def log_in(town: Town, phone: Phone, **more: Any) -> httpx.Response:
    return await town.nobody.post("/users/login", {"email": phone.email, "password": PASSWORD, **more})


async def test_nothing_is_asked_for_before_it_is_confirmed(town: Town) -> None:
    session = await confirmed(town)
    person = Person(UUID(session["user"]["id"]), town.http, session["access_token"])
    begun = (await person.post(AT, {"password": PASSWORD})).json()
    assert begun["secret"] in begun["uri"]
    credentials = {"email": session["user"]["email"], "password": PASSWORD}
    assert (await town.nobody.post("/users/login", credentials)).status_code == 200
    wrong = await person.post(f"{AT}/confirm", {"code": "000000"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_code")
    assert (await person.get(AT)).json() == {"enabled": False, "recovery_codes_left": 0}


async def test_logging_in_asks_for_a_code_and_takes_it_once(town: Town) -> None:
    phone = await with_phone(town)
    without = await log_in(town, phone)
    assert (without.status_code, without.json()["code"]) == (401, "second_factor_required")
    code = phone.code()
    answers = await asyncio.gather(*(log_in(town, phone, code=code) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]
    assert (await log_in(town, phone, code=phone.code(steps=-3))).json()["code"] == "wrong_code"


async def test_codes_cannot_be_guessed_for_ever(town: Town) -> None:
    phone = await with_phone(town)
    answers = [await log_in(town, phone, code="000000") for _ in range(12)]
    assert answers[-1].status_code == 429


async def test_paper_opens_the_account_once_a_code(town: Town) -> None:
    phone = await with_phone(town)
    assert (await phone.person.get(AT)).json() == {"enabled": True, "recovery_codes_left": 10}
    assert (await log_in(town, phone, code=phone.codes[0])).status_code == 200
    assert (await log_in(town, phone, code=phone.codes[0])).status_code == 401
    assert (await phone.person.get(AT)).json()["recovery_codes_left"] == 9


async def test_a_wrong_password_asks_for_no_code(town: Town) -> None:
    phone = await with_phone(town)
    answer = await town.nobody.post("/users/login", {"email": phone.email, "password": "not this one"})
    assert answer.json()["code"] == "wrong_credentials"


@pytest.mark.parametrize("paper", [False, True], ids=["app", "paper"])
async def test_turning_it_off_needs_the_password_and_a_code(town: Town, *, paper: bool) -> None:
    phone = await with_phone(town)
    again = await phone.person.post(AT, {"password": PASSWORD})
    assert (again.status_code, again.json()["code"]) == (409, "second_factor_on")
    code = phone.codes[0] if paper else phone.code()
    for proofs, refusal in (
        ({"password": PASSWORD}, (401, "second_factor_required")),
        ({"password": PASSWORD, "code": "000000"}, (401, "wrong_code")),
        ({"password": "not this one", "code": code}, (403, "wrong_password")),
    ):
        refused = await phone.person.post(f"{AT}/disable", proofs)
        assert (refused.status_code, refused.json()["code"]) == refusal
    assert (await phone.person.post(f"{AT}/disable", {"password": PASSWORD, "code": code})).status_code == 204
    assert (await log_in(town, phone)).status_code == 200


async def test_neither_secret_nor_paper_lies_open(town: Town) -> None:
    phone = await with_phone(town)
    [(row,)] = await town.rows(
        "SELECT second_factors::text FROM second_factors WHERE user_id = :id", id=phone.person.id
    )
    assert phone.totp.secret not in row
    assert not any(code in row for code in phone.codes)
