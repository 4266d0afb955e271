"""``python -m benchmarks fan_out``: cost of a post to its writer when thousands are notified of it.

The members are rows of their own, made and removed here; the platform's jobs worker, which must run, notifies them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import psycopg

from benchmarks.accounts import Account, own_api, registered_accounts
from benchmarks.report import Row
from benchmarks.scratch import process, settings_environment, wait_until
from neighborconnect.settings import Settings

MEMBERS = 10_000
POSTS = 20
_TOLD_SECONDS = 300


def run(settings: Settings) -> list[Row]:
    """Measure the response time of a post for one member and for thousands, and the time until all are notified."""
    with own_api(settings) as ours, process("transactional_api.worker", environment=settings_environment(ours)):
        return asyncio.run(_measure(ours))


async def _measure(settings: Settings) -> list[Row]:
    async with registered_accounts(settings, number=1) as [writer]:
        small = await writer.ask("POST", "/connectors", {"name": "Small", "category": "test", "is_public": False})
        large = await writer.ask("POST", "/connectors", {"name": "Large", "category": "test", "is_public": False})
        with _members(settings, large["id"]):
            seconds: dict[str, list[float]] = {small["id"]: [], large["id"]: []}
            for number in range(POSTS):
                for connector_id, taken in seconds.items():
                    taken.append(await _post(writer, connector_id, number))
            began = time.perf_counter()
            await asyncio.to_thread(
                wait_until, lambda: _told(settings, large["id"]) == MEMBERS * POSTS, seconds=_TOLD_SECONDS, pause=0.2
            )
            until = time.perf_counter() - began
        for connector in (small, large):
            await writer.ask("DELETE", f"/connectors/{connector['id']}")
    ours, peer = (float(np.median(seconds[one["id"]])) * 1_000 for one in (large, small))
    told = MEMBERS * POSTS
    note = f"median of {POSTS}; peer: a connector of one"
    return [
        Row.compare(f"a post's answer, {MEMBERS:,} members", ours=ours, peer=peer, unit="ms", note=note),
        Row("notifications told", told / until, unit="a second", note=f"{told:,} in {until:.0f} s, by one worker"),
    ]


async def _post(writer: Account, connector_id: str, number: int) -> float:
    began = time.perf_counter()
    await writer.ask("POST", "/posts", {"connector_id": connector_id, "content": f"Seedlings of bed {number}"})
    return time.perf_counter() - began


@contextmanager
def _members(settings: Settings, connector_id: str) -> Iterator[None]:
    """Add thousands of members, who do nothing else, to a connector."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute(
            "WITH people AS (INSERT INTO users (email_hash, username, password_hash, first_name, last_name) "
            "SELECT 'bench' || n || '@example.org', 'bench-member-' || n, '!', 'Bench', 'Member' "
            "FROM generate_series(1, %s) n RETURNING id), "
            "members AS (INSERT INTO connector_members (connector_id, user_id) SELECT %s, id FROM people) "
            "INSERT INTO notification_preferences (user_id, kind, channel, is_enabled) "
            "SELECT id, 'post.created', 'in_app', true FROM people",
            [MEMBERS, connector_id],
        )
        try:
            yield
        finally:
            connection.execute("DELETE FROM users WHERE username LIKE 'bench-member-%'")


def _told(settings: Settings, connector_id: str) -> int:
    with psycopg.connect(settings.database_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM notifications n JOIN posts p ON p.id = n.subject_id WHERE p.connector_id = %s",
            [connector_id],
        ).fetchone()
    return int(row[0]) if row else 0
