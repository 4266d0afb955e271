"""Relay from the outbox to Kafka: reads in id order, publishes, and deletes the acknowledged rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from kafka.errors import KafkaError
from opentelemetry.trace import SpanKind
from psycopg.rows import TupleRow

from neighborconnect.contracts.health import LatencyHistogram, report_health
from neighborconnect.retry import run_until_stopped
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from neighborconnect.tracing.messages import MessageSpans
from transactional_api.cdc.back_pressure import ALARM_EVENTS
from transactional_api.cdc.ddl import WAKE_CHANNEL
from transactional_api.cdc.messages import OUTBOX_COLUMNS, OutboxRow, to_message
from transactional_api.cdc.publisher import Publisher, PublishingStoppedError
from transactional_api.cdc.watermark import LowWatermark

HEALTH_NAME = "relay"
BATCH_ROWS = 10_000
# Events arrive in bursts: after an event the relay polls for a while before it waits for a notification.
ACTIVE_SECONDS = 0.5
ACTIVE_POLL_SECONDS = 0.01
# A writer that read the state before the relay became idle and committed afterwards does not notify: poll anyway.
IDLE_POLL_SECONDS = 0.1
HEALTH_SECONDS = 1.0
COUNTED_BACKLOG = 10_000
_RELAY_LOCK = 7_235_002

_WAITING = "FROM cdc_outbox WHERE id >= %(low_watermark)s AND rejected IS NULL ORDER BY id LIMIT"
_READ = f"SELECT {OUTBOX_COLUMNS} {_WAITING} {BATCH_ROWS}"
_FIRST = f"SELECT {_WAITING} 1"
BACKLOG = (
    "SELECT CASE WHEN few.n < %(few)s THEN few.n ELSE "  # noqa: S608
    "(SELECT max(id) FROM cdc_outbox) - (SELECT min(id) FROM cdc_outbox WHERE id >= %(low_watermark)s) + 1 END, "
    "(SELECT count(*) FROM cdc_outbox WHERE rejected IS NOT NULL) "
    f"FROM (SELECT count(*) AS n FROM (SELECT {_WAITING} %(few)s)) AS few"
)

log = get_logger(__name__)


class Relay:
    """The active relay of a database; a second one waits for the lock as a hot standby."""

    def __init__(self, settings: Settings, *, stop: threading.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._handled = 0
        self._latency = LatencyHistogram()
        self._connections = 0
        self._reported_at = 0.0
        self._detail = ""
        self._low_watermark = LowWatermark()

    def run(self) -> None:
        """Relay until stopped, retrying after every failure of PostgreSQL and Kafka."""
        run_until_stopped(
            self._connect_and_relay,
            stop=self._stop,
            errors=(psycopg.OperationalError, psycopg.InterfaceError, KafkaError),
            progress=lambda: self._connections,
            on_error=self._report_failure,
        )

    def _connect_and_relay(self) -> None:
        with self._connect() as connection:
            if self._lead(connection):
                with Publisher(self._settings.kafka_bootstrap_servers) as publisher:
                    self._connections += 1
                    with suppress(PublishingStoppedError):
                        self._relay(connection, publisher)

    def _report_failure(self, error: BaseException, failures: int) -> None:
        self._detail = f"{type(error).__name__}: {error}".strip()
        log.warning("relay.interrupted", error=self._detail, failures=failures)
        report_health(HEALTH_NAME, ready=False, handled=self._handled, detail=self._detail)

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
            # A delete lost in a crash only sends a message twice, which at-least-once delivery allows.
            connection.execute("SET synchronous_commit = off")
            # Statistics of an outbox that was empty a moment ago are wrong and would lead to sequential scans.
            connection.execute("SET enable_seqscan = off")
            yield connection

    def _lead(self, connection: psycopg.Connection[TupleRow]) -> bool:
        """Wait for the lock; return False if stopped first."""
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
        _set_idle(connection, idle=False)
        self._detail, self._low_watermark = "", LowWatermark()
        idle_since = time.monotonic()
        while not self._stop.is_set():
            self._report(connection)
            if self._relay_batch(connection, publisher):
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since < ACTIVE_SECONDS:
                self._stop.wait(ACTIVE_POLL_SECONDS)
            else:
                self._wait_idle(connection)
                idle_since = time.monotonic()

    def _relay_batch(self, connection: psycopg.Connection[TupleRow], publisher: Publisher) -> int:
        parameters = {"low_watermark": self._low_watermark.scan_start(connection)}
        rows = [OutboxRow(*row) for row in connection.execute(_READ, parameters, prepare=True, binary=True)]
        if not rows:
            self._low_watermark.advance()
            return 0
        database, now_ms = connection.info.dbname, time.time_ns() // 1_000_000

        def should_wait() -> bool:
            self._detail = "waiting for the broker"
            self._report(connection)
            return not self._stop.is_set()

        spans = MessageSpans("publish", kind=SpanKind.PRODUCER, messaging__batch__message_count=len(rows))
        try:
            # A consumer continues the span of the publication, which continues that of the transaction.
            traced = (row._replace(traceparent=spans.start(row.traceparent, topic=row.topic)) for row in rows)
            rejected = publisher.publish(
                ((row.id, to_message(row, database=database, now_ms=now_ms)) for row in traced), should_wait=should_wait
            )
        except KafkaError as error:
            spans.end(error=error)
            raise
        spans.end()
        self._detail = ""
        published_at = time.time()
        self._latency.observe(published_at - row.created_ms / 1_000 for row in rows if row.id not in rejected)
        for event_id, reason in rejected.items():
            [row] = [row for row in rows if row.id == event_id]
            trace_id = row.traceparent.split("-")[1] if row.traceparent else None
            log.error("relay.rejected", event_id=event_id, reason=reason, trace_id=trace_id)
            connection.execute("UPDATE cdc_outbox SET rejected = %s WHERE id = %s", [reason, event_id])
        connection.execute(
            "DELETE FROM cdc_outbox WHERE id = ANY(%s) AND rejected IS NULL", [[row.id for row in rows]], prepare=True
        )
        self._low_watermark.advance(first=rows[0].id, last=rows[-1].id)
        self._handled += len(rows)
        return len(rows)

    def _wait_idle(self, connection: psycopg.Connection[TupleRow]) -> None:
        """Return when the outbox has a row, or when stopped."""
        _set_idle(connection, idle=True)
        while not self._stop.is_set() and not self._has_rows(connection):
            self._report(connection)
            for _ in connection.notifies(timeout=IDLE_POLL_SECONDS, stop_after=1):
                pass
        _set_idle(connection, idle=False)

    def _has_rows(self, connection: psycopg.Connection[TupleRow]) -> bool:
        parameters = {"low_watermark": self._low_watermark.scan_start(connection)}
        if connection.execute(_FIRST, parameters, prepare=True).fetchone() is not None:
            return True
        self._low_watermark.advance()
        return False

    def _report(self, connection: psycopg.Connection[TupleRow]) -> None:
        if time.monotonic() - self._reported_at < HEALTH_SECONDS:
            return
        self._reported_at = time.monotonic()
        counted: Any = connection.execute(
            BACKLOG, {"few": COUNTED_BACKLOG, "low_watermark": self._low_watermark.id}
        ).fetchone()
        backlog, rejected = counted
        notes = [self._detail] if self._detail else []
        if backlog > ALARM_EVENTS:
            notes.append(f"the outbox holds about {backlog} events, and bulk writers wait above {ALARM_EVENTS}")
        if rejected:
            notes.append(f"{rejected} rejected messages stay in the outbox")
        report_health(
            HEALTH_NAME,
            ready=not self._detail,
            backlog=backlog,
            handled=self._handled,
            detail="; ".join(notes),
            latency=self._latency,
        )


def _set_idle(connection: psycopg.Connection[TupleRow], *, idle: bool) -> None:
    connection.execute(
        "INSERT INTO cdc_relay_state (idle) VALUES (%s) ON CONFLICT (only_row) DO UPDATE SET idle = excluded.idle",
        [idle],
    )
