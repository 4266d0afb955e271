"""Moves the outbox to Kafka: reads in id order, publishes, and deletes what the brokers acknowledged."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from kafka.errors import KafkaError
from psycopg.rows import TupleRow

from neighborconnect.contracts.health import report_health
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from transactional_api.cdc.ddl import WAKE_CHANNEL
from transactional_api.cdc.floor import Floor
from transactional_api.cdc.messages import OUTBOX_COLUMNS, OutboxRow, to_message
from transactional_api.cdc.publisher import Publisher, PublishingStoppedError

HEALTH_NAME = "relay"
BATCH_ROWS = 10_000
# After an event the relay looks again at once for a while, since events come in spells; then it asks to be woken.
AWAKE_SECONDS = 0.5
AWAKE_POLL_SECONDS = 0.01
# A writer that looked before the relay fell asleep and committed after it does not notify: look anyway.
ASLEEP_POLL_SECONDS = 0.1
HEALTH_SECONDS = 1.0
COUNTED_BACKLOG = 10_000
_RELAY_LOCK = 7_235_002
_BACKOFF_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)

_WAITING = "FROM cdc_outbox WHERE id >= %(floor)s AND rejected IS NULL ORDER BY id LIMIT"
_READ = f"SELECT {OUTBOX_COLUMNS} {_WAITING} {BATCH_ROWS}"
_FIRST = f"SELECT {_WAITING} 1"
BACKLOG = (
    "SELECT CASE WHEN few.n < %(few)s THEN few.n ELSE "  # noqa: S608
    "(SELECT max(id) FROM cdc_outbox) - (SELECT min(id) FROM cdc_outbox WHERE id >= %(floor)s) + 1 END, "
    "(SELECT count(*) FROM cdc_outbox WHERE rejected IS NOT NULL) "
    f"FROM (SELECT count(*) AS n FROM (SELECT {_WAITING} %(few)s)) AS few"
)

log = get_logger(__name__)


class Relay:
    """The one active relay of a database; a second waits on the lock as a hot standby."""

    def __init__(self, settings: Settings, *, stop: threading.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._handled = 0
        self._reported_at = 0.0
        self._detail = ""
        self._floor = Floor()

    def run(self) -> None:
        """Relay until told to stop, through every failure of PostgreSQL and Kafka."""
        failures = 0
        while not self._stop.is_set():
            try:
                with self._connect() as connection:
                    if self._lead(connection):
                        with Publisher(self._settings.kafka_bootstrap_servers) as publisher:
                            failures = 0
                            self._relay(connection, publisher)
            except PublishingStoppedError:
                return
            except (psycopg.OperationalError, psycopg.InterfaceError, KafkaError) as error:
                self._detail = f"{type(error).__name__}: {error}".strip()
                log.warning("relay.interrupted", error=self._detail, failures=failures)
                report_health(HEALTH_NAME, ready=False, handled=self._handled, detail=self._detail)
                self._stop.wait(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)])
                failures += 1

    @contextmanager
    def _connect(self) -> Iterator[psycopg.Connection[TupleRow]]:
        with psycopg.connect(
            self._settings.database_url,
            autocommit=True,
            application_name="relay",
            connect_timeout=5,
            keepalives_idle=5,
            tcp_user_timeout=10_000,
        ) as connection:
            # A delete that a crash forgets is a message sent twice, which is allowed; waiting for the disk is not.
            connection.execute("SET synchronous_commit = off")
            # The server knows nothing of an outbox that was empty a moment ago, and would read it whole for each batch.
            connection.execute("SET enable_seqscan = off")
            yield connection

    def _lead(self, connection: psycopg.Connection[TupleRow]) -> bool:
        """Wait for the lock; False when told to stop first."""
        while not self._stop.is_set():
            held = connection.execute("SELECT pg_try_advisory_lock(%s)", [_RELAY_LOCK]).fetchone()
            if held is not None and held[0]:
                log.info("relay.leading")
                return True
            report_health(f"{HEALTH_NAME}-standby", ready=True, detail="another relay is active")
            self._stop.wait(1.0)
        return False

    def _relay(self, connection: psycopg.Connection[TupleRow], publisher: Publisher) -> None:
        connection.execute(f"LISTEN {WAKE_CHANNEL}")
        _set_asleep(connection, asleep=False)
        self._detail, self._floor = "", Floor()
        idle_since = time.monotonic()
        while not self._stop.is_set():
            self._report(connection)
            if self._relay_batch(connection, publisher):
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since < AWAKE_SECONDS:
                self._stop.wait(AWAKE_POLL_SECONDS)
            else:
                self._sleep(connection)
                idle_since = time.monotonic()

    def _relay_batch(self, connection: psycopg.Connection[TupleRow], publisher: Publisher) -> int:
        floor = {"floor": self._floor.before_look(connection)}
        rows = [OutboxRow(*row) for row in connection.execute(_READ, floor, prepare=True, binary=True)]
        if not rows:
            self._floor.after_look()
            return 0
        database, now_ms = connection.info.dbname, time.time_ns() // 1_000_000

        def waiting() -> bool:
            self._detail = "waiting for the broker"
            self._report(connection)
            return not self._stop.is_set()

        rejected = publisher.publish(
            ((row.id, to_message(row, database=database, now_ms=now_ms)) for row in rows), waiting=waiting
        )
        self._detail = ""
        for event_id, reason in rejected.items():
            log.error("relay.rejected", event_id=event_id, reason=reason)
            connection.execute("UPDATE cdc_outbox SET rejected = %s WHERE id = %s", [reason, event_id])
        connection.execute(
            "DELETE FROM cdc_outbox WHERE id = ANY(%s) AND rejected IS NULL", [[row.id for row in rows]], prepare=True
        )
        self._floor.after_look(first=rows[0].id, last=rows[-1].id)
        self._handled += len(rows)
        return len(rows)

    def _sleep(self, connection: psycopg.Connection[TupleRow]) -> None:
        """Return when there is something in the outbox, or when told to stop."""
        _set_asleep(connection, asleep=True)
        while not self._stop.is_set() and not self._has_rows(connection):
            self._report(connection)
            for _ in connection.notifies(timeout=ASLEEP_POLL_SECONDS, stop_after=1):
                pass
        _set_asleep(connection, asleep=False)

    def _has_rows(self, connection: psycopg.Connection[TupleRow]) -> bool:
        floor = {"floor": self._floor.before_look(connection)}
        if connection.execute(_FIRST, floor, prepare=True).fetchone() is not None:
            return True
        self._floor.after_look()
        return False

    def _report(self, connection: psycopg.Connection[TupleRow]) -> None:
        if time.monotonic() - self._reported_at < HEALTH_SECONDS:
            return
        self._reported_at = time.monotonic()
        counted: Any = connection.execute(BACKLOG, {"few": COUNTED_BACKLOG, "floor": self._floor.id}).fetchone()
        backlog, rejected = counted
        notes = [self._detail] if self._detail else []
        if rejected:
            notes.append(f"{rejected} rejected messages stay in the outbox")
        report_health(
            HEALTH_NAME, ready=not self._detail, backlog=backlog, handled=self._handled, detail="; ".join(notes)
        )


def _set_asleep(connection: psycopg.Connection[TupleRow], *, asleep: bool) -> None:
    connection.execute(
        "INSERT INTO cdc_relay_state (asleep) VALUES (%s) "
        "ON CONFLICT (only_row) DO UPDATE SET asleep = excluded.asleep",
        [asleep],
    )
