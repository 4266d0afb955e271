"""Kafka records of outbox rows: Debezium's envelope for changes, the payload for events."""

from __future__ import annotations

from typing import NamedTuple

import orjson

from neighborconnect.contracts.events import EVENT_ID_HEADER, TRACEPARENT_HEADER
from neighborconnect.contracts.tables import CDC_TOPIC_PREFIX, REGISTRY_VERSION

SOURCE_NAME = CDC_TOPIC_PREFIX.split(".", maxsplit=1)[0]
SOURCE_VERSION = REGISTRY_VERSION


class OutboxRow(NamedTuple):
    """One row as the relay reads it: images and payload as JSON text, time in milliseconds since 1970, UTC."""

    id: int
    topic: str
    key: str
    op: str | None
    before: str | None
    after: str | None
    payload: str | None
    transaction_id: int
    traceparent: str | None
    created_ms: int


OUTBOX_COLUMNS = (
    "id, topic, key, op, before::text, after::text, payload::text, txid, traceparent, "
    "(extract(epoch FROM created_at) * 1000)::bigint"
)


class Message(NamedTuple):
    """One Kafka record; its timestamp is the time of the change, not of publication."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    timestamp_ms: int


def to_message(row: OutboxRow, *, database: str, now_ms: int) -> Message:
    """Wrap a row for Kafka; images and payload are passed through as the text that PostgreSQL wrote."""
    headers = [(EVENT_ID_HEADER, b"%d" % row.id)]
    if row.traceparent:
        headers.append((TRACEPARENT_HEADER, row.traceparent.encode()))
    if row.payload is not None:
        separator = "" if row.payload == "{}" else ", "
        value = f'{{"event_id": {row.id}{separator}{row.payload[1:]}'
        return Message(row.topic, row.key.encode(), value.encode(), headers, row.created_ms)
    snapshot = "true" if row.op == "r" else "false"
    table = row.topic.rpartition(".")[2]
    value = (
        f'{{"before": {row.before or "null"}, "after": {row.after or "null"}, '
        f'"source": {{"version": "{SOURCE_VERSION}", "connector": "{SOURCE_NAME}", "name": "{SOURCE_NAME}", '
        f'"ts_ms": {row.created_ms}, "snapshot": "{snapshot}", "db": "{database}", "schema": "public", '
        f'"table": "{table}", "txId": {row.transaction_id}, "lsn": {row.id}}}, "op": "{row.op}", "ts_ms": {now_ms}}}'
    )
    return Message(row.topic, orjson.dumps({"id": row.key}), value.encode(), headers, row.created_ms)
