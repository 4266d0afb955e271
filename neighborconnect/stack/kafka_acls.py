"""Rights of the principals of Kafka. Everything that is not granted here is denied."""

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

from neighborconnect.contracts.topics import DEAD_LETTER_TOPIC, STREAM_BY_TOPIC
from neighborconnect.stack.kafka_principals import LAKE, PIPELINES, RELAY, STREAM, WAREHOUSE

_SINKS = (LAKE, WAREHOUSE)
_READERS = (*_SINKS, STREAM, PIPELINES)
_TIMEOUT_MS = 10_000


def _allow(principal: str, operation: Any, kind: Any, name: str) -> Any:
    pattern = ResourcePattern(kind, name, ACLResourcePatternType.LITERAL)
    return ACL(f"User:{principal}", "*", operation, ACLPermissionType.ALLOW, pattern)


def _grants() -> list[Any]:
    """Return every grant. READ and WRITE include DESCRIBE."""
    topic, group = ResourceType.TOPIC, ResourceType.GROUP
    read, write = ACLOperation.READ, ACLOperation.WRITE
    return [
        *(_allow(RELAY, write, topic, name) for name in STREAM_BY_TOPIC),
        *(_allow(reader, read, topic, name) for reader in _READERS for name in STREAM_BY_TOPIC),
        *(_allow(sink, write, topic, DEAD_LETTER_TOPIC) for sink in _SINKS),
        *(_allow(principal, read, group, principal) for principal in (*_SINKS, STREAM)),
        _allow(PIPELINES, read, topic, DEAD_LETTER_TOPIC),
        _allow(PIPELINES, ACLOperation.DESCRIBE, group, "*"),
    ]


def apply_acls(options: Mapping[str, Any]) -> None:
    """Create the grants that the broker does not have yet.

    Raises:
        KafkaError: when it refuses one of them.
    """
    admin = KafkaAdminClient(**options, request_timeout_ms=_TIMEOUT_MS)
    try:
        refused = admin.create_acls(_grants())["failed"]
    finally:
        admin.close()
    if refused:
        raise KafkaError(f"{len(refused)} grants were refused, the first with {refused[0]}")
