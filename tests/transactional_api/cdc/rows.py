"""Rows to write, an outbox to read, and a relay to run, for every test of the way to the lake."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg
from kafka import KafkaConsumer, TopicPartition
from psycopg.rows import DictRow, dict_row

from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings
from transactional_api.cdc.relay import Relay

Connection: TypeAlias = psycopg.Connection[DictRow]


def connect(settings: Settings, *, autocommit: bool = True) -> Connection:
    return psycopg.connect(settings.database_url, autocommit=autocommit, row_factory=dict_row)


def raise_event_ids(settings: Settings) -> None:
    """Give events ids above any that another test has made up on the same topics."""
    with connect(settings) as connection:
        connection.execute(
            "SELECT setval(pg_get_serial_sequence('cdc_outbox', 'id'), greatest(nextval(pg_get_serial_sequence("
            "'cdc_outbox', 'id')), %s))",
            [time.time_ns() // 1_000],
        )


def add_user(connection: Connection, **values: Any) -> uuid.UUID:
    user = uuid.uuid4()
    row = {
        "id": user,
        "email_hash": f"{user}@example.org",
        "username": user.hex,
        "password_hash": "x",
        "first_name": "Ada",
        "last_name": "Lovelace",
    } | values
    columns = ", ".join(row)
    holes = ", ".join(f"%({name})s" for name in row)
    connection.execute(f"INSERT INTO users ({columns}) VALUES ({holes})", row)
    return user


def outbox(connection: Connection, *keys: uuid.UUID) -> list[dict[str, Any]]:
    """Return what the outbox holds of these rows, in id order."""
    return connection.execute(
        "SELECT * FROM cdc_outbox WHERE key = ANY(%s) ORDER BY id", [[str(key) for key in keys]]
    ).fetchall()


@contextmanager
def running_relay(settings: Settings) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=Relay(settings, stop=stop).run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def wait_for(what: Callable[[], bool], *, seconds: float = 180, pause: float = 0.05) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(pause)


def is_drained(connection: Connection) -> bool:
    return not connection.execute("SELECT FROM cdc_outbox WHERE rejected IS NULL LIMIT 1").fetchall()


class Topic:
    """The messages that arrive on a topic from now on."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._consumer = KafkaConsumer(
            **client_options(settings.kafka_bootstrap_servers), enable_auto_commit=False, metrics_enabled=False
        )
        self._places = [TopicPartition(name, number) for number in self._consumer.partitions_for_topic(name)]
        self._starts = self._consumer.end_offsets(self._places)

    def read(self) -> list[Any]:
        """Return every record since the topic was opened, partition by partition."""
        self._consumer.assign(self._places)
        ends = self._consumer.end_offsets(self._places)
        for place, start in self._starts.items():
            self._consumer.seek(place, start)
        records: list[Any] = []
        while any(self._consumer.position(place) < ends[place] for place in self._places):
            for polled in self._consumer.poll(timeout_ms=500).values():
                records += polled
        return records

    def close(self) -> None:
        self._consumer.close()
