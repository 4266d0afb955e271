"""Feeds one sink from Kafka: reads, decodes, and flushes rows and offsets together."""

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

from neighborconnect.contracts.health import report_health
from neighborconnect.contracts.topics import STREAMS, Stream
from neighborconnect.kafka_options import client_options
from neighborconnect.telemetry import get_logger
from pipelines.ingest.confirmation import UNCONFIRMED, ErasureConfirmation
from pipelines.ingest.dead_letters import DeadLetterWriter
from pipelines.ingest.decode import KafkaRecord, Unfit, decode
from pipelines.ingest.positions import Positions
from pipelines.ingest.sinks import Place, Sink, SinkResetError

HEALTH_SECONDS: Final = 1.0
STALL_SECONDS: Final = 10.0
"""A member that is behind and is given nothing for so long connects anew."""
_BACKOFF_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_POLL_MILLISECONDS: Final = 100
_POLL_RECORDS: Final = 5_000
_FETCH_BYTES: Final = 4 * 1024 * 1024
# Rows are flushed after seconds, so a trickle may gather at the broker instead of being fetched event by event.
_WORTH_A_FETCH_BYTES: Final = 64 * 1024
_GATHER_MILLISECONDS: Final = 500

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FlushRule:
    """When what was read is written: after so many rows, or so many seconds after the first of them."""

    rows: int
    seconds: float


class _Batch:
    """Decoded rows, unfit records and next offsets that are not committed yet."""

    def __init__(self) -> None:
        self.frames: defaultdict[Stream, list[tuple[pl.DataFrame, Sequence[KafkaRecord]]]] = defaultdict(list)
        self.next_offsets: defaultdict[Stream, dict[int, int]] = defaultdict(dict)
        self.first_offsets: defaultdict[Stream, dict[int, int]] = defaultdict(dict)
        self.unfit: defaultdict[Stream, list[Unfit]] = defaultdict(list)
        self.records = 0
        self.since = time.monotonic()

    def add(self, stream: Stream, place: Place, records: Sequence[KafkaRecord]) -> None:
        if not self.records:
            self.since = time.monotonic()
        frame, unfit = decode(stream, records)
        self.frames[stream].append((frame, records))
        self.first_offsets[stream].setdefault(place.partition, records[0].offset)
        self.next_offsets[stream][place.partition] = records[-1].offset + 1
        self.unfit[stream] += unfit
        self.records += len(records)

    def is_due(self, rule: FlushRule) -> bool:
        return self.records >= rule.rows or (self.records > 0 and time.monotonic() - self.since >= rule.seconds)


class Worker:
    """One member of a sink's consumer group."""

    def __init__(
        self,
        sink: Sink,
        *,
        bootstrap_servers: str,
        confirmation: ErasureConfirmation,
        rule: FlushRule,
        stop: threading.Event,
        streams: Sequence[Stream] = STREAMS,
        name: str | None = None,
    ) -> None:
        """Prepare; ``run`` connects.

        Args:
            sink: what is fed.
            bootstrap_servers: Kafka.
            confirmation: who is asked before an event of an erasure is stored.
            rule: when rows are flushed.
            stop: ends ``run`` when it is set.
            streams: what is read.
            name: of the consumer group and of the health file; ``ingest-<sink>`` if None.
        """
        self._sink = sink
        self._streams = {stream.topic: stream for stream in streams}
        self._bootstrap_servers = bootstrap_servers
        self._confirmation = confirmation
        self._rule = rule
        self._stop = stop
        self._letters = DeadLetterWriter(bootstrap_servers, sink=sink.name)
        self._name = name or f"ingest-{sink.name}"
        self.handled = 0
        """Records whose rows and offsets are committed."""
        self._unconfirmed = 0
        self._detail = ""
        self._reported_at = 0.0

    def run(self) -> None:
        """Feed the sink until told to stop, through every failure of Kafka and of the sink's store."""
        failures = 0
        while not self._stop.is_set():
            handled = self.handled
            try:
                self._feed()
            except (KafkaError, psycopg.Error, DeltaError, OSError, SinkResetError) as error:
                failures = 0 if self.handled > handled else failures + 1
                detail = f"{type(error).__name__}: {error}".strip()
                log.warning("ingest.interrupted", error=detail, failures=failures)
                report_health(self._name, ready=False, handled=self.handled, detail=detail)
                self._stop.wait(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)])
            finally:
                self._letters.close()
                self._sink.close()

    def _feed(self) -> None:
        self._sink.open()
        consumer = self._consumer()
        try:
            positions = Positions(consumer, self._sink)
            # A group leader that knows no partitions yet assigns none, and the group is balanced twice.
            consumer.topics()
            consumer.subscribe(list(self._streams), listener=positions)
            batch = _Batch()
            moved_at = looked_at = checked_at = time.monotonic()
            while not self._stop.is_set():
                polled = consumer.poll(timeout_ms=_POLL_MILLISECONDS, max_records=_POLL_RECORDS)
                now = time.monotonic()
                if polled:
                    looked_at = now
                elif now - looked_at > STALL_SECONDS:
                    positions.look_at_ends()
                    looked_at = now
                if polled or not positions.backlog(postponed=False):
                    moved_at = now
                elif now - moved_at > STALL_SECONDS:
                    log.warning("ingest.stalled", backlog=positions.backlog())
                    break
                if positions.have_changed:
                    batch = _Batch()
                    positions.begin()
                    continue
                try:
                    if now - checked_at > self._sink.check_seconds:
                        self._sink.check_offsets()
                        checked_at = now
                    batch = self._take(polled, positions, batch)
                except SinkResetError as error:
                    # A rebuild emptied the sink under this worker: nothing of the batch may be committed.
                    log.warning("ingest.sink_reset", detail=str(error))
                    batch = _Batch()
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
            # A partition that is paused and resumed between two fetches can be forgotten by a fetch session.
            enable_incremental_fetch_sessions=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[RangePartitionAssignor],
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_500,
            max_poll_records=_POLL_RECORDS,
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_min_bytes=_WORTH_A_FETCH_BYTES,
            fetch_max_wait_ms=_GATHER_MILLISECONDS,
            reconnect_backoff_max_ms=1_000,
            bootstrap_timeout_ms=5_000,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )

    def _take(self, polled: Mapping[Any, Sequence[Any]], positions: Positions, batch: _Batch) -> _Batch:
        positions.resume_postponed()
        self._read(polled, positions, batch)
        if not batch.is_due(self._rule):
            return batch
        self._flush(batch, positions)
        return _Batch()

    def _read(self, polled: Mapping[Any, Sequence[Any]], positions: Positions, batch: _Batch) -> None:
        for partition, fetched in polled.items():
            place = Place(*partition)
            records = [
                KafkaRecord(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, r.headers) for r in fetched
            ]
            positions.read(place, first=records[0].offset, last=records[-1].offset)
            batch.add(self._streams[place.topic], place, records)

    def _flush(self, batch: _Batch, positions: Positions) -> None:
        for stream, parts in batch.frames.items():
            frame = pl.concat([frame for frame, _ in parts])
            by_place = {(r.partition, r.offset): r for _, records in parts for r in records}
            if self._confirmation.is_needed(stream):
                try:
                    refused = self._confirmation.unconfirmed(frame)
                except httpx.HTTPError as error:
                    self._postpone(stream, batch, positions, error=error)
                    continue
                self._detail = ""
                self._unconfirmed += len(refused)
                frame = self._set_aside(frame, refused, by_place)
            self._letters.write(batch.unfit[stream])
            next_offsets = batch.next_offsets[stream]
            if refused := dict(self._sink.write(stream, frame, next_offsets)):
                self._sink.write(stream, self._set_aside(frame, refused, by_place), next_offsets)
            self.handled += len(by_place)
            if unfit := batch.unfit[stream]:
                log.warning("ingest.dead_letters", count=len(unfit), first_reason=unfit[0].reason)

    def _set_aside(
        self, frame: pl.DataFrame, refused: Mapping[int, str], by_place: Mapping[tuple[int, int], KafkaRecord]
    ) -> pl.DataFrame:
        """Make dead letters of the refused rows and return the others."""
        places = frame.select("_partition", "_offset").rows()
        self._letters.write([Unfit(by_place[places[row]], reason) for row, reason in refused.items()])
        if refused:
            log.warning("ingest.dead_letters", count=len(refused), first_reason=next(iter(refused.values())))
        return frame.filter(~pl.Series(range(frame.height), dtype=pl.Int64).is_in(list(refused)))

    def _postpone(self, stream: Stream, batch: _Batch, positions: Positions, *, error: Exception) -> None:
        """Read a stream's records again later, because nobody could confirm them; the other streams go on."""
        firsts = batch.first_offsets[stream]
        positions.postpone({Place(stream.topic, partition): first for partition, first in firsts.items()})
        self._detail = f"erasures wait for the API to confirm them: {type(error).__name__}"
        log.warning("ingest.erasures_postponed", error=f"{type(error).__name__}: {error}", partitions=len(firsts))

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
        )
