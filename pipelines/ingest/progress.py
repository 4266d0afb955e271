"""How far the sinks are, by what the stores themselves say."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import psycopg
from kafka import KafkaConsumer, TopicPartition

from neighborconnect.contracts.topics import STREAM_BY_TOPIC, STREAMS
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
    outbox = _outbox(settings)
    beginnings, ends = _ask(settings)
    lake, warehouse = _lake_offsets(settings, ends), _warehouse(settings)
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


def beginning_offsets(settings: Settings) -> dict[Place, int]:
    """Return the oldest offset that Kafka holds, for each partition of every stream."""
    return _ask(settings)[0]


def end_offsets(settings: Settings) -> dict[Place, int]:
    """Return one past the newest offset, for each partition of every stream."""
    return _ask(settings)[1]


def _ask(settings: Settings) -> tuple[dict[Place, int], dict[Place, int]]:
    consumer = KafkaConsumer(
        **client_options(settings.kafka_bootstrap_servers),
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
    try:
        places = [
            TopicPartition(stream.topic, number)
            for stream in STREAMS
            for number in sorted(consumer.partitions_for_topic(stream.topic) or ())
        ]
        beginnings, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
        return _by_place(beginnings), _by_place(ends)
    finally:
        consumer.close()


def _outbox(settings: Settings) -> int:
    with psycopg.connect(settings.database_url) as connection:
        row = connection.execute("SELECT count(*) FROM cdc_outbox WHERE rejected IS NULL").fetchone()
    return int(row[0]) if row else 0


def _lake_offsets(settings: Settings, ends: dict[Place, int]) -> dict[Place, int]:
    tables = {topic: event_table(settings, stream.table) for topic, stream in STREAM_BY_TOPIC.items()}
    offsets: dict[Place, int] = {}
    for place in ends:
        table = tables[place.topic]
        if table is not None:
            offsets[place] = table.transaction_version(f"{place.topic}:{place.partition}") or 0
    return offsets


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
