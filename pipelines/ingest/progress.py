"""How far the sinks are, by what the stores themselves say."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple

import psycopg
from kafka import KafkaConsumer, TopicPartition

from neighborconnect.contracts.topics import STREAMS, Stream
from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings
from pipelines.ingest.lake import event_table
from pipelines.ingest.sinks import Place

POLL_SECONDS = 0.5


class NotCaughtUpError(TimeoutError):
    """The sinks were behind, and came no closer."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What is still on its way: events in the outbox, and records of Kafka that a sink does not hold."""

    outbox: int
    lake: int
    warehouse: int

    @property
    def events(self) -> int:
        """How many there are before the sink that is further behind."""
        return self.outbox + max(self.lake, self.warehouse)

    @property
    def is_caught_up(self) -> bool:
        """Whether nothing is on its way."""
        return self.events == 0


def progress(settings: Settings) -> Progress:
    """Count what is on its way.

    Events that come in meanwhile may be counted or not. An event that has left the outbox is in Kafka, so reading
    the outbox first and the stores last cannot miss one on its way between.
    """
    outbox = outbox_events(settings).number
    beginnings, ends = partition_offsets(settings)
    lake, warehouse = stored_offsets(settings, "lake", ends), stored_offsets(settings, "warehouse", ends)
    return Progress(outbox=outbox, lake=_behind(beginnings, ends, lake), warehouse=_behind(beginnings, ends, warehouse))


def wait_until_caught_up(
    settings: Settings, *, timeout: float, told: Callable[[Progress], None] = lambda _progress: None
) -> None:
    """Return once every event that was committed before the call is in the lake and in the warehouse.

    Args:
        settings: where the stores are.
        timeout: seconds without any progress to wait at most; however much there is, it takes as long as it takes.
        told: is given the progress each half second, or more seldom where asking takes longer than that.

    Raises:
        NotCaughtUpError: when the sinks come no closer.
    """
    fewest, moved = inf, time.monotonic()
    while True:
        began = time.monotonic()
        now = progress(settings)
        told(now)
        if now.is_caught_up:
            return
        if now.events < fewest:
            fewest, moved = now.events, time.monotonic()
        elif time.monotonic() > moved + timeout:
            raise NotCaughtUpError(f"For {timeout:.0f} seconds the sinks came no closer: still {now} on their way")
        # A long outbox is long to count: at most half of the time goes into asking.
        time.sleep(max(POLL_SECONDS, time.monotonic() - began))


def end_offsets(settings: Settings) -> dict[Place, int]:
    """Return one past the newest offset, for each partition of every stream."""
    return partition_offsets(settings)[1]


class OutboxEvents(NamedTuple):
    """Events that wait in the outbox, and the id of the newest."""

    number: int
    last: int


def outbox_events(settings: Settings, *, until: int | None = None) -> OutboxEvents:
    """Count the events in the outbox, up to the id ``until`` if one is given."""
    with psycopg.connect(settings.database_url) as connection:
        row = connection.execute(
            "SELECT count(*), coalesce(max(id), 0) FROM cdc_outbox "
            "WHERE rejected IS NULL AND (%(until)s::bigint IS NULL OR id <= %(until)s)",
            {"until": until},
        ).fetchone()
    return OutboxEvents(int(row[0]), int(row[1])) if row else OutboxEvents(0, 0)


def stored_offsets(
    settings: Settings, sink: str, ends: Mapping[Place, int], *, streams: Sequence[Stream] = STREAMS
) -> dict[Place, int]:
    """Return the next offsets that the ``lake`` or the ``warehouse`` has stored for the partitions of ``ends``."""
    return _lake_offsets(settings, ends, streams) if sink == "lake" else _warehouse(settings)


def partition_offsets(
    settings: Settings, *, streams: Sequence[Stream] = STREAMS
) -> tuple[dict[Place, int], dict[Place, int]]:
    """Return the oldest offset and one past the newest, for each partition of the streams."""
    consumer = KafkaConsumer(
        **client_options(settings.kafka_bootstrap_servers),
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
    try:
        places = [
            TopicPartition(stream.topic, number)
            for stream in streams
            for number in sorted(consumer.partitions_for_topic(stream.topic) or ())
        ]
        beginnings, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
        return _by_place(beginnings), _by_place(ends)
    finally:
        consumer.close()


def _lake_offsets(settings: Settings, ends: Mapping[Place, int], streams: Sequence[Stream]) -> dict[Place, int]:
    tables = {stream.topic: event_table(settings, stream.table) for stream in streams}
    return {
        place: table.transaction_version(f"{place.topic}:{place.partition}") or 0
        for place in ends
        if (table := tables[place.topic]) is not None
    }


def _warehouse(settings: Settings) -> dict[Place, int]:
    with psycopg.connect(settings.warehouse_url) as connection:
        there = connection.execute("SELECT to_regclass('ingest.kafka_offsets')").fetchone()
        if there is None or there[0] is None:
            return {}
        rows = connection.execute(
            "SELECT topic, partition, next_offset FROM ingest.kafka_offsets WHERE sink = 'warehouse'"
        )
        return {Place(topic, partition): int(offset) for topic, partition, offset in rows}


def _behind(beginnings: dict[Place, int], ends: dict[Place, int], stored: dict[Place, int]) -> int:
    return sum(max(end - max(stored.get(place, 0), beginnings[place]), 0) for place, end in ends.items())


def _by_place(offsets: dict[Any, int]) -> dict[Place, int]:
    return {Place(*place): offset for place, offset in offsets.items()}
