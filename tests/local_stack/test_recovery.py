"""Acknowledged writes survive kill -9 of the supervisor and of every server."""

from __future__ import annotations

import io
import os
import signal
import time
from uuid import uuid4

import psutil
import psycopg
import redis
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from local_stack.servers.kafka_client import CHECK_TOPIC
from local_stack.servers.seaweed import s3_client
from local_stack.service_catalog import SERVERS
from local_stack.stack import Stack
from local_stack.state import read_record
from local_stack.supervisor_client import find_supervisor, request_services, wait_until_up
from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings


def _pids(stack: Stack) -> dict[str, int]:
    records = {name: read_record(stack.run, name) for name in SERVERS}
    return {name: record.pid for name, record in records.items() if record is not None and record.pid is not None}


def _kill_supervisor(stack: Stack) -> None:
    supervisor = find_supervisor(stack)
    assert supervisor is not None
    supervisor.kill()
    while find_supervisor(stack) is not None:
        time.sleep(0.02)


def test_next_supervisor_adopts_healthy_servers(servers: Stack) -> None:
    before = _pids(servers)
    _kill_supervisor(servers)
    request_services(servers, SERVERS)
    wait_until_up(servers, SERVERS)
    assert _pids(servers) == before
    assert len(before) == len(SERVERS)


def test_acknowledged_writes_survive_killing_everything(servers: Stack, settings: Settings) -> None:
    token = uuid4().hex
    with psycopg.connect(settings.database_url) as connection:
        connection.execute("CREATE TABLE stored (token text)")
        connection.execute("INSERT INTO stored VALUES (%s)", (token,))
    cache = redis.Redis.from_url(settings.redis_url)
    cache.set("stored", token)
    # The append-only file is flushed every second; this waits for that flush.
    assert cache.execute_command("WAITAOF", 1, 0, 5_000)[0] == 1
    s3_client(servers).put_object("media", "stored", io.BytesIO(token.encode()), len(token))
    producer = KafkaProducer(**client_options(settings.kafka_bootstrap_servers), acks="all")
    offset = producer.send(CHECK_TOPIC, token.encode()).get(30).offset
    producer.close()

    victims = _pids(servers)
    _kill_supervisor(servers)
    processes = [psutil.Process(pid) for pid in victims.values()]
    for process in processes:
        process.kill()
    # A busy machine takes a while to end a process; until then its port is taken.
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert alive == []
    request_services(servers, SERVERS)
    wait_until_up(servers, SERVERS)

    assert set(_pids(servers).values()).isdisjoint(victims.values())
    with psycopg.connect(settings.database_url) as connection:
        assert connection.execute("SELECT token FROM stored").fetchall() == [(token,)]
        connection.execute("DROP TABLE stored")
    assert cache.get("stored") == token.encode()
    cache.close()
    with s3_client(servers).get_object("media", "stored") as stored:
        assert stored.read() == token.encode()
    consumer = KafkaConsumer(**client_options(settings.kafka_bootstrap_servers), consumer_timeout_ms=20_000)
    partition = TopicPartition(CHECK_TOPIC, 0)
    consumer.assign([partition])
    consumer.seek(partition, offset)
    assert next(consumer).value == token.encode()
    consumer.close()


def test_killed_server_is_restarted(servers: Stack, settings: Settings) -> None:
    before = _pids(servers)
    os.kill(before["redis"], signal.SIGKILL)
    while (record := read_record(servers.run, "redis")) is None or record.pid in (None, before["redis"]):
        assert find_supervisor(servers) is not None
        time.sleep(0.05)
    wait_until_up(servers, SERVERS)
    with redis.Redis.from_url(settings.redis_url) as cache:
        assert cache.ping()
    assert read_record(servers.run, "redis").restarts >= 1  # type: ignore[union-attr]
