"""Worker that feeds one sink from Kafka: it reads, decodes, and flushes rows together with offsets."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
import polars as pl
import psycopg
from deltalake.exceptions import DeltaError
from kafka import KafkaConsumer
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError
from opentelemetry.trace import SpanKind

from neighborconnect.contracts.health import LatencyHistogram, report_health
from neighborconnect.contracts.topics import STREAMS, Stream
from neighborconnect.kafka_options import client_options
from neighborconnect.retry import run_until_stopped
from neighborconnect.telemetry import get_logger
from neighborconnect.tracing.messages import MessageSpans
from pipelines.ingest.dead_letters import DeadLetterWriter
from pipelines.ingest.decode import InvalidRecord, KafkaRecord, decode
from pipelines.ingest.erasure_confirmation import UNCONFIRMED, ErasureConfirmation
from pipelines.ingest.positions import Positions
from pipelines.ingest.sinks import Sink, SinkResetError, TopicPartition

HEALTH_SECONDS: Final = 1.0
STALL_SECONDS: Final = 10.0
"""A member with a backlog that receives no record for this long reconnects."""
_MAX_STALL_SECONDS: Final = 160.0
_POLL_MILLISECONDS: Final = 250
_POLL_RECORDS: Final = 5_000
_FETCH_BYTES: Final = 4 * 1024 * 1024
# Rows are flushed after seconds anyway, so the broker may batch single events instead of sending each at once.
_MIN_FETCH_BYTES: Final = 64 * 1024
_MAX_FETCH_WAIT_MILLISECONDS: Final = 500

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FlushPolicy:
    """Limits of a batch: its number of rows, and the seconds since its first row."""

    rows: int
    seconds: float


class _Batch:
    """Decoded rows, invalid records and next offsets that are not committed yet."""

    def __init__(self, *, group: str) -> None:
        self.frames: defaultdict[Stream, list[tuple[pl.DataFrame, Sequence[KafkaRecord]]]] = defaultdict(list)
        self.next_offsets: defaultdict[Stream, dict[int, int]] = defaultdict(dict)
        self.first_offsets: defaultdict[Stream, dict[int, int]] = defaultdict(dict)
        self.invalid: defaultdict[Stream, list[InvalidRecord]] = defaultdict(list)
        self.spans = defaultdict[Stream, MessageSpans](
            lambda: MessageSpans("process", kind=SpanKind.CONSUMER, messaging__consumer__group__name=group)
        )
        self.records = 0
        self.since = time.monotonic()

    def add(self, stream: Stream, partition: TopicPartition, records: Sequence[KafkaRecord]) -> None:
        if not self.records:
            self.since = time.monotonic()
        self.spans[stream].start_received(records)
        frame, invalid = decode(stream, records)
        self.frames[stream].append((frame, records))
        self.first_offsets[stream].setdefault(partition.partition, records[0].offset)
        self.next_offsets[stream][partition.partition] = records[-1].offset + 1
        self.invalid[stream] += invalid
        self.records += len(records)

    def is_due(self, policy: FlushPolicy) -> bool:
        return self.records >= policy.rows or (self.records > 0 and time.monotonic() - self.since >= policy.seconds)


class Worker:
    """One member of a sink's consumer group."""

    def __init__(
        self,
        sink: Sink,
        *,
        bootstrap_servers: str,
        confirmation: ErasureConfirmation,
        flush_policy: FlushPolicy,
        stop: threading.Event,
        streams: Sequence[Stream] = STREAMS,
        name: str | None = None,
    ) -> None:
        """Initialize without connecting; ``run`` connects.

        Args:
            sink: the sink to feed.
            bootstrap_servers: addresses of Kafka's brokers.
            confirmation: confirms erasure events before they are stored.
            flush_policy: limits of a batch.
            stop: ends ``run`` when it is set.
            streams: the streams to read.
            name: name of the consumer group and of the health file; ``ingest-<sink>`` if None.
        """
        self._sink = sink
        self._streams = {stream.topic: stream for stream in streams}
        self._bootstrap_servers = bootstrap_servers
        self._confirmation = confirmation
        self._flush_policy = flush_policy
        self._stop = stop
        self._letters = DeadLetterWriter(bootstrap_servers, sink=sink.name)
        self._name = name or f"ingest-{sink.name}"
        self.handled = 0
        """Number of records whose rows and offsets are committed."""
        self._latency = LatencyHistogram()
        self._unconfirmed = 0
        self._stalls = 0
        self._detail = ""
        self._reported_at = 0.0

    def run(self) -> None:
        """Feed the sink until ``stop`` is set, and reconnect after failures of Kafka and of the sink's store."""
        run_until_stopped(
            self._connect_and_feed,
            stop=self._stop,
            errors=(KafkaError, psycopg.Error, DeltaError, OSError, SinkResetError),
            progress=lambda: self.handled,
            on_error=self._report_failure,
        )

    def _report_failure(self, error: BaseException, failures: int) -> None:
        detail = f"{type(error).__name__}: {error}".strip()
        log.warning("ingest.interrupted", error=detail, failures=failures)
        report_health(self._name, ready=False, handled=self.handled, detail=detail)

    def _connect_and_feed(self) -> None:
        try:
            self._feed()
        finally:
            self._letters.close()
            self._sink.close()

    def _feed(self) -> None:
        self._sink.open()
        consumer = self._consumer()
        try:
            positions = Positions(consumer, self._sink)
            # Without metadata a group leader assigns no partitions, and the group is rebalanced twice.
            consumer.topics()
            consumer.subscribe(list(self._streams), listener=positions)
            batch = self._new_batch()
            progressed_at = ends_read_at = checked_at = time.monotonic()
            # Double after each consecutive stall: on a busy machine the first fetch may take longer than the timeout.
            stall_timeout = min(STALL_SECONDS * 2**self._stalls, _MAX_STALL_SECONDS)
            while not self._stop.is_set():
                polled = consumer.poll(timeout_ms=_POLL_MILLISECONDS, max_records=_POLL_RECORDS)
                now = time.monotonic()
                if polled:
                    ends_read_at = now
                    self._stalls = 0
                elif now - ends_read_at > STALL_SECONDS:
                    positions.read_end_offsets()
                    ends_read_at = now
                if polled or not positions.backlog(postponed=False):
                    progressed_at = now
                elif now - progressed_at > stall_timeout:
                    log.warning("ingest.stalled", backlog=positions.backlog())
                    self._stalls += 1
                    break
                if positions.have_changed:
                    batch = self._new_batch()
                    positions.begin()
                    # Reading the positions may take longer than the stall timeout, which therefore starts here.
                    progressed_at = ends_read_at = time.monotonic()
                    continue
                try:
                    if now - checked_at > self._sink.check_seconds:
                        self._sink.check_offsets()
                        checked_at = now
                    batch = self._process(polled, positions, batch)
                except SinkResetError as error:
                    # A rebuild emptied the sink, so the batch must not be committed.
                    log.warning("ingest.sink_reset", detail=str(error))
                    batch = self._new_batch()
                    positions.begin()
                self._report(positions, batch)
            self._flush(batch, positions)
        finally:
            consumer.close(autocommit=False)

    def _consumer(self) -> Any:
        return KafkaConsumer(
            **client_options(self._bootstrap_servers),
            client_id=self._name,
            group_id=self._name,
            enable_auto_commit=False,
            # A fetch session can lose a partition that is paused and resumed between two fetches.
            enable_incremental_fetch_sessions=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[RangePartitionAssignor],
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_500,
            max_poll_records=_POLL_RECORDS,
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_min_bytes=_MIN_FETCH_BYTES,
            fetch_max_wait_ms=_MAX_FETCH_WAIT_MILLISECONDS,
            reconnect_backoff_max_ms=1_000,
            bootstrap_timeout_ms=5_000,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )

    def _new_batch(self) -> _Batch:
        return _Batch(group=self._name)

    def _process(self, polled: Mapping[Any, Sequence[Any]], positions: Positions, batch: _Batch) -> _Batch:
        positions.resume_postponed()
        self._read(polled, positions, batch)
        if not batch.is_due(self._flush_policy):
            return batch
        self._flush(batch, positions)
        return self._new_batch()

    def _read(self, polled: Mapping[Any, Sequence[Any]], positions: Positions, batch: _Batch) -> None:
        for key, fetched in polled.items():
            partition = TopicPartition(*key)
            records = [
                KafkaRecord(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, r.headers) for r in fetched
            ]
            positions.advance(partition, first=records[0].offset, last=records[-1].offset)
            batch.add(self._streams[partition.topic], partition, records)

    def _flush(self, batch: _Batch, positions: Positions) -> None:
        for stream, parts in batch.frames.items():
            frame = pl.concat([frame for frame, _ in parts])
            by_position = {(r.partition, r.offset): r for _, records in parts for r in records}
            if self._confirmation.is_needed(stream):
                try:
                    rejected = self._confirmation.find_unconfirmed(frame)
                except httpx.HTTPError as error:
                    self._postpone(stream, batch, positions, error=error)
                    continue
                self._detail = ""
                self._unconfirmed += len(rejected)
                frame = self._reject(frame, rejected, by_position)
            self._letters.write(batch.invalid[stream])
            next_offsets = batch.next_offsets[stream]
            spans = batch.spans[stream]
            with spans.step(f"write {self._sink.name}", rows=frame.height):
                if rejected := dict(self._sink.write(stream, frame, next_offsets)):
                    self._sink.write(stream, self._reject(frame, rejected, by_position), next_offsets)
            spans.end()
            stored_at = time.time()
            self._latency.observe(stored_at - record.timestamp / 1_000 for record in by_position.values())
            positions.commit(stream.topic, next_offsets)
            self.handled += len(by_position)
            if invalid := batch.invalid[stream]:
                log.warning("ingest.dead_letters", count=len(invalid), first_reason=invalid[0].reason)

    def _reject(
        self, frame: pl.DataFrame, rejected: Mapping[int, str], by_position: Mapping[tuple[int, int], KafkaRecord]
    ) -> pl.DataFrame:
        """Publish the rejected rows as dead letters and return the other rows."""
        positions = frame.select("_partition", "_offset").rows()
        self._letters.write([InvalidRecord(by_position[positions[row]], reason) for row, reason in rejected.items()])
        if rejected:
            log.warning("ingest.dead_letters", count=len(rejected), first_reason=next(iter(rejected.values())))
        return frame.filter(~pl.Series(range(frame.height), dtype=pl.Int64).is_in(list(rejected)))

    def _postpone(self, stream: Stream, batch: _Batch, positions: Positions, *, error: Exception) -> None:
        """Read a stream's records again later, because the API could not confirm them; other streams continue."""
        first_offsets = batch.first_offsets[stream]
        positions.postpone({TopicPartition(stream.topic, number): offset for number, offset in first_offsets.items()})
        self._detail = f"erasures are postponed until the API confirms them: {type(error).__name__}"
        log.warning(
            "ingest.erasures_postponed", error=f"{type(error).__name__}: {error}", partitions=len(first_offsets)
        )

    def _report(self, positions: Positions, batch: _Batch) -> None:
        if time.monotonic() - self._reported_at < HEALTH_SECONDS:
            return
        self._reported_at = time.monotonic()
        report_health(
            self._name,
            ready=True,
            backlog=positions.backlog() + batch.records,
            handled=self.handled,
            detail=self._detail,
            counters={UNCONFIRMED: self._unconfirmed},
            latency=self._latency,
        )
