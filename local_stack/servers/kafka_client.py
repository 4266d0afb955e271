"""Kafka client of the stack, for either broker: creates topics, and checks that a write can be read back."""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Mapping
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import BrokerResponseError, KafkaError, TopicAlreadyExistsError

from local_stack.errors import NoResponseError, NotReadyError
from local_stack.kafka_principals import ADMIN
from local_stack.ports import HOST
from local_stack.stack import Stack
from neighborconnect.contracts.topics import ALL_TOPICS, PARTITIONS

CHECK_TOPIC = "stack.ready"
_TIMEOUT_MS = 5_000

logging.getLogger("kafka").setLevel(logging.CRITICAL)


def admin_options(stack: Stack) -> dict[str, Any]:
    """Return the client options with which the stack connects to its broker as administrator."""
    return {
        "bootstrap_servers": [f"{HOST}:{stack.ports.kafka}"],
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": ADMIN,
        "sasl_plain_password": stack.secrets[f"kafka_{ADMIN}"],
    }


def create_topics(
    options: Mapping[str, Any], *, names: tuple[str, ...] = ALL_TOPICS, partitions: int = PARTITIONS
) -> None:
    """Create the topics that do not exist."""
    admin = KafkaAdminClient(**options, request_timeout_ms=_TIMEOUT_MS)
    try:
        for name in sorted(set(names) - set(admin.list_topics())):
            try:
                admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1)])
            except TopicAlreadyExistsError:
                continue
    finally:
        admin.close()


def check_broker(options: Mapping[str, Any]) -> None:
    """Write one message and read it back.

    Raises:
        NotReadyError: the broker responds with an error, or the message cannot be read yet.
        NoResponseError: the broker does not respond.
    """
    token = secrets.token_bytes(8)
    try:
        # kafka-python retries a refused connection with growing pauses; this fails at once.
        port = int(options["bootstrap_servers"][0].rpartition(":")[2])
        socket.create_connection((HOST, port), timeout=1).close()
        create_topics(options, names=(CHECK_TOPIC,), partitions=1)
        producer = KafkaProducer(**options, acks="all", max_block_ms=_TIMEOUT_MS)
        try:
            written = producer.send(CHECK_TOPIC, token, partition=0).get(timeout=_TIMEOUT_MS / 1000)
        finally:
            producer.close(timeout=1)
        consumer = KafkaConsumer(**options, consumer_timeout_ms=_TIMEOUT_MS, enable_auto_commit=False)
        try:
            partition = TopicPartition(CHECK_TOPIC, 0)
            consumer.assign([partition])
            consumer.seek(partition, written.offset)
            if next(consumer).value != token:
                raise NotReadyError("read back another message than was written")
        finally:
            consumer.close()
    except StopIteration:
        raise NotReadyError("the written message cannot be read yet") from None
    except BrokerResponseError as error:
        raise NotReadyError(f"{type(error).__name__}: {error}") from None
    except (KafkaError, OSError, ValueError) as error:
        raise NoResponseError(f"{type(error).__name__}: {error}") from None
