"""From commit to Kafka, and from a like to the online store: ``python -m benchmarks latency``."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
from kafka import KafkaConsumer, TopicPartition

from benchmarks.report import Row, percentiles
from benchmarks.scratch import process, scratch_capture, scratch_topic, settings_environment, wait_until
from feature_repo.online import OnlineReader
from feature_repo.store import build_store
from neighborconnect.contracts.health import read_health
from neighborconnect.contracts.topics import PARTITIONS
from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings

SAMPLES = 100
LIKES = 40
_BETWEEN_SECONDS = 0.1
_LONG_SECONDS = 1.2
_LONG_SAMPLES = 15
_EMAIL = "benchmark@neighborconnect.example"


def run(settings: Settings) -> list[Row]:
    """Measure one write at a time: the delay until a consumer has it, and until serving reads it."""
    return [*_commit_to_kafka(settings), *_like_to_online_store(settings)]


def _commit_to_kafka(settings: Settings) -> list[Row]:
    with ExitStack() as stack:
        topic = stack.enter_context(scratch_topic(settings))
        scratch = stack.enter_context(scratch_capture(settings, topic=topic))
        stack.enter_context(process("transactional_api.cdc", environment=settings_environment(scratch)))
        connection = stack.enter_context(psycopg.connect(scratch.database_url, autocommit=True))
        consumer = stack.enter_context(_consumer(settings, topic))

        def measure(samples: int, pause: float) -> list[float]:
            return [_one_commit(connection, consumer, pause) for _ in range(samples)]

        measure(5, _BETWEEN_SECONDS)
        awake, asleep = measure(SAMPLES, _BETWEEN_SECONDS), measure(_LONG_SAMPLES, _LONG_SECONDS)
    note = "from commit's return to a consumer's receipt"
    return [
        *percentiles("commit to Kafka", awake, note=f"{note}; {SAMPLES} writes, 10 a second"),
        *percentiles("commit to Kafka, relay asleep", asleep, note=f"{note}; {_LONG_SAMPLES} writes after a rest"),
    ]


@contextmanager
def _consumer(settings: Settings, topic: str) -> Iterator[Any]:
    consumer = KafkaConsumer(
        **client_options(settings.kafka_bootstrap_servers), enable_auto_commit=False, metrics_enabled=False
    )
    consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
    consumer.seek_to_end()
    for place in consumer.assignment():
        consumer.position(place)
    yield consumer
    consumer.close()


def _one_commit(connection: psycopg.Connection[Any], consumer: Any, pause: float) -> float:
    time.sleep(pause)
    post = uuid.uuid4()
    connection.execute("INSERT INTO posts (id, content) VALUES (%s, 'Tomatoes')", [post])
    started = time.perf_counter()
    key = str(post).encode()
    while True:
        for records in consumer.poll(timeout_ms=5_000).values():
            if any(key in record.key for record in records):
                return time.perf_counter() - started


def _like_to_online_store(settings: Settings) -> list[Row]:
    reader = OnlineReader(build_store(settings))
    with ExitStack() as stack:
        for name, module in (("relay", "transactional_api.cdc"), ("stream-features", "pipelines.stream")):
            health = read_health(name)
            if health is None or not health.is_fresh:
                stack.enter_context(process(module, environment=settings_environment(settings)))
        connection = stack.enter_context(psycopg.connect(settings.database_url, autocommit=True))
        user, post = stack.enter_context(_user(connection))

        def likes() -> int:
            row = reader.read_user(str(user), model_version="none").recent_activity
            return int(row.values.get("likes_last_hour") or 0)

        taken = [_one_like(connection, user, post, likes) for _ in range(LIKES + 1)][1:]
    note = "from commit's return to Feast's answer: outbox, relay, Kafka, stream, push, read"
    return percentiles("commit to online feature", taken, note=f"{note}; {LIKES} likes")


def _one_like(connection: psycopg.Connection[Any], user: uuid.UUID, post: uuid.UUID, likes: Callable[[], int]) -> float:
    connection.execute("INSERT INTO post_likes (post_id, user_id) VALUES (%s, %s)", [post, user])
    started = time.perf_counter()
    wait_until(lambda: likes() == 1, pause=0.002)
    taken = time.perf_counter() - started
    connection.execute("DELETE FROM post_likes WHERE post_id = %s AND user_id = %s", [post, user])
    wait_until(lambda: likes() == 0, pause=0.01)
    return taken


@contextmanager
def _user(connection: psycopg.Connection[Any]) -> Iterator[tuple[uuid.UUID, uuid.UUID]]:
    """Create a user with a connector and a post, and delete all of it afterwards."""
    user, connector, post = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    connection.execute("DELETE FROM users WHERE email_hash = %s", [_EMAIL])
    connection.execute(
        "INSERT INTO users (id, email_hash, username, password_hash, first_name, last_name) "
        "VALUES (%s, %s, %s, '!', 'Bench', 'Mark')",
        [user, _EMAIL, user.hex],
    )
    connection.execute(
        "INSERT INTO connectors (id, name, category, created_by, is_public) "
        "VALUES (%s, 'Benchmark', 'gardening', %s, false)",
        [connector, user],
    )
    connection.execute(
        "INSERT INTO posts (id, connector_id, author_id, content) VALUES (%s, %s, %s, 'Tomatoes')",
        [post, connector, user],
    )
    try:
        yield user, post
    finally:
        connection.execute("DELETE FROM connectors WHERE id = %s", [connector])
        connection.execute("DELETE FROM users WHERE id = %s", [user])
