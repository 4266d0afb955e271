"""Kafka to the lake and to the warehouse, rows a second: ``python -m benchmarks ingest``."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import replace

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition

from benchmarks.report import Row
from benchmarks.scratch import scratch_stores, scratch_topic, wait_until
from neighborconnect.contracts.topics import INTERACTIONS_TOPIC, PARTITIONS, STREAM_BY_TOPIC, Stream
from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings
from pipelines.ingest.__main__ import LAKE_FLUSH_POLICY, WAREHOUSE_FLUSH_POLICY
from pipelines.ingest.dead_letters import make_producer
from pipelines.ingest.erasure_confirmation import ErasureConfirmation
from pipelines.ingest.lake_sink import LakeSink
from pipelines.ingest.sinks import Sink, TopicPartition
from pipelines.ingest.warehouse_sink import WarehouseSink
from pipelines.ingest.worker import FlushPolicy, Worker

EVENTS = 200_000
# The last batch is not full; waiting for more is no work.
_LAST_WAIT_SECONDS = 1.0
_MOMENT = "2026-05-01T12:00:00.123456+00:00"


def run(settings: Settings) -> list[Row]:
    """Measure how fast each sink catches up with a topic, next to a consumer that only reads it."""
    with scratch_topic(settings) as topic, scratch_stores(settings) as scratch:
        _fill(settings, topic)
        read = _bare_consumer(settings, topic)
        stream = Stream(topic, "interactions", STREAM_BY_TOPIC[INTERACTIONS_TOPIC].columns, is_change_stream=False)
        lake = _catch_up(scratch, LakeSink(scratch, streams=(stream,)), LAKE_FLUSH_POLICY, stream)
        warehouse = _catch_up(scratch, WarehouseSink(scratch), WAREHOUSE_FLUSH_POLICY, stream)
    note = f"{EVENTS:,} interactions, exactly once; peer: KafkaConsumer.poll alone"
    return [
        Row.compare("ingest into the lake", ours=lake, peer=read, unit="rows/s", note=note),
        Row.compare("ingest into the warehouse", ours=warehouse, peer=read, unit="rows/s", note=note),
    ]


def _fill(settings: Settings, topic: str) -> None:
    producer = make_producer(settings.kafka_bootstrap_servers)
    users = [str(uuid.uuid4()) for _ in range(1_000)]
    for event_id in range(1, EVENTS + 1):
        user = users[event_id % len(users)]
        value = (
            f'{{"event_id": {event_id}, "interaction_id": "{uuid.UUID(int=event_id)}", "user_id": "{user}", '
            f'"kind": "impression", "item_kind": "post", "item_id": "{users[event_id * 7 % len(users)]}", '
            f'"request_id": "{user}", "position": {event_id % 20}, "dwell_ms": null, '
            f'"occurred_at": "{_MOMENT}", "received_at": "{_MOMENT}"}}'
        )
        producer.send(topic, value.encode(), key=user.encode())
    producer.flush()
    producer.close()


def _bare_consumer(settings: Settings, topic: str) -> float:
    consumer = KafkaConsumer(
        **client_options(settings.kafka_bootstrap_servers),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=5_000,
        max_partition_fetch_bytes=4 * 1024 * 1024,
        metrics_enabled=False,
    )
    consumer.assign([KafkaPartition(topic, number) for number in range(PARTITIONS)])
    read, started = 0, time.perf_counter()
    while read < EVENTS:
        read += sum(len(records) for records in consumer.poll(timeout_ms=500).values())
    elapsed = time.perf_counter() - started
    consumer.close()
    return read / elapsed


def _catch_up(settings: Settings, sink: Sink, flush_policy: FlushPolicy, stream: Stream) -> float:
    """Time a worker from its first assignment until its sink holds everything."""
    stop = threading.Event()
    worker = Worker(
        sink,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        confirmation=ErasureConfirmation(settings),
        flush_policy=replace(flush_policy, seconds=_LAST_WAIT_SECONDS),
        stop=stop,
        streams=(stream,),
        name=f"benchmark-{sink.name}-{uuid.uuid4().hex[:8]}",
    )
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        wait_until(lambda: worker.handled > 0)
        first, started = worker.handled, time.perf_counter()
        wait_until(lambda: worker.handled >= EVENTS, seconds=300)
        elapsed = time.perf_counter() - started
    finally:
        stop.set()
        thread.join()
    sink.open()
    stored = sum(sink.offsets([TopicPartition(stream.topic, number) for number in range(PARTITIONS)]).values())
    sink.close()
    if stored != EVENTS:
        raise RuntimeError(f"the {sink.name} holds {stored} of {EVENTS} events")
    return (EVENTS - first) / elapsed
