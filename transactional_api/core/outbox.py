"""Events that the API itself makes (behaviour, predictions) join its transaction through the outbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import text

from neighborconnect.contracts.topics import ALL_TOPICS
from neighborconnect.telemetry import current_traceparent
from transactional_api.core.db.statements import CompiledStatement, StatementRunner

_INSERT = CompiledStatement(
    text(
        "INSERT INTO cdc_outbox (topic, key, payload, traceparent) "
        "SELECT :topic, key, CAST(payload AS jsonb), :traceparent "
        "FROM unnest(CAST(:keys AS text[]), CAST(:payloads AS text[])) AS event (key, payload) RETURNING id"
    )
)


async def emit(runner: StatementRunner, *, topic: str, key: str, payload: Mapping[str, Any]) -> None:
    """Publish one event: with the runner's transaction, or at once where each statement commits on its own.

    Args:
        runner: runs the statement.
        topic: Kafka topic.
        key: Kafka key; events of one key stay in order.
        payload: the message without ``event_id``, which the relay adds. UUIDs and aware datetimes are allowed.

    Raises:
        ValueError: when the contract has no such topic; it would stop the relay.
    """
    await emit_many(runner, topic=topic, events=[(key, payload)])


async def emit_many(runner: StatementRunner, *, topic: str, events: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Publish ``(key, payload)`` events in one statement; otherwise as ``emit``."""
    if topic not in ALL_TOPICS:
        raise ValueError(f"{topic!r} is not a topic of neighborconnect.contracts.topics")
    if not events:
        return
    await _INSERT.all(
        runner,
        topic=topic,
        keys=[key for key, _ in events],
        payloads=[orjson.dumps(payload).decode() for _, payload in events],
        traceparent=current_traceparent(),
    )
