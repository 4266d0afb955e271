"""Every acknowledged write is in the lake and in the warehouse exactly once, whatever was killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl
import psycopg
import pytest

from local_stack.stack import Stack
from local_stack.state import read_record
from local_stack.supervisor_client import wait_until_up as wait_for_servers
from neighborconnect.contracts.topics import INTERACTIONS_TOPIC
from neighborconnect.settings import Settings
from pipelines.ingest.lake import scan_events
from pipelines.ingest.progress import wait_until_caught_up
from tests.transactional_api.cdc.rows import connect, wait_for

WRITES_BETWEEN_KILLS = 60
WORKERS = {
    "relay": ("transactional_api.cdc",),
    "ingest-lake": ("pipelines.ingest", "lake"),
    "ingest-warehouse": ("pipelines.ingest", "warehouse"),
}

pytestmark = pytest.mark.usefixtures("api")


@dataclass
class Writer:
    """Writes a row and an event a transaction, and remembers those that PostgreSQL acknowledged."""

    settings: Settings
    user: uuid.UUID = field(default_factory=uuid.uuid4)
    acknowledged: list[int] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        number = 0
        while not self.stopped.is_set():
            try:
                with connect(self.settings) as connection:
                    while not self.stopped.is_set():
                        number += 1
                        self._write(connection, number)
                        self.acknowledged.append(number)
                        time.sleep(0.01)
            except psycopg.OperationalError:
                time.sleep(0.1)

    def _write(self, connection: psycopg.Connection[dict[str, object]], number: int) -> None:
        with connection.transaction():
            connection.execute(
                "INSERT INTO users (id, email_hash, username, password_hash, first_name, last_name, reputation) "
                "VALUES (%s, %s, %s, 'x', 'Ada', 'Lovelace', %s) "
                "ON CONFLICT (id) DO UPDATE SET reputation = excluded.reputation",
                [self.user, f"{self.user}@example.org", self.user.hex, number],
            )
            connection.execute(
                "INSERT INTO cdc_outbox (topic, key, payload) VALUES (%s, %s, jsonb_build_object("
                "'interaction_id', gen_random_uuid(), 'user_id', %s::text, 'kind', 'click', 'item_kind', 'post', "
                "'item_id', gen_random_uuid(), 'position', %s::integer, 'occurred_at', now(), 'received_at', now()))",
                [INTERACTIONS_TOPIC, str(self.user), str(self.user), number],
            )


class Workers:
    """Our own processes, started again when they were killed, as the supervisor does."""

    def __init__(self, settings: Settings) -> None:
        stores = {"S3_LAKE_BUCKET": settings.s3_lake_bucket, "WAREHOUSE_URL": settings.warehouse_url}
        self._environment = os.environ | stores
        self._running = {name: self._start(name) for name in WORKERS}

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", *WORKERS[name]], env=self._environment, stdout=subprocess.DEVNULL
        )

    def kill(self, name: str) -> None:
        self._running[name].kill()
        self._running[name].wait()
        self._running[name] = self._start(name)

    def stop(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait(30)


@pytest.fixture
def workers(fresh: Settings) -> Iterator[Workers]:
    workers = Workers(fresh)
    yield workers
    workers.stop()


@pytest.fixture
def writer(fresh: Settings) -> Iterator[Writer]:
    writer = Writer(fresh)
    thread = threading.Thread(target=writer.run)
    thread.start()
    yield writer
    writer.stopped.set()
    thread.join()


def kill_server(servers: Stack, name: str) -> None:
    record = read_record(servers.run, name)
    assert record is not None
    assert record.pid is not None
    os.kill(record.pid, signal.SIGKILL)
    wait_for(lambda: (now := read_record(servers.run, name)) is not None and now.pid != record.pid)


def test_acknowledged_writes_arrive_once_despite_kills(
    servers: Stack, fresh: Settings, workers: Workers, writer: Writer
) -> None:
    for victim in (*WORKERS, "kafka", "postgres"):
        written = len(writer.acknowledged)
        wait_for(lambda written=written: len(writer.acknowledged) >= written + WRITES_BETWEEN_KILLS)  # type: ignore[misc]
        workers.kill(victim) if victim in WORKERS else kill_server(servers, victim)
    wait_for_servers(servers, ("kafka", "postgres"))
    written = len(writer.acknowledged)
    wait_for(lambda: len(writer.acknowledged) >= written + WRITES_BETWEEN_KILLS)
    writer.stopped.set()
    _settle(fresh)

    acknowledged, user = set(writer.acknowledged), str(writer.user)
    changes = scan_events(fresh, "users").filter(pl.col("id") == user).collect()
    events = scan_events(fresh, "interactions").filter(pl.col("user_id") == user).collect()
    with psycopg.connect(fresh.warehouse_url) as connection:
        mirror = connection.execute("SELECT reputation FROM raw.users WHERE id = %s", [user]).fetchall()
        landed = connection.execute("SELECT position FROM raw.interactions WHERE user_id = %s", [user]).fetchall()
    for copies in (changes["reputation"].to_list(), events["position"].to_list(), [row[0] for row in landed]):
        counted = Counter(copies)
        assert acknowledged - counted.keys() == set()
        assert set(counted.values()) == {1}
    with connect(fresh) as connection:
        (truth,) = connection.execute("SELECT reputation FROM users WHERE id = %s", [user]).fetchall()
    assert mirror == [(truth["reputation"],)]


def _settle(settings: Settings) -> None:
    """Wait for the sinks; the servers may refuse a first question just after they were killed."""
    deadline = time.monotonic() + 60
    while True:
        try:
            wait_until_caught_up(settings, timeout=180)
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        else:
            return
