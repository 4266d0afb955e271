"""Events as they lie on Kafka, made by hand with the ids and offsets that a test wants."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

import orjson

from neighborconnect.contracts.topics import STREAM_BY_TABLE, Stream
from pipelines.ingest.decode import KafkaRecord

USERS = STREAM_BY_TABLE["users"]
INTERACTIONS = STREAM_BY_TABLE["interactions"]
# Kafka drops old records by their timestamp, so an event that was captured long ago would be gone at once.
CAPTURED_MS = time.time_ns() // 1_000_000


def change(
    event_id: int,
    *,
    op: str = "c",
    row: str | None = None,
    partition: int = 0,
    offset: int | None = None,
    **values: Any,
) -> KafkaRecord:
    """Make a change of a user; ``values`` are columns of its image."""
    image = {"id": row or str(uuid.UUID(int=event_id)), "username": f"neighbour-{event_id}"} | values
    return row_change(USERS, event_id, op=op, partition=partition, offset=offset, image=image)


def row_change(
    stream: Stream,
    event_id: int,
    *,
    image: dict[str, Any],
    op: str = "c",
    partition: int = 0,
    offset: int | None = None,
) -> KafkaRecord:
    """Make a change of a row of any table."""
    event = {
        "before": image if op == "d" else None,
        "after": None if op == "d" else image,
        "source": {"lsn": event_id, "ts_ms": CAPTURED_MS + event_id % 1_000_000},
        "op": op,
    }
    return _record(stream.topic, event, partition, event_id if offset is None else offset)


def interaction(event_id: int, /, *, partition: int = 0, offset: int | None = None, **values: Any) -> KafkaRecord:
    """Make a click."""
    event = {
        "event_id": event_id,
        "interaction_id": str(uuid.UUID(int=event_id)),
        "user_id": str(uuid.UUID(int=1)),
        "kind": "click",
        "item_kind": "post",
        "item_id": str(uuid.UUID(int=2)),
        "request_id": None,
        "position": 3,
        "dwell_ms": None,
        "occurred_at": "2026-05-01T12:00:00.25Z",
        "received_at": "2026-05-01T12:00:01+00:00",
    } | values
    return _record(INTERACTIONS.topic, event, partition, event_id if offset is None else offset)


def _record(topic: str, event: dict[str, Any], partition: int, offset: int) -> KafkaRecord:
    return KafkaRecord(topic, partition, offset, CAPTURED_MS, b"key", orjson.dumps(event), [])


def next_offsets(records: Sequence[KafkaRecord]) -> dict[int, int]:
    """Return one past the last offset of each partition."""
    return {record.partition: record.offset + 1 for record in records}
