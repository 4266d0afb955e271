"""Progress of the sinks, from the offsets in the stores themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple

import psycopg
from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition

from neighborconnect.contracts.topics import STREAMS, Stream
from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings
from pipelines.ingest.lake import event_table
from pipelines.ingest.sinks import TopicPartition

POLL_SECONDS = 0.5


class NotCaughtUpError(TimeoutError):
    """The sinks have a backlog that does not shrink."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Number of events in the outbox, and of records in Kafka that each sink has not stored."""

    outbox: int
    lake: int
    warehouse: int

    @property
    def events(self) -> int:
        """Number of events that the slower sink has not stored."""
        return self.outbox + max(self.lake, self.warehouse)

    @property
    def is_caught_up(self) -> bool:
        """Whether both sinks have stored every event."""
        return self.events == 0


class ProgressReader:
    """Counts the events that the sinks have not stored.

    A reader opens only tables of the lake that were behind when it last read them.
    """

    def __init__(self, settings: Settings) -> None:
        """Read the stores of ``settings``."""
        self._settings = settings
        self._in_lake: dict[TopicPartition, int] = {}

    def read(self) -> Progress:
        """Count now.

        Events that are published during the call may be counted or not. An event that has left the outbox is in Kafka,
        so reading the outbox first and the stores last misses none.
        """
        outbox = outbox_events(self._settings).total
        beginnings, ends = partition_offsets(self._settings)
        behind = {part.topic for part, end in ends.items() if self._in_lake.get(part, beginnings.get(part, 0)) < end}
        streams = [stream for stream in STREAMS if stream.topic in behind]
        self._in_lake |= stored_offsets(self._settings, "lake", ends, streams=streams)
        warehouse = stored_offsets(self._settings, "warehouse", ends)
        return Progress(
            outbox=outbox,
            lake=_behind(beginnings, ends, self._in_lake),
            warehouse=_behind(beginnings, ends, warehouse),
        )


def wait_until_caught_up(
    settings: Settings, *, timeout: float, on_progress: Callable[[Progress], None] = lambda _progress: None
) -> None:
    """Return when every event that was committed before the call is in the lake and in the warehouse.

    Args:
        settings: addresses of the stores.
        timeout: maximum number of seconds without any progress; the total time is not limited.
        on_progress: called with the progress every half second, or less often if reading it takes longer.

    Raises:
        NotCaughtUpError: if the backlog does not shrink for ``timeout`` seconds.
    """
    reader = ProgressReader(settings)
    lowest, progressed_at = inf, time.monotonic()
    while True:
        began = time.monotonic()
        progress = reader.read()
        on_progress(progress)
        if progress.is_caught_up:
            return
        if progress.events < lowest:
            lowest, progressed_at = progress.events, time.monotonic()
        elif time.monotonic() > progressed_at + timeout:
            raise NotCaughtUpError(f"The sinks made no progress for {timeout:.0f} seconds; backlog: {progress}")
        # Counting a long outbox takes long: spend at most half of the time on it.
        time.sleep(max(POLL_SECONDS, time.monotonic() - began))


def end_offsets(settings: Settings) -> dict[TopicPartition, int]:
    """Return one past the newest offset of each partition of every stream."""
    return partition_offsets(settings)[1]


class OutboxEvents(NamedTuple):
    """Number of events in the outbox, and the id of the newest (0 if there is none)."""

    total: int
    last_id: int


def outbox_events(settings: Settings, *, until: int | None = None) -> OutboxEvents:
    """Count the events in the outbox, up to the id ``until`` if it is given."""
    with psycopg.connect(settings.database_url) as connection:
        row = connection.execute(
            "SELECT count(*), coalesce(max(id), 0) FROM cdc_outbox "
            "WHERE rejected IS NULL AND (%(until)s::bigint IS NULL OR id <= %(until)s)",
            {"until": until},
        ).fetchone()
    return OutboxEvents(int(row[0]), int(row[1])) if row else OutboxEvents(0, 0)


def stored_offsets(
    settings: Settings, sink: str, ends: Mapping[TopicPartition, int], *, streams: Sequence[Stream] = STREAMS
) -> dict[TopicPartition, int]:
    """Return the next offsets that the ``lake`` or the ``warehouse`` has stored for the partitions of ``ends``."""
    return _lake_offsets(settings, ends, streams) if sink == "lake" else _warehouse_offsets(settings)


def partition_offsets(
    settings: Settings, *, streams: Sequence[Stream] = STREAMS
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Return the oldest offset, and one past the newest, of each partition of the streams."""
    consumer = KafkaConsumer(
        **client_options(settings.kafka_bootstrap_servers),
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
    try:
        partitions = [
            KafkaPartition(stream.topic, number)
            for stream in streams
            for number in sorted(consumer.partitions_for_topic(stream.topic) or ())
        ]
        beginnings, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        return _typed(beginnings), _typed(ends)
    finally:
        consumer.close()


def _lake_offsets(
    settings: Settings, ends: Mapping[TopicPartition, int], streams: Sequence[Stream]
) -> dict[TopicPartition, int]:
    tables = {stream.topic: event_table(settings, stream.table) for stream in streams}
    return {
        partition: table.transaction_version(f"{partition.topic}:{partition.partition}") or 0
        for partition in ends
        if (table := tables.get(partition.topic)) is not None
    }


def _warehouse_offsets(settings: Settings) -> dict[TopicPartition, int]:
    with psycopg.connect(settings.warehouse_url) as connection:
        table = connection.execute("SELECT to_regclass('ingest.kafka_offsets')").fetchone()
        if table is None or table[0] is None:
            return {}
        rows = connection.execute(
            "SELECT topic, partition, next_offset FROM ingest.kafka_offsets WHERE sink = 'warehouse'"
        )
        return {TopicPartition(topic, number): int(offset) for topic, number, offset in rows}


def _behind(
    beginnings: dict[TopicPartition, int], ends: dict[TopicPartition, int], stored: dict[TopicPartition, int]
) -> int:
    return sum(max(end - max(stored.get(partition, 0), beginnings[partition]), 0) for partition, end in ends.items())


def _typed(offsets: dict[Any, int]) -> dict[TopicPartition, int]:
    return {TopicPartition(*partition): offset for partition, offset in offsets.items()}
