"""What the stack asks of a broker, whichever it is: topics, and proof that it keeps what it is given."""

from __future__ import annotations

import logging
import secrets
import socket

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import BrokerResponseError, KafkaError, TopicAlreadyExistsError

from neighborconnect.contracts.topics import ALL_TOPICS, PARTITIONS
from neighborconnect.stack.errors import NoAnswerError, NotReadyError
from neighborconnect.stack.ports import HOST

CHECK_TOPIC = "stack.ready"
_TIMEOUT_MS = 5_000

logging.getLogger("kafka").setLevel(logging.CRITICAL)


def create_topics(bootstrap: str, *, names: tuple[str, ...] = ALL_TOPICS, partitions: int = PARTITIONS) -> None:
    """Create the topics that are not there."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=_TIMEOUT_MS)
    try:
        for name in sorted(set(names) - set(admin.list_topics())):
            try:
                admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1)])
            except TopicAlreadyExistsError:
                continue
    finally:
        admin.close()


def check_broker(bootstrap: str) -> None:
    """Write one message and read that very message back.

    Raises:
        NotReadyError: when either does not work within seconds.
    """
    token = secrets.token_bytes(8)
    try:
        # The client library would go on knocking at a closed door with growing pauses.
        socket.create_connection((HOST, int(bootstrap.rpartition(":")[2])), timeout=1).close()
        create_topics(bootstrap, names=(CHECK_TOPIC,), partitions=1)
        producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", max_block_ms=_TIMEOUT_MS)
        try:
            kept = producer.send(CHECK_TOPIC, token, partition=0).get(timeout=_TIMEOUT_MS / 1000)
        finally:
            producer.close(timeout=1)
        consumer = KafkaConsumer(bootstrap_servers=bootstrap, consumer_timeout_ms=_TIMEOUT_MS, enable_auto_commit=False)
        try:
            partition = TopicPartition(CHECK_TOPIC, 0)
            consumer.assign([partition])
            consumer.seek(partition, kept.offset)
            if next(consumer).value != token:
                raise NotReadyError("read back something else than was written")
        finally:
            consumer.close()
    except StopIteration:
        raise NotReadyError("what was written cannot be read yet") from None
    except BrokerResponseError as error:
        raise NotReadyError(f"{type(error).__name__}: {error}") from None
    except (KafkaError, OSError, ValueError) as error:
        raise NoAnswerError(f"{type(error).__name__}: {error}") from None
