"""The same contract, asked of both brokers."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic
from typing_extensions import override

from local_stack.errors import NotReadyError
from local_stack.managed_process import ManagedProcess, spawn
from local_stack.ports import HOST, Ports
from local_stack.servers.kafka_client import admin_options
from local_stack.servers.tansu import tansu
from local_stack.stack import Stack
from local_stack.state import read_record
from local_stack.supervisor_client import wait_until_up

SESSION_MS = 6_000


class Broker:
    """A running broker that can be killed."""

    def __init__(self, *, name: str, options: dict[str, Any]) -> None:
        self.name = name
        self.options = options

    def kill(self) -> None:
        """End it with SIGKILL and wait until it works again."""
        raise NotImplementedError

    def topic(self, *, partitions: int = 1) -> str:
        name = f"contract.{uuid4().hex}"
        admin = KafkaAdminClient(**self.options)
        admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1)])
        admin.close()
        return name

    def producer(self, **options: object) -> KafkaProducer:
        return KafkaProducer(**self.options, acks="all", **options)

    def consumer(self, *topics: str, **options: object) -> KafkaConsumer:
        defaults: dict[str, object] = {
            **self.options,
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            "session_timeout_ms": SESSION_MS,
            "heartbeat_interval_ms": 1_000,
            "consumer_timeout_ms": 20_000,
        }
        return KafkaConsumer(*topics, **(defaults | options))


class ApacheKafka(Broker):
    def __init__(self, stack: Stack) -> None:
        super().__init__(name="kafka", options=admin_options(stack))
        self._stack = stack

    @override
    def kill(self) -> None:
        record = read_record(self._stack.run, "kafka")
        assert record is not None
        process = record.process()
        assert process is not None
        process.kill()
        while (again := read_record(self._stack.run, "kafka")) is None or again.restarts == record.restarts:
            time.sleep(0.05)
        wait_until_up(self._stack, ("kafka",))


class _BesideKafka(Ports):
    """The session's ports, but for the broker's, so that both brokers run at once."""

    @property
    @override
    def kafka(self) -> int:
        return 19_142 + self.offset


class Tansu(Broker):
    def __init__(self, stack: Stack) -> None:
        self._stack = Stack(home=stack.home, ports=_BesideKafka(stack.ports.offset), secrets=stack.secrets)
        super().__init__(name="tansu", options={"bootstrap_servers": [f"{HOST}:{self._stack.ports.kafka}"]})
        self._service = tansu(self._stack, reason="under test")
        self._service.prepare()
        self._child = self._start()

    def _start(self) -> ManagedProcess:
        child = spawn(self._service, home=self._stack.home, environment={})
        deadline = time.monotonic() + 60
        while True:
            try:
                self._service.check()
            except NotReadyError:
                assert child.is_alive()
                assert time.monotonic() < deadline
                time.sleep(0.1)
            else:
                return child

    @override
    def kill(self) -> None:
        self._child.stop(stop_signal=signal.SIGKILL, seconds=5)
        self._child = self._start()

    def close(self) -> None:
        self._child.stop(stop_signal=signal.SIGTERM, seconds=5)


@pytest.fixture(scope="session")
def apache_kafka(servers: Stack) -> Broker:
    return ApacheKafka(servers)


@pytest.fixture(scope="module")
def tansu_broker(servers: Stack) -> Iterator[Broker]:
    broker = Tansu(servers)
    yield broker
    broker.close()


@pytest.fixture(params=["apache_kafka", "tansu_broker"])
def broker(servers: Stack, request: pytest.FixtureRequest) -> Broker:
    found: Broker = request.getfixturevalue(request.param)
    return found
