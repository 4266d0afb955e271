"""The audit trail: an entry for every change and none without one, in a chain that shows what was done to it."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tests.transactional_api.people import Person, Town
from transactional_api.audit import trail


async def actions(town: Town, person: Person) -> list[str]:
    rows = await town.rows("SELECT action FROM audit_log WHERE actor_id = :id ORDER BY id", id=person.id)
    return [row.action.partition("/api/v1")[0] + row.action.partition("/api/v1")[2] for row in rows]


async def seal(town: Town) -> None:
    async with town.app.state.resources.transaction() as session:
        while await trail.seal_some(session) == trail.BATCH:
            pass


async def test_every_change_is_entered_with_what_it_was_about(town: Town, ada: Person) -> None:
    connector = await ada.make_connector()
    post = await ada.make_post(connector)
    await ada.post(f"/posts/{post['id']}/like")
    assert await actions(town, ada) == ["POST /connectors", "POST /posts", "POST /posts/{post_id}/like"]
    [entry] = await town.rows(
        "SELECT subject, request_id FROM audit_log WHERE actor_id = :id ORDER BY id DESC LIMIT 1", id=ada.id
    )
    assert entry.subject == {"post_id": post["id"]}
    assert entry.request_id


async def test_reading_failing_and_repeating_are_no_changes(town: Town, ada: Person, ben: Person) -> None:
    post = await ada.make_post(await ada.make_connector())
    await ben.get(f"/posts/{post['id']}")
    await ben.delete(f"/posts/{post['id']}")
    await ben.post("/analysis/spam-detection", {"text": "Buy now"})
    key = {"Idempotency-Key": str(uuid4())}
    for _ in range(2):
        await ben.post(f"/posts/{post['id']}/like", **key)
    assert await actions(town, ben) == ["POST /posts/{post_id}/like"]


async def test_logging_in_and_out_is_entered(town: Town) -> None:
    name = uuid4().hex
    account = {"email": f"{name}@example.org", "username": name[:20], "password": "a long enough password"}
    registered = await town.nobody.post("/users/register", account | {"first_name": "Ada", "last_name": "Okafor"})
    session = registered.json()
    person = Person(session["user"]["id"], town.http, session["access_token"])
    refreshed = (await person.post("/users/refresh", {"refresh_token": session["refresh_token"]})).json()
    await person.post("/users/logout", {"refresh_token": refreshed["refresh_token"]})
    assert await actions(town, person) == ["POST /users/register", "POST /users/refresh", "POST /users/logout"]


@pytest.mark.parametrize(
    ("tamper", "fault"),
    [
        ("UPDATE audit_log SET action = 'GET /nothing' WHERE place = :place", "was changed"),
        ("UPDATE audit_log SET actor_id = gen_random_uuid() WHERE place = :place", "was changed"),
        ("DELETE FROM audit_log WHERE place = :place", "is missing"),
    ],
)
async def test_what_is_done_to_the_chain_shows(town: Town, ada: Person, tamper: str, fault: str) -> None:
    for _ in range(3):
        await ada.make_connector()
    await seal(town)
    [(place,)] = await town.rows("SELECT max(place) - 1 FROM audit_log")
    async with AsyncSession(town.app.state.engine) as session:
        whole = await trail.verify(session)
        assert (whole.fault, whole.entries >= place) == (None, True)
        await session.execute(text(tamper), {"place": place})
        verdict = await trail.verify(session)
        await session.rollback()
    assert verdict.entries == place - 1
    assert verdict.fault is not None
    assert fault in verdict.fault


async def test_sealing_at_the_same_time_makes_one_chain(town: Town, ada: Person) -> None:
    await asyncio.gather(*(ada.make_connector() for _ in range(10)), *(seal(town) for _ in range(4)))
    await seal(town)
    async with AsyncSession(town.app.state.engine) as session:
        verdict = await trail.verify(session)
    assert verdict.fault is None


async def test_what_waits_too_long_is_a_fault(town: Town, ada: Person) -> None:
    await seal(town)
    await ada.make_connector()
    async with AsyncSession(town.app.state.engine) as session:
        await session.execute(text("UPDATE audit_log SET at = now() - interval '1 hour' WHERE place IS NULL"))
        verdict = await trail.verify(session)
        await session.rollback()
    assert verdict.fault is not None
    assert "wait longer" in verdict.fault
