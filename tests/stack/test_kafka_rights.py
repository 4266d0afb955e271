"""Only the relay writes events to Kafka: clients without its credentials cannot forge one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from neighborconnect.contracts.topics import DEAD_LETTER_TOPIC, INTERACTIONS_TOPIC, STREAM_BY_TABLE, STREAM_BY_TOPIC
from neighborconnect.settings import get_settings
from neighborconnect.stack.catalogue import services
from neighborconnect.stack.kafka_client import admin_options
from neighborconnect.stack.kafka_principals import (
    LAKE,
    PIPELINES,
    PRINCIPAL_OF_SERVICE,
    PRINCIPALS,
    RELAY,
    STREAM,
    WAREHOUSE,
)
from neighborconnect.stack.layout import Stack

ERASURES = STREAM_BY_TABLE["erasures"].topic
EVENTS = (ERASURES, INTERACTIONS_TOPIC)
NOT_THE_RELAY = (LAKE, WAREHOUSE, STREAM, PIPELINES)


def options(stack: Stack, principal: str) -> dict[str, Any]:
    return admin_options(stack) | {
        "sasl_plain_username": principal,
        "sasl_plain_password": stack.secrets[f"kafka_{principal}"],
    }


@pytest.fixture
def producer_of(servers: Stack) -> Iterator[Any]:
    opened = []

    def make(principal: str) -> KafkaProducer:
        # Not idempotent: such a producer fails before it comes to the right to write on a topic.
        plain = KafkaProducer(**options(servers, principal), acks="all", enable_idempotence=False, max_block_ms=10_000)
        opened.append(plain)
        return opened[-1]

    yield make
    for producer in opened:
        producer.close(timeout=1)


@pytest.mark.parametrize("topic", EVENTS)
def test_a_client_without_credentials_cannot_forge_an_event(servers: Stack, topic: str) -> None:
    bootstrap = admin_options(servers)["bootstrap_servers"]
    with pytest.raises(KafkaError):
        KafkaProducer(bootstrap_servers=bootstrap, bootstrap_timeout_ms=3_000, max_block_ms=3_000).send(
            topic, b"{}"
        ).get(timeout=5)


def test_a_wrong_password_is_refused(servers: Stack) -> None:
    wrong = options(servers, RELAY) | {"sasl_plain_password": "guess"}
    with pytest.raises(KafkaError):
        KafkaProducer(**wrong, bootstrap_timeout_ms=3_000, max_block_ms=3_000).send(ERASURES, b"{}").get(timeout=5)


@pytest.mark.parametrize("topic", EVENTS)
@pytest.mark.parametrize("principal", NOT_THE_RELAY)
def test_nobody_but_the_relay_writes_events(producer_of: Any, principal: str, topic: str) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        producer_of(principal).send(topic, b"{}").get(timeout=10)


@pytest.mark.parametrize("principal", [LAKE, WAREHOUSE])
def test_sinks_write_dead_letters(producer_of: Any, principal: str) -> None:
    assert producer_of(principal).partitions_for(DEAD_LETTER_TOPIC)


@pytest.mark.parametrize("principal", [RELAY, STREAM, PIPELINES])
def test_others_do_not_write_dead_letters(producer_of: Any, principal: str) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        producer_of(principal).send(DEAD_LETTER_TOPIC, b"{}").get(timeout=10)


def test_the_relay_writes_every_event_topic(producer_of: Any) -> None:
    relay = producer_of(RELAY)
    assert all(relay.partitions_for(topic) for topic in STREAM_BY_TOPIC)


@pytest.mark.parametrize("principal", NOT_THE_RELAY)
def test_readers_read_events(servers: Stack, principal: str) -> None:
    consumer = KafkaConsumer(**options(servers, principal), enable_auto_commit=False)
    partition = TopicPartition(ERASURES, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    consumer.poll(timeout_ms=500)
    assert consumer.position(partition) >= 0
    consumer.close()


def test_a_consumer_group_belongs_to_its_sink(servers: Stack) -> None:
    consumer = KafkaConsumer(ERASURES, **options(servers, LAKE), group_id=WAREHOUSE, enable_auto_commit=False)
    with pytest.raises(GroupAuthorizationFailedError):
        consumer.poll(timeout_ms=10_000)
    consumer.close(autocommit=False)


@pytest.mark.parametrize("principal", [RELAY, *NOT_THE_RELAY])
def test_only_the_operator_makes_topics(servers: Stack, principal: str) -> None:
    admin = KafkaAdminClient(**options(servers, principal))
    with pytest.raises((TopicAuthorizationFailedError, ClusterAuthorizationFailedError)):
        admin.create_topics([NewTopic("forged", num_partitions=1, replication_factor=1)])
    admin.close()


def test_each_process_gets_the_credentials_of_its_own_principal_only(servers: Stack) -> None:
    passwords = {name: servers.secrets[f"kafka_{name}"] for name in PRINCIPALS}
    assert len(set(passwords.values())) == len(PRINCIPALS)
    for service in services(servers).values():
        principal = PRINCIPAL_OF_SERVICE.get(service.name)
        held = {name for name, password in passwords.items() if password in service.environment.values()}
        assert held == ({principal} if principal else set())
        assert service.environment["KAFKA_USERNAME"] == (principal or "")


def test_the_operator_connects_with_the_settings_of_the_home(servers: Stack) -> None:
    settings = get_settings()
    assert settings.kafka_security_protocol == "SASL_PLAINTEXT"
    assert settings.kafka_username == "admin"
    assert servers.secrets["kafka_admin"] not in repr(settings)
