"""Nothing that was acknowledged is lost, whatever is killed."""

from __future__ import annotations

import io
import os
import signal
import time
from uuid import uuid4

import psycopg
import redis
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings
from neighborconnect.stack.catalogue import SERVERS
from neighborconnect.stack.control import supervisor_process, wait_for, want
from neighborconnect.stack.kafka_client import CHECK_TOPIC
from neighborconnect.stack.layout import Stack
from neighborconnect.stack.seaweed import s3_client
from neighborconnect.stack.state import read_record


def _pids(stack: Stack) -> dict[str, int]:
    records = {name: read_record(stack.run, name) for name in SERVERS}
    return {name: record.pid for name, record in records.items() if record is not None and record.pid is not None}


def _kill_supervisor(stack: Stack) -> None:
    supervisor = supervisor_process(stack)
    assert supervisor is not None
    supervisor.kill()
    while supervisor_process(stack) is not None:
        time.sleep(0.02)


def test_a_killed_supervisor_leaves_healthy_servers_that_the_next_start_takes_over(servers: Stack) -> None:
    before = _pids(servers)
    _kill_supervisor(servers)
    want(servers, SERVERS)
    wait_for(servers, SERVERS)
    assert _pids(servers) == before
    assert len(before) == len(SERVERS)


def test_a_supervisor_and_every_server_killed_at_once_lose_nothing_acknowledged(
    servers: Stack, settings: Settings
) -> None:
    token = uuid4().hex
    with psycopg.connect(settings.database_url) as connection:
        connection.execute("CREATE TABLE kept (token text)")
        connection.execute("INSERT INTO kept VALUES (%s)", (token,))
    cache = redis.Redis.from_url(settings.redis_url)
    cache.set("kept", token)
    # The append-only file is flushed every second; this waits for that flush.
    assert cache.execute_command("WAITAOF", 1, 0, 5_000)[0] == 1
    s3_client(servers).put_object("media", "kept", io.BytesIO(token.encode()), len(token))
    producer = KafkaProducer(**client_options(settings.kafka_bootstrap_servers), acks="all")
    offset = producer.send(CHECK_TOPIC, token.encode()).get(30).offset
    producer.close()

    victims = _pids(servers)
    _kill_supervisor(servers)
    for pid in victims.values():
        os.kill(pid, signal.SIGKILL)
    want(servers, SERVERS)
    wait_for(servers, SERVERS)

    assert set(_pids(servers).values()).isdisjoint(victims.values())
    with psycopg.connect(settings.database_url) as connection:
        assert connection.execute("SELECT token FROM kept").fetchall() == [(token,)]
        connection.execute("DROP TABLE kept")
    assert cache.get("kept") == token.encode()
    cache.close()
    with s3_client(servers).get_object("media", "kept") as kept:
        assert kept.read() == token.encode()
    consumer = KafkaConsumer(**client_options(settings.kafka_bootstrap_servers), consumer_timeout_ms=20_000)
    partition = TopicPartition(CHECK_TOPIC, 0)
    consumer.assign([partition])
    consumer.seek(partition, offset)
    assert next(consumer).value == token.encode()
    consumer.close()


def test_a_server_that_dies_is_started_again(servers: Stack, settings: Settings) -> None:
    before = _pids(servers)
    os.kill(before["redis"], signal.SIGKILL)
    while (record := read_record(servers.run, "redis")) is None or record.pid in (None, before["redis"]):
        time.sleep(0.05)
    wait_for(servers, SERVERS)
    with redis.Redis.from_url(settings.redis_url) as cache:
        assert cache.ping()
    assert read_record(servers.run, "redis").restarts >= 1  # type: ignore[union-attr]
