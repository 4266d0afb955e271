"""Kafka ACLs: only the relay writes events, and clients without its credentials cannot forge one."""

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

from local_stack.kafka_principals import (
    LAKE,
    MONITORING,
    PIPELINES,
    PRINCIPAL_OF_SERVICE,
    PRINCIPALS,
    RELAY,
    STREAM,
    WAREHOUSE,
)
from local_stack.servers.kafka_client import admin_options
from local_stack.service_catalog import services
from local_stack.stack import Stack
from neighborconnect.contracts.topics import DEAD_LETTER_TOPIC, INTERACTIONS_TOPIC, STREAM_BY_TABLE, STREAM_BY_TOPIC
from neighborconnect.settings import get_settings

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
    producers = []

    def make(principal: str) -> KafkaProducer:
        # Not idempotent: an idempotent producer fails before its permission to write is checked.
        plain = KafkaProducer(**options(servers, principal), acks="all", enable_idempotence=False, max_block_ms=10_000)
        producers.append(plain)
        return producers[-1]

    yield make
    for producer in producers:
        producer.close(timeout=1)


@pytest.mark.parametrize("topic", EVENTS)
def test_anonymous_client_cannot_write_events(servers: Stack, topic: str) -> None:
    bootstrap = admin_options(servers)["bootstrap_servers"]
    with pytest.raises(KafkaError):
        KafkaProducer(bootstrap_servers=bootstrap, bootstrap_timeout_ms=3_000, max_block_ms=3_000).send(
            topic, b"{}"
        ).get(timeout=30)


def test_a_wrong_password_is_refused(servers: Stack) -> None:
    wrong = options(servers, RELAY) | {"sasl_plain_password": "guess"}
    with pytest.raises(KafkaError):
        KafkaProducer(**wrong, bootstrap_timeout_ms=3_000, max_block_ms=3_000).send(ERASURES, b"{}").get(timeout=30)


@pytest.mark.parametrize("topic", EVENTS)
@pytest.mark.parametrize("principal", NOT_THE_RELAY)
def test_only_the_relay_writes_events(producer_of: Any, principal: str, topic: str) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        producer_of(principal).send(topic, b"{}").get(timeout=10)


# Erasure, in the pipelines, republishes the letters that it keeps.
@pytest.mark.parametrize("principal", [LAKE, WAREHOUSE, PIPELINES])
def test_sinks_and_erasure_write_dead_letters(producer_of: Any, principal: str) -> None:
    assert producer_of(principal).partitions_for(DEAD_LETTER_TOPIC)


@pytest.mark.parametrize("principal", [RELAY, STREAM])
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


def test_monitoring_reads_no_events(servers: Stack) -> None:
    consumer = KafkaConsumer(**options(servers, MONITORING), enable_auto_commit=False)
    partition = TopicPartition(ERASURES, 0)
    consumer.assign([partition])
    assert consumer.end_offsets([partition])
    consumer.seek(partition, 0)
    with pytest.raises(TopicAuthorizationFailedError):
        consumer.poll(timeout_ms=10_000)
    consumer.close()


@pytest.mark.parametrize("principal", [RELAY, *NOT_THE_RELAY])
def test_only_the_operator_creates_topics(servers: Stack, principal: str) -> None:
    admin = KafkaAdminClient(**options(servers, principal))
    with pytest.raises((TopicAuthorizationFailedError, ClusterAuthorizationFailedError)):
        admin.create_topics([NewTopic("forged", num_partitions=1, replication_factor=1)])
    admin.close()


def test_service_gets_only_the_credentials_of_its_principal(servers: Stack) -> None:
    passwords = {name: servers.secrets[f"kafka_{name}"] for name in PRINCIPALS}
    assert len(set(passwords.values())) == len(PRINCIPALS)
    for service in services(servers).values():
        principal = PRINCIPAL_OF_SERVICE.get(service.name)
        held = {name for name, password in passwords.items() if password in service.environment.values()}
        assert held == ({principal} if principal else set())
        assert service.environment["KAFKA_USERNAME"] == (principal or "")


def test_settings_of_the_home_connect_the_operator(servers: Stack) -> None:
    settings = get_settings()
    assert settings.kafka_security_protocol == "SASL_PLAINTEXT"
    assert settings.kafka_username == "admin"
    assert servers.secrets["kafka_admin"] not in repr(settings)
