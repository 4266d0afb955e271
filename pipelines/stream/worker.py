"""Follow Kafka and push the last hour of every user who did something.

State is the last hour of events, so it needs no store of its own: at every start it is read again from an hour
back. Events may come twice and pushes may repeat; both end in the same values. One worker reads all partitions,
because one user's likes, comments and clicks lie in different ones; a second worker does no harm.

It also follows the users' own rows: the features and the analytics rows of a person who withdraws consent are removed
at once, and a person who refuses personalization is not pushed. It reads erasures too: the hour in memory would
otherwise write an erased person's features again behind the erasure's back.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl
import psycopg
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError
from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from feature_repo.feast_import import FeastError, FeatureStore, PushMode
from feature_repo.schemas import RECENT_WINDOW
from feature_repo.store import apply, build_store, close
from neighborconnect.contracts.features import RECENT_ACTIVITY_PUSH
from neighborconnect.contracts.health import report_health
from neighborconnect.contracts.topics import STREAM_BY_TABLE, STREAM_BY_TOPIC
from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from pipelines.consent import Refusals, read_refusals_of_all, refusals_of, remove_refused
from pipelines.features import online_store
from pipelines.ingest.confirmation import ERASURES, UNCONFIRMED
from pipelines.ingest.decode import decode
from pipelines.stream.erased import ErasedPeople
from pipelines.stream.window import USER_COLUMN, LastHour

NAME: Final = "stream-features"
_CONSENT: Final = "users"
_ERASURES: Final = STREAM_BY_TABLE[ERASURES].topic
_TOPICS: Final = tuple(STREAM_BY_TABLE[table].topic for table in (*USER_COLUMN, _CONSENT, ERASURES))
_POLL_MILLISECONDS: Final = 100
_POLL_RECORDS: Final = 5_000
_HOUSEKEEPING_SECONDS: Final = 1.0
_EXPIRY: Final = timedelta(seconds=30)
# Events carry the time of another machine's clock: one that runs ahead by less than this is believed.
_CLOCK_SKEW: Final = timedelta(seconds=10)
# Kafka's timestamps are those of the change; a relay that was down publishes older ones.
_REREAD: Final = RECENT_WINDOW + timedelta(minutes=5)
_BACKOFF_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)

_log = get_logger(__name__)


class StreamWorker:
    """Keeps ``user_recent_activity`` fresh in the online store."""

    def __init__(self, settings: Settings, *, stop: threading.Event) -> None:
        """Prepare; nothing is opened before ``run``."""
        self._settings = settings
        self._stop = stop
        self._handled = 0
        self._last_at = datetime.min.replace(tzinfo=UTC)
        self._refused = Refusals(frozenset(), frozenset())

    def run(self) -> None:
        """Follow Kafka until told to stop, through every failure of Kafka, Redis and PostgreSQL."""
        failures = 0
        while not self._stop.is_set():
            handled = self._handled
            try:
                self._follow()
            except (KafkaError, RedisError, psycopg.Error, SQLAlchemyError, FeastError, OSError) as error:
                failures = 0 if self._handled > handled else failures + 1
                detail = f"{type(error).__name__}: {error}".strip()
                _log.warning("stream.interrupted", error=detail, failures=failures)
                report_health(NAME, ready=False, handled=self._handled, detail=detail)
                self._stop.wait(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)])

    def _follow(self) -> None:
        store = build_store(self._settings)
        try:
            apply(store)
            consumer, erased = self._consumer(), ErasedPeople(self._settings)
            try:
                self._feed(store, consumer, erased)
            finally:
                erased.close()
                consumer.close(autocommit=False)
        finally:
            close(store)

    def _feed(self, store: FeatureStore, consumer: Any, erased: ErasedPeople) -> None:
        window = LastHour()
        # A worker that died may have seen a withdrawal and not carried it out.
        self._refused = read_refusals_of_all(self._settings)
        remove_refused(self._settings, self._refused)
        swept_at = datetime.now(UTC)
        kept_house_at = 0.0
        touched: set[str] = set()
        unread = consumer.end_offsets([place for place in consumer.assignment() if place.topic == _ERASURES])
        while not self._stop.is_set():
            polled = consumer.poll(timeout_ms=_POLL_MILLISECONDS, max_records=_POLL_RECORDS)
            now = datetime.now(UTC)
            events = _decoded(polled)
            if _CONSENT in events:
                self._obey(events.pop(_CONSENT))
            if (erasures := events.pop(ERASURES, None)) is not None:
                erased.add(erasures)
            touched |= window.add(events, now=now)
            if now - swept_at >= _EXPIRY:
                touched |= window.expired(since=swept_at, now=now)
                swept_at = now
            if erased.advance() or touched & erased.confirmed:
                window.forget(erased.confirmed)
            # Whoever was erased in the hour that is read again must be known before anything is pushed.
            unread = {place: end for place, end in unread.items() if consumer.position(place) < end}
            if not unread:
                self._push(store, window, touched - erased.withheld, now=now)
                touched &= erased.withheld - erased.confirmed
            self._handled += sum(map(len, polled.values()))
            if time.monotonic() - kept_house_at >= _HOUSEKEEPING_SECONDS:
                if not unread and online_store.STREAM not in online_store.written_parts(self._settings):
                    self._restore(store, window, erased, now=now)
                _keep_house(consumer, handled=self._handled, held=window.rows, unconfirmed=erased.unconfirmed)
                kept_house_at = time.monotonic()

    def _obey(self, changes: pl.DataFrame) -> None:
        """Remove what is there of people who refuse since these changes of their rows."""
        refused, allowed = refusals_of(changes)
        before = self._refused
        new = Refusals(refused.personalization - before.personalization, refused.analytics - before.analytics)
        # Not before it is done: after a failure, it is repeated.
        remove_refused(self._settings, new)
        self._refused = Refusals(
            (before.personalization | refused.personalization) - allowed.personalization,
            (before.analytics | refused.analytics) - allowed.analytics,
        )

    def _push(self, store: FeatureStore, window: LastHour, users: set[str], *, now: datetime) -> None:
        users = users - self._refused.personalization
        if not users:
            return
        # The online store ignores a row that is not newer than the one it has.
        at = max(window.newest(limit=now + _CLOCK_SKEW), now, self._last_at + timedelta(microseconds=1))
        store.push(RECENT_ACTIVITY_PUSH, window.features(users, at=at).to_pandas(), to=PushMode.ONLINE)
        self._last_at = at

    def _restore(self, store: FeatureStore, window: LastHour, erased: ErasedPeople, *, now: datetime) -> None:
        """Push everybody's last hour: the online store is new or was emptied."""
        with online_store.writing(self._settings, online_store.STREAM):
            users = window.users - erased.withheld
            _log.warning("stream.restoring", users=len(users))
            self._push(store, window, users, now=now)

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
        places = [
            TopicPartition(topic, number)
            for topic in _TOPICS
            for number in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        if len({place.topic for place in places}) < len(_TOPICS):
            consumer.close(autocommit=False)
            raise KafkaError("a topic of the contract does not exist yet")
        consumer.assign(places)
        _rewind(consumer, places)
        return consumer


def _rewind(consumer: Any, places: Sequence[TopicPartition]) -> None:
    """Go back by the window. A broker that cannot look up times answers 0: the start, which is slow but right."""
    since = int((datetime.now(UTC) - _REREAD).timestamp() * 1_000)
    found = consumer.offsets_for_times(dict.fromkeys(places, since))
    ends = consumer.end_offsets(list(places))
    for place in places:
        consumer.seek(place, found[place].offset if found.get(place) else ends[place])


def _decoded(polled: Mapping[Any, Sequence[Any]]) -> dict[str, pl.DataFrame]:
    """Decode what was polled by table; a record that does not parse is the ingest's to report."""
    frames: defaultdict[str, list[pl.DataFrame]] = defaultdict(list)
    for place, records in polled.items():
        stream = STREAM_BY_TOPIC[place.topic]
        frames[stream.table].append(decode(stream, records)[0])
    return {table: pl.concat(parts) for table, parts in frames.items()}


def _keep_house(consumer: Any, *, handled: int, held: int, unconfirmed: int) -> None:
    """Commit how far the pushes have come, so that the group's lag can be monitored, and report health."""
    positions = {place: consumer.position(place) for place in consumer.assignment()}
    consumer.commit_async({place: OffsetAndMetadata(offset, "", -1) for place, offset in positions.items()})
    backlog = sum(max((consumer.highwater(place) or offset) - offset, 0) for place, offset in positions.items())
    detail, counters = f"{held} events of the last hour held", {UNCONFIRMED: unconfirmed}
    report_health(NAME, ready=True, backlog=backlog, handled=handled, detail=detail, counters=counters)
