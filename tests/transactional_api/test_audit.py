"""The audit trail: an entry for every change and none without one, in a chain that shows what was done to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import NullPool, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from local_stack.stack import Stack
from neighborconnect.settings import Settings, sqlalchemy_url
from tests.transactional_api.people import Person, Town
from transactional_api.core.audit import trail
from transactional_api.core.audit.heads import Head, HeadError, PublishedHeads, read, sign


async def actions(town: Town, person: Person) -> list[str]:
    rows = await town.rows("SELECT action FROM audit_log WHERE actor_id = :id ORDER BY id", id=person.id)
    return [row.action.partition("/api/v1")[0] + row.action.partition("/api/v1")[2] for row in rows]


async def seal(town: Town) -> None:
    async with town.app.state.context.transaction() as session:
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


@pytest.fixture
async def as_superuser(servers: Stack, town: Town) -> AsyncIterator[AsyncSession]:
    """A session of somebody with every right in the database; what it does is rolled back."""
    url = servers.database_url("neighborconnect", superuser=True)
    engine = create_async_engine(sqlalchemy_url(url), poolclass=NullPool)
    async with AsyncSession(engine) as session:
        yield session
        await session.rollback()
    await engine.dispose()


async def published_head(town: Town) -> Head:
    """Seal what waits as the job does, and return the head that it published."""
    await trail.seal_and_publish(town.app.state.context)
    head = await PublishedHeads(town.app.state.settings).newest()
    assert head is not None
    return head


@pytest.mark.parametrize(
    ("tamper", "fault"),
    [
        ("UPDATE audit_log SET action = 'GET /nothing' WHERE position = :position", "was changed"),
        ("UPDATE audit_log SET actor_id = gen_random_uuid() WHERE position = :position", "was changed"),
        ("DELETE FROM audit_log WHERE position = :position", "is missing"),
        ("DELETE FROM audit_log WHERE position >= :position", "was published"),
        ("DELETE FROM audit_log", "was published"),
        ("TRUNCATE audit_log", "was published"),
    ],
)
async def test_an_altered_chain_is_not_valid(
    town: Town, ada: Person, as_superuser: AsyncSession, tamper: str, fault: str
) -> None:
    for _ in range(3):
        await ada.make_connector()
    head = await published_head(town)
    whole = await trail.verify(as_superuser, published=head)
    assert (whole.fault, whole.entries >= head.position) == (None, True)
    await as_superuser.execute(text(tamper), {"position": head.position - 1} if ":position" in tamper else {})
    verdict = await trail.verify(as_superuser, published=head)
    assert verdict.entries == (head.position - 2 if ":position" in tamper else 0)
    assert verdict.fault is not None
    assert fault in verdict.fault


async def test_a_chain_written_again_with_fitting_digests_is_not_valid(
    town: Town, ada: Person, as_superuser: AsyncSession
) -> None:
    for _ in range(3):
        await ada.make_connector()
    head = await published_head(town)
    await as_superuser.execute(text("UPDATE audit_log SET actor_id = gen_random_uuid() WHERE position = 1"))
    await as_superuser.execute(text("UPDATE audit_log SET position = NULL, digest = NULL"))
    while await trail.seal_some(as_superuser) == trail.BATCH:
        pass
    assert (await trail.verify(as_superuser, published=head)).fault is not None
    # It is only the published head that shows it.
    again = await trail.newest_link(as_superuser)
    assert (await trail.verify(as_superuser, published=again)).fault is None


async def test_a_chain_without_a_published_head_is_not_valid(town: Town, ada: Person) -> None:
    await ada.make_connector()
    await published_head(town)
    async with AsyncSession(town.app.state.engine) as session:
        verdict = await trail.verify(session, published=None)
    assert "no head was ever published" in str(verdict.fault)


def test_a_head_of_another_key_is_not_trusted(settings: Settings) -> None:
    other = settings.model_copy(update={"audit_key": SecretStr("another key, as long as it has to be")})
    token = sign(Head(7, "0" * 64), settings=other)
    with pytest.raises(HeadError, match="not signed with AUDIT_KEY"):
        read(token, settings=settings)
    assert read(token, settings=other) == Head(7, "0" * 64)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET action = 'x'",
        "UPDATE audit_log SET created_at = now()",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
    ],
)
async def test_the_role_of_the_api_may_not_alter_entries(town: Town, statement: str) -> None:
    async with AsyncSession(town.app.state.engine) as session:
        with pytest.raises(ProgrammingError, match="permission denied for table audit_log"):
            await session.execute(text(statement))


async def test_sealing_at_the_same_time_makes_one_chain(town: Town, ada: Person) -> None:
    await asyncio.gather(*(ada.make_connector() for _ in range(10)), *(seal(town) for _ in range(4)))
    head = await published_head(town)
    async with AsyncSession(town.app.state.engine) as session:
        verdict = await trail.verify(session, published=head)
    assert verdict.fault is None


async def test_what_waits_too_long_is_a_fault(town: Town, ada: Person, as_superuser: AsyncSession) -> None:
    head = await published_head(town)
    await ada.make_connector()
    await as_superuser.execute(
        text("UPDATE audit_log SET created_at = now() - interval '1 hour' WHERE position IS NULL")
    )
    verdict = await trail.verify(as_superuser, published=head)
    assert verdict.fault is not None
    assert "wait longer" in verdict.fault
