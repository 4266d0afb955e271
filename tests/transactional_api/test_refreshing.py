"""A refresh token survives two tabs and a lost response; a copy of it ends the session."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_accounts import PASSWORD, register
from tests.transactional_api.test_mailbox import token_to
from transactional_api.core.security.tokens import successors_of


async def refresh(town: Town, token: str) -> Any:
    return await town.nobody.post("/users/refresh", {"refresh_token": token})


async def is_logged_in(town: Town, tokens: dict[str, Any]) -> bool:
    person = Person(town.nobody.id, town.http, tokens["access_token"])
    return (await person.get("/users/profile")).status_code == 200


async def age(town: Town, user_id: str) -> None:
    """Let the grace period of every exchange of a person pass."""
    await town.write(
        "UPDATE refresh_tokens SET used_at = used_at - interval '1 minute' WHERE user_id = :id", id=user_id
    )


@pytest.mark.parametrize("tabs", [2, 10])
async def test_tabs_that_refresh_at_once_stay_logged_in(town: Town, tabs: int) -> None:
    token = (await register(town))["refresh_token"]
    for _ in range(2):
        answers = await asyncio.gather(*(refresh(town, token) for _ in range(tabs)))
        assert {answer.status_code for answer in answers} == {200}
        assert all([await is_logged_in(town, answer.json()) for answer in answers])
        (token,) = {answer.json()["refresh_token"] for answer in answers}


async def test_a_client_that_lost_the_response_asks_again(town: Town) -> None:
    first = (await register(town))["refresh_token"]
    lost = (await refresh(town, first)).json()
    repeated = await refresh(town, first)
    assert repeated.status_code == 200
    assert repeated.json()["refresh_token"] == lost["refresh_token"]
    assert (await refresh(town, repeated.json()["refresh_token"])).status_code == 200


async def test_reuse_after_the_grace_period_ends_the_session(town: Town) -> None:
    session = await register(town)
    second = (await refresh(town, session["refresh_token"])).json()
    await age(town, session["user"]["id"])
    reused = await refresh(town, session["refresh_token"])
    assert (reused.status_code, reused.json()["code"]) == (401, "refresh_token_reused")
    again = await refresh(town, session["refresh_token"])
    assert again.json()["code"] == "refresh_token_invalid"
    assert (await refresh(town, second["refresh_token"])).status_code == 401
    assert not await is_logged_in(town, second)


async def test_reuse_of_an_older_refresh_token_ends_the_session(town: Town) -> None:
    first = (await register(town))["refresh_token"]
    second = (await refresh(town, first)).json()["refresh_token"]
    third = (await refresh(town, second)).json()
    assert (await refresh(town, first)).status_code == 401
    assert (await refresh(town, third["refresh_token"])).status_code == 401
    assert not await is_logged_in(town, third)


async def test_theft_in_the_grace_period_is_detected_at_the_next_use(town: Town) -> None:
    session = await register(town)
    own = (await refresh(town, session["refresh_token"])).json()
    stolen = (await refresh(town, session["refresh_token"])).json()
    assert (await refresh(town, stolen["refresh_token"])).status_code == 200
    await age(town, session["user"]["id"])
    assert (await refresh(town, own["refresh_token"])).status_code == 401
    assert not await is_logged_in(town, stolen)


async def test_reuse_in_one_session_leaves_another_alone(town: Town) -> None:
    session = await register(town)
    other = await town.nobody.post("/users/login", {"email": session["user"]["email"], "password": PASSWORD})
    await refresh(town, session["refresh_token"])
    await age(town, session["user"]["id"])
    assert (await refresh(town, session["refresh_token"])).status_code == 401
    assert (await refresh(town, other.json()["refresh_token"])).status_code == 200


@pytest.mark.parametrize("ending", ["log out", "end the session", "set a new password"])
async def test_the_grace_period_revives_no_session_that_was_ended(town: Town, ending: str) -> None:
    session = await register(town)
    email = session["user"]["email"]
    other = (await town.nobody.post("/users/login", {"email": email, "password": PASSWORD})).json()
    successor = (await refresh(town, session["refresh_token"])).json()
    if ending == "log out":
        ended = await town.nobody.post("/users/logout", {"refresh_token": session["refresh_token"]})
    elif ending == "end the session":
        ended = await Person(town.nobody.id, town.http, other["access_token"]).delete("/users/sessions")
    else:
        await town.nobody.post("/users/password/forgot", {"email": email})
        await town.run_jobs()
        token = token_to(town.app.state.settings, email, purpose="reset-password")
        ended = await town.nobody.post("/users/password/reset", {"token": token, "password": f"{PASSWORD} again"})
    assert ended.status_code == 204, ended.text
    assert (await refresh(town, session["refresh_token"])).status_code == 401
    assert (await refresh(town, successor["refresh_token"])).status_code == 401


@pytest.mark.parametrize(
    "change", ["is_active = false", "suspended_until = now() + interval '1 day'"], ids=["closed", "suspended"]
)
async def test_the_grace_period_opens_no_closed_or_suspended_account(town: Town, change: str) -> None:
    session = await register(town)
    await refresh(town, session["refresh_token"])
    await town.write(f"UPDATE users SET {change} WHERE id = :id", id=session["user"]["id"])
    assert (await refresh(town, session["refresh_token"])).status_code == 401


async def test_successor_token_needs_secret_and_survives_rotation(town: Town) -> None:
    settings = town.app.state.settings
    token = (await register(town))["refresh_token"]
    successor = (await refresh(town, token)).json()["refresh_token"]
    before = settings.jwt_secret
    rotated = settings.model_copy(update={"jwt_secret": type(before)("another secret"), "jwt_former_secrets": before})
    assert successors_of(token, settings=rotated)[1:] == [successor]
    alone = rotated.model_copy(update={"jwt_former_secrets": None})
    assert successor not in successors_of(token, settings=alone)
