"""Topics of one test, whose records it may delete, and workers that read only these topics."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import polars as pl
import psycopg
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from neighborconnect.contracts.topics import PARTITIONS, STREAM_BY_TABLE, Stream
from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings
from pipelines.ingest.dead_letters import discard, make_producer, pending_letters
from pipelines.ingest.decode import KafkaRecord
from pipelines.ingest.erasure_confirmation import ErasureConfirmation
from pipelines.ingest.lake import scan_events
from pipelines.ingest.lake_sink import LakeSink
from pipelines.ingest.sinks import Sink
from pipelines.ingest.warehouse_sink import WarehouseSink
from pipelines.ingest.warehouse_tables import create_tables
from pipelines.ingest.worker import FlushPolicy, Worker

SINKS = ("lake", "warehouse")


class IsolatedTopics:
    """Streams with tables of the contract and topics of their own."""

    def __init__(self, settings: Settings, *tables: str) -> None:
        self.settings = settings
        self.name = uuid.uuid4().hex[:10]
        self.streams = tuple(
            dataclasses.replace(STREAM_BY_TABLE[table], topic=f"test-{self.name}.{table}") for table in tables
        )
        self._admin = KafkaAdminClient(**client_options(settings.kafka_bootstrap_servers))
        self.create()
        with psycopg.connect(settings.warehouse_url, autocommit=True) as connection:
            create_tables(connection)

    def create(self) -> None:
        self._admin.create_topics([NewTopic(stream.topic, PARTITIONS, 1) for stream in self.streams])

    def delete(self) -> None:
        self._admin.delete_topics([stream.topic for stream in self.streams])

    def close(self) -> None:
        # A letter of a topic that is gone could not be replayed by the tests that replay all.
        topics, servers = {stream.topic for stream in self.streams}, self.settings.kafka_bootstrap_servers
        discard(servers, [one for one in pending_letters(servers) if one.record.topic in topics], reason="a test's")
        self.delete()
        self._admin.close()

    def stream(self, table: str) -> Stream:
        return next(stream for stream in self.streams if stream.table == table)

    def publish(self, table: str, records: Iterable[KafkaRecord]) -> None:
        producer = make_producer(self.settings.kafka_bootstrap_servers)
        for one in records:
            topic = self.stream(table).topic
            producer.send(topic, one.value, key=one.key, partition=one.partition, timestamp_ms=one.timestamp)
        producer.flush(30)
        producer.close()

    def expire(self, table: str, *, before: int) -> None:
        """Drop the oldest records of every partition, as Kafka's retention does."""
        topic = self.stream(table).topic
        self._admin.delete_records({TopicPartition(topic, number): before for number in range(PARTITIONS)})

    def worker(self, sink: str, *, stop: threading.Event, confirmation: ErasureConfirmation | None = None) -> Worker:
        return Worker(
            self.sink(sink),
            bootstrap_servers=self.settings.kafka_bootstrap_servers,
            confirmation=confirmation or ErasureConfirmation(self.settings),
            flush_policy=FlushPolicy(rows=1_000, seconds=0.2),
            stop=stop,
            streams=self.streams,
            name=f"test-{self.name}-{sink}",
        )

    def sink(self, name: str) -> Sink:
        sink: Sink = LakeSink(self.settings, streams=self.streams) if name == "lake" else WarehouseSink(self.settings)
        sink.check_seconds = 0.5
        return sink

    @contextmanager
    def running(self, *sinks: str, confirmation: ErasureConfirmation | None = None) -> Iterator[None]:
        stop = threading.Event()
        workers = [self.worker(sink, stop=stop, confirmation=confirmation) for sink in sinks]
        threads = [threading.Thread(target=worker.run) for worker in workers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)
            assert not any(thread.is_alive() for thread in threads)

    def stored(self, sink: str, table: str = "interactions") -> list[int]:
        """Return the event ids that a store has of a table."""
        if sink == "lake":
            return sorted(scan_events(self.settings, table).select("_event_id").collect()["_event_id"].to_list())
        with psycopg.connect(self.settings.warehouse_url) as connection:
            rows = connection.execute(f"SELECT _event_id FROM raw.{table} ORDER BY 1").fetchall()
            return [row[0] for row in rows]

    def rows(self, sink: str, table: str = "interactions") -> list[tuple[object, ...]]:
        """Return every column of the rows that a store has of a table, in the order of their events."""
        if sink == "lake":
            return scan_events(self.settings, table).sort("_event_id").collect().rows()
        with psycopg.connect(self.settings.warehouse_url) as connection:
            return connection.execute(f"SELECT * FROM raw.{table} ORDER BY _event_id").fetchall()

    def column(self, sink: str, table: str, column: str) -> set[str]:
        """Return the values of a column."""
        if sink == "lake":
            return set(scan_events(self.settings, table).select(pl.col(column)).collect()[column].to_list())
        with psycopg.connect(self.settings.warehouse_url) as connection:
            return {row[0] for row in connection.execute(f"SELECT {column}::text FROM raw.{table}").fetchall()}


_numbers = itertools.count(time.time_ns() // 1_000)


def ids(number: int) -> list[int]:
    """Return so many event ids above all that were used."""
    return list(itertools.islice(_numbers, number))
