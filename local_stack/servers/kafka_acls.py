"""Kafka ACLs of each principal. Everything that is not granted here is denied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
)
from kafka.errors import KafkaError

from local_stack.kafka_principals import LAKE, MONITORING, PIPELINES, RELAY, STREAM, WAREHOUSE
from neighborconnect.contracts.topics import DEAD_LETTER_TOPIC, STREAM_BY_TOPIC

_SINKS = (LAKE, WAREHOUSE)
_STREAM_READERS = (*_SINKS, STREAM, PIPELINES)
_TIMEOUT_MS = 10_000


def _allow(principal: str, operation: Any, kind: Any, name: str) -> Any:
    pattern = ResourcePattern(kind, name, ACLResourcePatternType.LITERAL)
    return ACL(f"User:{principal}", "*", operation, ACLPermissionType.ALLOW, pattern)


def _acls() -> list[Any]:
    """Return every ACL. READ and WRITE include DESCRIBE."""
    topic, group = ResourceType.TOPIC, ResourceType.GROUP
    read, write = ACLOperation.READ, ACLOperation.WRITE
    return [
        *(_allow(RELAY, write, topic, name) for name in STREAM_BY_TOPIC),
        *(_allow(reader, read, topic, name) for reader in _STREAM_READERS for name in STREAM_BY_TOPIC),
        *(_allow(sink, write, topic, DEAD_LETTER_TOPIC) for sink in _SINKS),
        *(_allow(principal, read, group, principal) for principal in (*_SINKS, STREAM)),
        # Erasures publish the letters of others again and delete the beginning of the topic.
        *(_allow(PIPELINES, each, topic, DEAD_LETTER_TOPIC) for each in (read, write, ACLOperation.DELETE)),
        *(_allow(each, ACLOperation.DESCRIBE, group, "*") for each in (PIPELINES, MONITORING)),
        # Offsets without records, other than the headers of dead letters.
        *(_allow(MONITORING, ACLOperation.DESCRIBE, topic, name) for name in STREAM_BY_TOPIC),
        _allow(MONITORING, read, topic, DEAD_LETTER_TOPIC),
    ]


def apply_acls(options: Mapping[str, Any]) -> None:
    """Create the ACLs that the broker does not have yet.

    Raises:
        KafkaError: the broker refuses one of them.
    """
    admin = KafkaAdminClient(**options, request_timeout_ms=_TIMEOUT_MS)
    try:
        refused = admin.create_acls(_acls())["failed"]
    finally:
        admin.close()
    if refused:
        raise KafkaError(f"{len(refused)} ACLs were refused, the first with {refused[0]}")
