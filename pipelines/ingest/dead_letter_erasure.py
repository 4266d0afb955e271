"""Erasure of users in the topic of dead letters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Final

from kafka.admin import KafkaAdminClient

from neighborconnect.contracts.topics import DEAD_LETTER_TOPIC
from neighborconnect.kafka_options import client_options
from pipelines.ingest.dead_letters import make_producer, open_consumer, read_from

_UUID: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def erase_letters(bootstrap_servers: str, users: Collection[str]) -> Mapping[str, int]:
    """Delete the letters and settlements that name one of the users; return their number by user.

    Kafka only deletes the beginning of a partition. Therefore the other records are published again first, with their
    partition, headers and time, which identify a letter and decide when it expires. A record that a sink adds meanwhile
    stays. After an interruption some letters exist twice, and count as one because they have the same identity.

    Raises:
        KafkaError: if a record was not acknowledged or the deletion failed.
    """
    counts: Counter[str] = Counter()
    consumer = open_consumer(bootstrap_servers)
    try:
        partitions = list(consumer.assignment())
        ends = consumer.end_offsets(partitions)
        # Earlier versions settled replayed letters by committing an offset; such letters need not stay.
        settled = {partition: consumer.committed(partition) or 0 for partition in partitions}
        records = list(read_from(consumer, consumer.beginning_offsets(partitions), ends=ends))
    finally:
        consumer.close()
    ids = {user_id.encode() for user_id in users}
    remaining = []
    for partition, record in records:
        named = ids & {*_UUID.findall(record.value or b""), *_UUID.findall(record.key or b"")}
        counts.update(user_id.decode() for user_id in named)
        if not named and record.offset >= settled[partition]:
            remaining.append((partition, record))
    if counts:
        _publish_again(bootstrap_servers, remaining)
        _delete_before(bootstrap_servers, ends)
    return counts


def _publish_again(bootstrap_servers: str, records: list[tuple[Any, Any]]) -> None:
    producer = make_producer(bootstrap_servers)
    try:
        sent = [
            producer.send(
                DEAD_LETTER_TOPIC,
                record.value,
                key=record.key,
                headers=list(record.headers),
                partition=partition.partition,
                timestamp_ms=record.timestamp,
            )
            for partition, record in records
        ]
        for future in sent:
            future.get(timeout=30)
    finally:
        producer.close()


def _delete_before(bootstrap_servers: str, ends: Mapping[Any, int]) -> None:
    admin = KafkaAdminClient(**client_options(bootstrap_servers))
    try:
        admin.delete_records({partition: end for partition, end in ends.items() if end})
    finally:
        admin.close()
