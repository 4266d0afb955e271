"""``python -m benchmarks capture``: cost of capture to a writer, next to the same writes without it."""

from __future__ import annotations

import os
import tempfile
import threading
import time
import uuid
from collections.abc import Callable

import orjson
import psycopg
from kafka import KafkaProducer

from benchmarks.report import Row
from benchmarks.scratch import scratch_capture, scratch_topic
from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings

WRITERS = 4
SECONDS = 3.0
ROUNDS = 2
BULK_ROWS = 50_000
BATCH = 20
BATCHES = 200
_COLUMNS = "(connector_id, author_id, content, title, likes_count, comments_count, created_at, updated_at, is_active)"
_VALUES = (
    "gen_random_uuid(), gen_random_uuid(), repeat('Tomatoes to give away. ', 8), 'Tomatoes', 0, 0, now(), now(), true"
)


def run(settings: Settings) -> list[Row]:
    """Measure single-row commits, a bulk insert, and the ways a batch of behaviour events could take."""
    with scratch_topic(settings) as topic, scratch_capture(settings, topic=topic) as scratch:
        return [_commits(scratch), _bulk(scratch), *_behaviour(scratch, topic)]


def _commits(settings: Settings) -> Row:
    rates: dict[str, list[float]] = {"posts": [], "posts_without_capture": []}
    for _ in range(ROUNDS):
        for table, seen in rates.items():
            seen.append(_commit_rate(settings, table))
    return Row.compare(
        "single-row commits with capture",
        ours=max(rates["posts"]),
        peer=max(rates["posts_without_capture"]),
        unit="commits/s",
        note=f"{WRITERS} writers, best of {ROUNDS}; peer: the same table without triggers",
    )


def _commit_rate(settings: Settings, table: str) -> float:
    counts = [0] * WRITERS
    stop = threading.Event()
    # The relay is taken to be awake, as it is under load: an idle one is notified once.
    _sweep(settings)

    insert = f"INSERT INTO {table} {_COLUMNS} VALUES ({_VALUES})".encode()  # noqa: S608

    def write(writer: int) -> None:
        with psycopg.connect(settings.database_url, autocommit=True) as connection:
            while not stop.is_set():
                connection.execute(insert, prepare=True)
                counts[writer] += 1

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    time.sleep(SECONDS)
    stop.set()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - started)


def _bulk(settings: Settings) -> Row:
    _sweep(settings)
    rates = {}
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        for table in ("posts", "posts_without_capture"):
            statement = f"INSERT INTO {table} {_COLUMNS} SELECT {_VALUES} FROM generate_series(1, {BULK_ROWS})"  # noqa: S608
            rates[table] = BULK_ROWS / _timed(lambda statement=statement: connection.execute(statement.encode()))  # type: ignore[misc]
    return Row.compare(
        "bulk insert with capture",
        ours=rates["posts"],
        peer=rates["posts_without_capture"],
        unit="rows/s",
        note=f"one statement of {BULK_ROWS:,} rows; peer: without triggers",
    )


def _behaviour(settings: Settings, topic: str) -> list[Row]:
    _sweep(settings)
    payloads = [orjson.dumps({"interaction_id": uuid.uuid4(), "kind": "click", "position": n}) for n in range(BATCH)]
    outbox = _outbox_batches(settings, topic, payloads)
    note = f"a request's batch of {BATCH} events, ms until it may be answered"
    return [
        Row.compare(
            "behaviour batch through the outbox",
            ours=outbox,
            peer=_kafka_batches(settings, topic, payloads),
            unit="ms",
            note=f"{note}; peer: kafka-python, acks=all",
        ),
        Row.compare(
            "behaviour batch through the outbox",
            ours=outbox,
            peer=_spool_batches(payloads),
            unit="ms",
            note=f"{note}; peer: a local spool file, flushed to disk",
        ),
    ]


def _outbox_batches(settings: Settings, topic: str, payloads: list[bytes]) -> float:
    texts = [payload.decode() for payload in payloads]
    with psycopg.connect(settings.database_url, autocommit=True) as connection:

        def write() -> None:
            connection.execute(
                "INSERT INTO cdc_outbox (topic, key, payload) SELECT %s, 'user', p::jsonb FROM unnest(%s::text[]) AS p",
                [topic, texts],
                prepare=True,
            )

        return _median_ms(write)


def _kafka_batches(settings: Settings, topic: str, payloads: list[bytes]) -> float:
    producer = KafkaProducer(**client_options(settings.kafka_bootstrap_servers), acks="all", metrics_enabled=False)

    def write() -> None:
        for payload in payloads:
            producer.send(topic, payload, key=b"user")
        producer.flush()

    taken = _median_ms(write)
    producer.close()
    return taken


def _spool_batches(payloads: list[bytes]) -> float:
    with tempfile.TemporaryFile(dir=os.environ.get("TMPDIR")) as spool:

        def write() -> None:
            spool.write(b"\n".join(payloads))
            spool.flush()
            os.fsync(spool.fileno())

        return _median_ms(write)


def _median_ms(write: Callable[[], object]) -> float:
    taken = sorted(_timed(write) for _ in range(BATCHES))
    return taken[BATCHES // 2] * 1_000


def _timed(write: Callable[[], object]) -> float:
    started = time.perf_counter()
    write()
    return time.perf_counter() - started


def _sweep(settings: Settings) -> None:
    """Begin each measurement with an empty outbox and an active relay."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        for table in ("cdc_outbox", "posts_without_capture"):
            connection.execute(f"TRUNCATE {table}".encode())
        connection.execute("DELETE FROM cdc_relay_state")
        connection.execute("INSERT INTO cdc_relay_state (idle) VALUES (false)")
