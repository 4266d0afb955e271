"""Events of the API share the fate of its transaction."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from neighborconnect.contracts.topics import INTERACTIONS_TOPIC
from neighborconnect.settings import Settings, sqlalchemy_url
from tests.transactional_api.cdc.rows import Connection, outbox
from transactional_api.core.db.statements import SessionRunner
from transactional_api.core.outbox import emit, emit_many


@pytest.fixture
async def session(captured: Settings) -> AsyncIterator[AsyncSession]:
    engine = create_async_engine(sqlalchemy_url(captured.database_url))
    async with AsyncSession(engine) as session:
        yield session
    await engine.dispose()


async def test_an_event_is_published_when_the_transaction_commits(session: AsyncSession, database: Connection) -> None:
    user, moment = uuid.uuid4(), datetime(2026, 5, 1, 12, tzinfo=UTC)
    await emit(
        SessionRunner(session),
        topic=INTERACTIONS_TOPIC,
        key=str(user),
        payload={"user_id": user, "occurred_at": moment},
    )
    assert outbox(database, user) == []
    await session.commit()

    (event,) = outbox(database, user)
    assert event["payload"] == {"user_id": str(user), "occurred_at": "2026-05-01T12:00:00+00:00"}
    assert (event["op"], event["before"], event["after"]) == (None, None, None)


async def test_an_event_of_a_rolled_back_transaction_is_unpublished(
    session: AsyncSession, database: Connection
) -> None:
    user = uuid.uuid4()
    await emit(SessionRunner(session), topic=INTERACTIONS_TOPIC, key=str(user), payload={"user_id": user})
    await session.rollback()
    assert outbox(database, user) == []


async def test_events_of_one_call_keep_their_order(session: AsyncSession, database: Connection) -> None:
    user = uuid.uuid4()
    await emit_many(
        SessionRunner(session), topic=INTERACTIONS_TOPIC, events=[(str(user), {"position": n}) for n in range(50)]
    )
    await session.commit()
    assert [event["payload"]["position"] for event in outbox(database, user)] == list(range(50))


async def test_a_topic_that_the_contract_does_not_know_is_refused(session: AsyncSession) -> None:
    with pytest.raises(ValueError, match="not a topic"):
        await emit(SessionRunner(session), topic="behaviour.typos", key="k", payload={})
