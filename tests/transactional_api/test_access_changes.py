"""Open streams and sockets end with the session or account, at once and in every process."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import psycopg
import pytest
from httpx_sse import aconnect_sse

from neighborconnect.settings import Settings
from tests.transactional_api.local_server import serving
from tests.transactional_api.people import API, Person, Town
from tests.transactional_api.test_chat import direct
from tests.transactional_api.test_chat_live import SECONDS, open_line, ports
from transactional_api.community.chat.frames import CloseCode
from transactional_api.core.access_changes import open_access_changes
from transactional_api.core.pubsub import PostgresSubscriber

__all__ = ["open_line", "ports"]

ENDS = {
    "log-out": "DELETE FROM user_sessions WHERE id = :session_id",
    "suspension": "UPDATE users SET suspended_until = now() + interval '1 day' WHERE id = :user_id",
    "erasure": "UPDATE users SET is_active = false WHERE id = :user_id",
}


@pytest.fixture(autouse=True)
def _no_other_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transactional_api.community.chat.socket.CHECK_SECONDS", 3_600)
    monkeypatch.setattr("transactional_api.community.notifications.stream.POLL_SECONDS", 3_600)


async def end(town: Town, person: Person, how: str) -> None:
    values = {"session_id": person.session_id} if "session_id" in ENDS[how] else {"user_id": person.id}
    await town.write(ENDS[how], **values)


@pytest.mark.parametrize("how", ENDS)
async def test_a_socket_ends_with_the_session_or_account(
    town: Town, ada: Person, ben: Person, open_line: Any, how: str
) -> None:
    talk = await direct(ada, ben)
    lines = [await open_line(ada, talk, at=at) for at in (0, 1)]
    other = await open_line(ben, talk, at=0)
    for line in (*lines, other):
        await line.hear("ready")
    await end(town, ada, how)
    assert [await line.closed() for line in lines] == [CloseCode.UNAUTHENTICATED] * 2
    await other.say(type="ping")
    await other.hear("pong")


async def test_a_socket_ends_when_another_session_revokes_it(
    town: Town, ada: Person, ben: Person, open_line: Any
) -> None:
    talk = await direct(ada, ben)
    line = await open_line(ada, talk)
    await line.hear("ready")
    await town.write(
        "INSERT INTO user_sessions (user_id, expires_at) VALUES (:id, now() + interval '1 day')", id=ada.id
    )
    assert (await ada.delete("/users/sessions")).status_code == 204  # The others end, and this one goes on.
    await line.say(type="ping")
    await line.hear("pong")
    assert (await ada.delete(f"/users/sessions/{ada.session_id}")).status_code == 204
    assert await line.closed() == CloseCode.UNAUTHENTICATED


@pytest.mark.parametrize("how", ENDS)
async def test_a_stream_ends_with_the_session_or_account(town: Town, ada: Person, how: str) -> None:
    headers = {"Authorization": f"Bearer {ada.token}"}
    async with (
        serving(town.app) as url,
        httpx.AsyncClient(timeout=SECONDS, headers=headers) as client,
        aconnect_sse(client, "GET", f"{url}{API}/notifications/stream") as source,
    ):
        events = source.aiter_sse()
        assert (await anext(events)).event == "started"
        await end(town, ada, how)
        async with asyncio.timeout(SECONDS):
            assert [one async for one in events] == []


async def test_after_a_lost_connection_everybody_checks(settings: Settings, ada: Person) -> None:
    async with open_access_changes(settings) as changes:
        await listening(changes)
        with changes.signals.subscribe(ada.id) as changed:
            async with await psycopg.AsyncConnection.connect(settings.database_url, autocommit=True) as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE query = 'LISTEN access_changed' AND pid <> pg_backend_pid()"
                )
            async with asyncio.timeout(SECONDS):
                await changed.wait()


async def listening(changes: PostgresSubscriber) -> None:
    async with asyncio.timeout(SECONDS):
        await changes.listening.wait()
