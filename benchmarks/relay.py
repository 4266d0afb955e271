"""Outbox to Kafka, next to kafka-python's own producer with the same messages: ``python -m benchmarks relay``."""

from __future__ import annotations

import time

import psycopg
from kafka import KafkaProducer

from benchmarks.report import Row
from benchmarks.scratch import process, scratch_capture, scratch_topic, settings_environment, wait_until
from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings

EVENTS = 60_000
_SKIPPED = 10_000
_PAYLOAD = """
    INSERT INTO cdc_outbox (topic, key, payload)
    SELECT %(topic)s, gen_random_uuid(), jsonb_build_object(
        'interaction_id', gen_random_uuid(), 'user_id', gen_random_uuid(), 'kind', 'impression', 'item_kind', 'post',
        'item_id', gen_random_uuid(), 'request_id', gen_random_uuid(), 'position', n, 'dwell_ms', NULL,
        'occurred_at', now(), 'received_at', now())
    FROM generate_series(1, %(events)s) AS t (n)
"""


def run(settings: Settings) -> list[Row]:
    """Measure how fast a full outbox drains, and how fast a bare producer sends the same messages."""
    with scratch_topic(settings) as topic, scratch_capture(settings, topic=topic) as scratch:
        raw = _raw_producer(scratch, topic)
        relayed = _relay(scratch, topic)
    note = f"{EVENTS:,} behaviour events; peer: KafkaProducer.send of the same bytes, acks=all, idempotent"
    return [Row.compare("relay throughput", ours=relayed, peer=raw, unit="events/s", note=note)]


def _raw_producer(settings: Settings, topic: str) -> float:
    messages = _messages(settings, topic)
    producer = KafkaProducer(
        **client_options(settings.kafka_bootstrap_servers), acks="all", batch_size=256 * 1024, metrics_enabled=False
    )
    producer.partitions_for(topic)
    started = time.perf_counter()
    for event_id, key, value in messages:
        producer.send(topic, value, key=key, headers=[("event-id", b"%d" % event_id)])
    producer.flush()
    elapsed = time.perf_counter() - started
    producer.close()
    return len(messages) / elapsed


def _messages(settings: Settings, topic: str) -> list[tuple[int, bytes, bytes]]:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute(_PAYLOAD, {"topic": topic, "events": EVENTS})
        rows = connection.execute("SELECT id, key, payload::text FROM cdc_outbox").fetchall()
        connection.execute("DELETE FROM cdc_outbox")
        connection.execute("VACUUM cdc_outbox")
    return [(event_id, key.encode(), payload.encode()) for event_id, key, payload in rows]


def _relay(settings: Settings, topic: str) -> float:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute(_PAYLOAD, {"topic": topic, "events": EVENTS + _SKIPPED})

        def left() -> int:
            row = connection.execute("SELECT count(*) FROM cdc_outbox").fetchone()
            return int(row[0]) if row else 0

        with process("transactional_api.cdc", environment=settings_environment(settings)):
            # The first batches pay for imports, connections and the broker's first look at the topic.
            wait_until(lambda: left() <= EVENTS)
            events, started = left(), time.perf_counter()
            wait_until(lambda: left() == 0)
            return events / (time.perf_counter() - started)
