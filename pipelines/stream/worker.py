"""Worker that pushes features of the last hour of every active user to the online store.

Its state is the last hour of events, which every start reads again from Kafka, so it needs no store of its own.
Repeated events and repeated pushes produce the same values. One worker reads all partitions, because the likes,
comments and clicks of a user are in different ones; a second worker is harmless.

It also consumes changes of users and erasures. When a user withdraws consent, it deletes the user's features or rows of
the marts, and it pushes no features of users without consent to personalization. Without the erasures, it would write
the features of erased users again from memory.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl
import psycopg
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError
from opentelemetry.trace import SpanKind
from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from feature_repo.schemas import RECENT_WINDOW
from feature_repo.store import apply, open_store
from feature_repo.vendor_patches import FeastError, FeatureStore, PushMode
from neighborconnect.contracts.features import RECENT_ACTIVITY_PUSH
from neighborconnect.contracts.health import LatencyHistogram, report_health
from neighborconnect.contracts.topics import STREAM_BY_TABLE, STREAM_BY_TOPIC
from neighborconnect.kafka_options import client_options
from neighborconnect.retry import run_until_stopped
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from neighborconnect.tracing.messages import MessageSpans
from pipelines.features import online_store
from pipelines.ingest.decode import decode
from pipelines.ingest.erasure_confirmation import ERASURES, UNCONFIRMED
from pipelines.privacy.consent import UsersByPurpose, delete_withdrawn, read_withdrawals, split_by_consent
from pipelines.stream.erased_users import ErasedUsers
from pipelines.stream.window import USER_COLUMN, LastHour

NAME: Final = "stream-features"
_USERS: Final = "users"
_USER_CHANGES: Final = STREAM_BY_TABLE[_USERS].topic
_ERASURES: Final = STREAM_BY_TABLE[ERASURES].topic
_TOPICS: Final = tuple(STREAM_BY_TABLE[table].topic for table in (*USER_COLUMN, _USERS, ERASURES))
_POLL_MILLISECONDS: Final = 500
_POLL_RECORDS: Final = 5_000
_MAINTENANCE_SECONDS: Final = 1.0
_EXPIRY_INTERVAL: Final = timedelta(seconds=30)
# Event times are set by clocks of other machines; times up to this far in the future are accepted.
_MAX_CLOCK_LEAD: Final = timedelta(seconds=10)
# Timestamps in Kafka are those of the change, and a relay that was down publishes older ones.
_REREAD_PERIOD: Final = RECENT_WINDOW + timedelta(minutes=5)

_log = get_logger(__name__)


class StreamWorker:
    """Worker that pushes ``user_recent_activity`` to the online store."""

    def __init__(self, settings: Settings, *, stop: threading.Event) -> None:
        """Initialize without connecting; ``run`` connects."""
        self._settings = settings
        self._stop = stop
        self._handled = 0
        self._latency = LatencyHistogram()
        self._last_push_time = datetime.min.replace(tzinfo=UTC)
        self._withdrawn = UsersByPurpose(frozenset(), frozenset())

    def run(self) -> None:
        """Consume Kafka until ``stop`` is set, and reconnect after failures of Kafka, Redis and PostgreSQL."""
        run_until_stopped(
            self._connect_and_consume,
            stop=self._stop,
            errors=(KafkaError, RedisError, psycopg.Error, SQLAlchemyError, FeastError, OSError),
            progress=lambda: self._handled,
            on_error=self._report_failure,
        )

    def _report_failure(self, error: BaseException, failures: int) -> None:
        detail = f"{type(error).__name__}: {error}".strip()
        _log.warning("stream.interrupted", error=detail, failures=failures)
        report_health(NAME, ready=False, handled=self._handled, detail=detail)

    def _connect_and_consume(self) -> None:
        with open_store(self._settings) as store:
            apply(store)
            consumer, erased = self._consumer(), ErasedUsers(self._settings)
            try:
                self._consume(store, consumer, erased)
            finally:
                erased.close()
                consumer.close(autocommit=False)

    def _consume(self, store: FeatureStore, consumer: Any, erased: ErasedUsers) -> None:
        window = LastHour()
        # A worker may have died between reading a withdrawal and deleting the rows.
        self._withdrawn = read_withdrawals(self._settings)
        delete_withdrawn(self._settings, self._withdrawn)
        expired_at = datetime.now(UTC)
        maintained_at = 0.0
        touched: set[str] = set()
        ends = consumer.end_offsets(list(consumer.assignment()))
        unread = {partition: end for partition, end in ends.items() if partition.topic == _ERASURES}
        pending: list[int] = []
        spans = MessageSpans("process", kind=SpanKind.CONSUMER, messaging__consumer__group__name=NAME)
        while not self._stop.is_set():
            polled = consumer.poll(timeout_ms=_POLL_MILLISECONDS, max_records=_POLL_RECORDS)
            now = datetime.now(UTC)
            events = _decoded(polled)
            new = _new_acts(polled, ends)
            pending += [record.timestamp for record in new]
            spans.start_received(new)
            if _USERS in events:
                self._apply_consent(events.pop(_USERS))
            if (erasures := events.pop(ERASURES, None)) is not None:
                erased.add(erasures)
            touched |= window.add(events, now=now)
            if now - expired_at >= _EXPIRY_INTERVAL:
                touched |= window.expired(since=expired_at, now=now)
                expired_at = now
            if erased.advance() or touched & erased.confirmed:
                window.remove(erased.confirmed)
            # Erasures of the hour that is read again must be processed before anything is pushed.
            unread = {partition: end for partition, end in unread.items() if consumer.position(partition) < end}
            if not unread:
                self._push(store, window, touched - erased.withheld, now=now, spans=spans)
                spans.end()
                touched &= erased.withheld - erased.confirmed
                self._latency.observe(time.time() - timestamp / 1_000 for timestamp in pending)
                pending.clear()
            self._handled += sum(map(len, polled.values()))
            if time.monotonic() - maintained_at >= _MAINTENANCE_SECONDS:
                if not unread and online_store.STREAM not in online_store.written_parts(self._settings):
                    self._restore(store, window, erased, now=now)
                self._maintain(consumer, stored=window.rows, unconfirmed=erased.unconfirmed)
                maintained_at = time.monotonic()

    def _apply_consent(self, changes: pl.DataFrame) -> None:
        """Delete the rows of users who withdrew consent with these changes."""
        withdrawn, consenting = split_by_consent(changes)
        before = self._withdrawn
        new = UsersByPurpose(withdrawn.personalization - before.personalization, withdrawn.analytics - before.analytics)
        # The state changes after the deletion, so that a failure repeats it.
        delete_withdrawn(self._settings, new)
        self._withdrawn = UsersByPurpose(
            (before.personalization | withdrawn.personalization) - consenting.personalization,
            (before.analytics | withdrawn.analytics) - consenting.analytics,
        )

    def _push(
        self,
        store: FeatureStore,
        window: LastHour,
        users: set[str],
        *,
        now: datetime,
        spans: MessageSpans | None = None,
    ) -> None:
        users = users - self._withdrawn.personalization
        if not users:
            return
        # The online store ignores rows that are not newer than the stored one.
        at = max(window.newest(limit=now + _MAX_CLOCK_LEAD), now, self._last_push_time + timedelta(microseconds=1))
        step: AbstractContextManager[None] = nullcontext()
        if spans is not None:
            step = spans.step("push features", feature_view=RECENT_ACTIVITY_PUSH, rows=len(users))
        with step:
            store.push(RECENT_ACTIVITY_PUSH, window.features(users, at=at).to_pandas(), to=PushMode.ONLINE)
        self._last_push_time = at

    def _restore(self, store: FeatureStore, window: LastHour, erased: ErasedUsers, *, now: datetime) -> None:
        """Push the features of all users, because the online store is new or was emptied."""
        with online_store.writing(self._settings, online_store.STREAM):
            users = window.users - erased.withheld
            _log.warning("stream.restoring", users=len(users))
            self._push(store, window, users, now=now)

    def _maintain(self, consumer: Any, *, stored: int, unconfirmed: int) -> None:
        """Commit the positions, so that the lag of the group can be monitored, and report health."""
        positions = {partition: consumer.position(partition) for partition in consumer.assignment()}
        consumer.commit_async({partition: OffsetAndMetadata(offset, "", -1) for partition, offset in positions.items()})
        backlog = sum(
            max((consumer.highwater(partition) or offset) - offset, 0) for partition, offset in positions.items()
        )
        report_health(
            NAME,
            ready=True,
            backlog=backlog,
            handled=self._handled,
            detail=f"{stored} events of the last hour in memory",
            counters={UNCONFIRMED: unconfirmed},
            latency=self._latency,
        )

    def _consumer(self) -> Any:
        consumer = KafkaConsumer(
            **client_options(self._settings.kafka_bootstrap_servers),
            client_id=NAME,
            group_id=NAME,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_POLL_MILLISECONDS,
            max_poll_records=_POLL_RECORDS,
            reconnect_backoff_max_ms=1_000,
            bootstrap_timeout_ms=5_000,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )
        partitions = [
            TopicPartition(topic, number)
            for topic in _TOPICS
            for number in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        if len({partition.topic for partition in partitions}) < len(_TOPICS):
            consumer.close(autocommit=False)
            raise KafkaError("a topic of the contract does not exist yet")
        consumer.assign(partitions)
        _rewind(consumer, partitions)
        return consumer


def _rewind(consumer: Any, partitions: Sequence[TopicPartition]) -> None:
    """Seek back by the window. A broker without an index of times returns offset 0, which is slow but correct."""
    since = int((datetime.now(UTC) - _REREAD_PERIOD).timestamp() * 1_000)
    offsets = consumer.offsets_for_times(dict.fromkeys(partitions, since))
    ends = consumer.end_offsets(list(partitions))
    for partition in partitions:
        consumer.seek(partition, offsets[partition].offset if offsets.get(partition) else ends[partition])


def _decoded(polled: Mapping[Any, Sequence[Any]]) -> dict[str, pl.DataFrame]:
    """Decode polled records by table; invalid records are skipped, because the ingest reports them."""
    frames: defaultdict[str, list[pl.DataFrame]] = defaultdict(list)
    for partition, records in polled.items():
        stream = STREAM_BY_TOPIC[partition.topic]
        frames[stream.table].append(decode(stream, records)[0])
    return {table: pl.concat(parts) for table, parts in frames.items()}


def _new_acts(polled: Mapping[Any, Sequence[Any]], ends: Mapping[Any, int]) -> list[Any]:
    """Return the records of acts published since the start; earlier ones are read again."""
    return [
        record
        for partition, records in polled.items()
        if partition.topic not in {_ERASURES, _USER_CHANGES}
        for record in records
        if record.offset >= ends[partition]
    ]
