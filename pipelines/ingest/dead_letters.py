"""Dead letters: invalid records, unchanged and with the reason, in a topic of their own.

A letter is settled by a later record of its partition, which identifies the sink and the origin of the letter and
states whether it was replayed or discarded, and why. A rebuild reads the same record again and publishes a second
letter with the same identity: both count as one letter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as KafkaPartition
from kafka.errors import MessageSizeTooLargeError

from neighborconnect.contracts.dead_letters import (
    ORIGIN_HEADER,
    REASON_HEADER,
    SETTLED_HEADER,
    SINK_HEADER,
    TRUNCATED_HEADER,
)
from neighborconnect.contracts.topics import DEAD_LETTER_TOPIC
from neighborconnect.kafka_options import client_options
from pipelines.ingest.decode import InvalidRecord, KafkaRecord
from pipelines.ingest.sinks import TopicPartition

REPLAY_GROUP: Final = "dlq-replay"
_PREFIX: Final = "dlq-"
_TRUNCATED_BYTES: Final = 500_000


class Settlement(StrEnum):
    """How a letter was settled."""

    REPLAYED = "replayed"
    DISCARDED = "discarded"


class _Key(NamedTuple):
    """Identity of a letter: the sink and the origin of the record."""

    sink: str
    origin: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An invalid record with its position in the dead-letter topic."""

    partition: TopicPartition
    offset: int
    reason: str
    sink: str
    truncated: bool
    record: KafkaRecord

    @property
    def id(self) -> str:
        """Identifier on the command line: ``partition:offset``."""
        return f"{self.partition.partition}:{self.offset}"

    @property
    def key(self) -> _Key:
        """Identity of the letter; the same for every letter of the same record and sink."""
        return _Key(self.sink, f"{self.record.topic}:{self.record.partition}:{self.record.offset}")

    @property
    def time(self) -> datetime:
        """Capture time of the event, UTC."""
        return datetime.fromtimestamp(self.record.timestamp / 1000, UTC)


class DeadLetterWriter:
    """Publisher of invalid records; a sink advances its offsets only after publication."""

    def __init__(self, bootstrap_servers: str, *, sink: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._sink = sink
        self._producer: Any = None

    def write(self, invalid: Sequence[InvalidRecord]) -> None:
        """Publish records and wait until the brokers have acknowledged all of them.

        Raises:
            KafkaError: if a record was not acknowledged.
        """
        if not invalid:
            return
        if self._producer is None:
            self._producer = make_producer(self._bootstrap_servers)
        futures = [self._send(each) for each in invalid]
        self._producer.flush(timeout=30)
        for future in futures:
            future.get(timeout=0)

    def _send(self, invalid: InvalidRecord) -> Any:
        record = invalid.record
        headers = [
            *record.headers,
            (REASON_HEADER, invalid.reason.encode()),
            (SINK_HEADER, self._sink.encode()),
            (ORIGIN_HEADER, f"{record.topic}:{record.partition}:{record.offset}".encode()),
        ]
        try:
            return self._producer.send(
                DEAD_LETTER_TOPIC, record.value, key=record.key, headers=headers, timestamp_ms=record.timestamp
            )
        except MessageSizeTooLargeError:
            value = (record.value or b"")[:_TRUNCATED_BYTES]
            headers.append((TRUNCATED_HEADER, b"true"))
            return self._producer.send(
                DEAD_LETTER_TOPIC, value, key=record.key, headers=headers, timestamp_ms=record.timestamp
            )

    def close(self) -> None:
        """Close the producer."""
        if self._producer is not None:
            self._producer.close(timeout=0)
            self._producer = None


def make_producer(bootstrap_servers: str) -> Any:
    """Return an idempotent producer that waits for all replicas."""
    return KafkaProducer(
        **client_options(bootstrap_servers),
        enable_idempotence=True,
        acks="all",
        bootstrap_timeout_ms=5_000,
        max_block_ms=10_000,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )


def pending_letters(bootstrap_servers: str) -> list[DeadLetter]:
    """Return the letters that are not settled, in the order of their partitions."""
    letters, settled = _read_all(bootstrap_servers)
    return [letter for key, letter in letters.items() if key not in settled]


def discarded_letters(bootstrap_servers: str) -> list[tuple[DeadLetter, str]]:
    """Return the discarded letters, each with its reason."""
    letters, settled = _read_all(bootstrap_servers)
    settlements = ((letter, *settled[key]) for key, letter in letters.items() if key in settled)
    return [(letter, reason) for letter, how, reason in settlements if how == Settlement.DISCARDED]


def replay(bootstrap_servers: str, letters: Sequence[DeadLetter]) -> tuple[int, int]:
    """Publish the records of letters again to their original partitions and settle the letters.

    An event that both sinks rejected is published once, because the sinks deduplicate by event id. Truncated letters
    stay pending.

    Returns:
        The number of replayed letters and the number of published records.
    """
    producer = make_producer(bootstrap_servers)
    published: set[str] = set()
    replayable = [letter for letter in letters if not letter.truncated]
    try:
        for letter in replayable:
            record = letter.record
            if letter.key.origin not in published:
                producer.send(
                    record.topic,
                    record.value,
                    key=record.key,
                    headers=list(record.headers),
                    partition=record.partition,
                    timestamp_ms=record.timestamp,
                ).get(timeout=30)
                published.add(letter.key.origin)
            _settle(producer, letter, how=Settlement.REPLAYED, reason="")
    finally:
        producer.close()
    return len(replayable), len(published)


def discard(bootstrap_servers: str, letters: Sequence[DeadLetter], *, reason: str) -> None:
    """Settle letters without publishing their records; the topic retains the letters and the reason."""
    producer = make_producer(bootstrap_servers)
    try:
        for letter in letters:
            _settle(producer, letter, how=Settlement.DISCARDED, reason=reason)
    finally:
        producer.close()


def _settle(producer: Any, letter: DeadLetter, *, how: Settlement, reason: str) -> None:
    headers = [
        (SETTLED_HEADER, how.value.encode()),
        (SINK_HEADER, letter.key.sink.encode()),
        (ORIGIN_HEADER, letter.key.origin.encode()),
        (REASON_HEADER, reason.encode()),
    ]
    producer.send(
        letter.partition.topic, None, key=letter.record.key, headers=headers, partition=letter.partition.partition
    ).get(timeout=30)


def _read_all(bootstrap_servers: str) -> tuple[dict[_Key, DeadLetter], dict[_Key, tuple[str, str]]]:
    """Return the letters, and the settlement and its reason, by key."""
    letters: dict[_Key, DeadLetter] = {}
    settled: dict[_Key, tuple[str, str]] = {}
    consumer = open_consumer(bootstrap_servers)
    try:
        # Earlier versions settled replayed letters by committing an offset.
        replayed = {partition: consumer.committed(partition) or 0 for partition in consumer.assignment()}
        partitions = list(consumer.assignment())
        ends = consumer.end_offsets(partitions)
        for partition, record in read_from(consumer, consumer.beginning_offsets(partitions), ends=ends):
            headers = {name: value.decode(errors="replace") for name, value in record.headers}
            if SETTLED_HEADER in headers:
                key = _Key(headers.get(SINK_HEADER, ""), headers.get(ORIGIN_HEADER, ""))
                settled[key] = (headers[SETTLED_HEADER], headers.get(REASON_HEADER, ""))
                continue
            letter = _letter(record)
            letters.setdefault(letter.key, letter)
            if record.offset < replayed[partition]:
                settled.setdefault(letter.key, (Settlement.REPLAYED, ""))
    finally:
        consumer.close()
    return letters, settled


def open_consumer(bootstrap_servers: str) -> Any:
    """Return a consumer of every partition of the topic."""
    consumer = KafkaConsumer(
        **client_options(bootstrap_servers),
        group_id=REPLAY_GROUP,
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
    numbers = consumer.partitions_for_topic(DEAD_LETTER_TOPIC) or ()
    consumer.assign([KafkaPartition(DEAD_LETTER_TOPIC, number) for number in sorted(numbers)])
    return consumer


def read_from(consumer: Any, starts: dict[Any, int], *, ends: dict[Any, int]) -> Iterator[tuple[Any, Any]]:
    """Yield partition and record of every record from ``starts`` up to, and without, ``ends``."""
    for partition, start in sorted(starts.items()):
        consumer.seek(partition, start)
    pending = {partition for partition, start in starts.items() if start < ends[partition]}
    while pending:
        for partition, records in consumer.poll(timeout_ms=1_000).items():
            yield from ((partition, record) for record in records if record.offset < ends[partition])
        pending = {partition for partition in pending if consumer.position(partition) < ends[partition]}


def _letter(record: Any) -> DeadLetter:
    headers = dict(record.headers)
    topic, partition, offset = headers.get(ORIGIN_HEADER, b":-1:-1").decode().rsplit(":", 2)
    original = KafkaRecord(
        topic=topic,
        partition=int(partition),
        offset=int(offset),
        timestamp=record.timestamp,
        key=record.key,
        value=record.value,
        headers=[(name, value) for name, value in record.headers if not name.startswith(_PREFIX)],
    )
    return DeadLetter(
        partition=TopicPartition(record.topic, record.partition),
        offset=record.offset,
        reason=headers.get(REASON_HEADER, b"").decode(errors="replace"),
        sink=headers.get(SINK_HEADER, b"").decode(errors="replace"),
        truncated=TRUNCATED_HEADER in headers,
        record=original,
    )
