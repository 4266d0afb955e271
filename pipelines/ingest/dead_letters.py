"""Records that no row can be made of wait on a topic of their own, whole, with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import MessageSizeTooLargeError
from kafka.structs import OffsetAndMetadata

from neighborconnect.contracts.topics import DEAD_LETTER_TOPIC
from neighborconnect.kafka_options import client_options
from pipelines.ingest.decode import KafkaRecord, Unfit
from pipelines.ingest.sinks import Place

REASON_HEADER: Final = "dlq-reason"
SINK_HEADER: Final = "dlq-sink"
ORIGIN_HEADER: Final = "dlq-origin"
TRUNCATED_HEADER: Final = "dlq-truncated"
REPLAY_GROUP: Final = "dlq-replay"
_PREFIX: Final = "dlq-"
_KEPT_OF_TOO_LARGE: Final = 500_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One unfit record: where it waits, where it came from, and all of it."""

    place: Place
    offset: int
    reason: str
    sink: str
    truncated: bool
    record: KafkaRecord

    @property
    def id(self) -> str:
        """How the command line names it."""
        return f"{self.place.partition}:{self.offset}"

    @property
    def time(self) -> datetime:
        """When its event was captured, UTC."""
        return datetime.fromtimestamp(self.record.timestamp / 1000, UTC)


class DeadLetterWriter:
    """Publishes unfit records; a sink advances its offsets only after that."""

    def __init__(self, bootstrap_servers: str, *, sink: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._sink = sink
        self._producer: Any = None

    def write(self, unfit: Sequence[Unfit]) -> None:
        """Publish and wait until the brokers hold all of them.

        Raises:
            KafkaError: when they may not.
        """
        if not unfit:
            return
        if self._producer is None:
            self._producer = make_producer(self._bootstrap_servers)
        futures = [self._send(each) for each in unfit]
        self._producer.flush(timeout=30)
        for future in futures:
            future.get(timeout=0)

    def _send(self, unfit: Unfit) -> Any:
        record = unfit.record
        headers = [
            *record.headers,
            (REASON_HEADER, unfit.reason.encode()),
            (SINK_HEADER, self._sink.encode()),
            (ORIGIN_HEADER, f"{record.topic}:{record.partition}:{record.offset}".encode()),
        ]
        try:
            return self._producer.send(
                DEAD_LETTER_TOPIC, record.value, key=record.key, headers=headers, timestamp_ms=record.timestamp
            )
        except MessageSizeTooLargeError:
            value = (record.value or b"")[:_KEPT_OF_TOO_LARGE]
            headers.append((TRUNCATED_HEADER, b"true"))
            return self._producer.send(
                DEAD_LETTER_TOPIC, value, key=record.key, headers=headers, timestamp_ms=record.timestamp
            )

    def close(self) -> None:
        """Drop the producer."""
        if self._producer is not None:
            self._producer.close(timeout=0)
            self._producer = None


def make_producer(bootstrap_servers: str) -> Any:
    """Make an idempotent producer that waits for all replicas."""
    return KafkaProducer(
        **client_options(bootstrap_servers),
        enable_idempotence=True,
        acks="all",
        bootstrap_timeout_ms=5_000,
        max_block_ms=10_000,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )


def waiting_letters(bootstrap_servers: str) -> list[DeadLetter]:
    """Return the letters that were not replayed yet, in the order of their partitions."""
    consumer = _consumer(bootstrap_servers)
    try:
        return list(_read_from(consumer, _replayed(consumer)))
    finally:
        consumer.close()


def replay(bootstrap_servers: str, letters: Sequence[DeadLetter]) -> int:
    """Publish records on the partitions they came from, and mark all letters up to the last of each partition.

    An event that one sink refused and the other took is published once for both: sinks know events by their ids.

    Args:
        bootstrap_servers: Kafka.
        letters: a beginning of ``waiting_letters``, in its order.

    Returns:
        How many records were published.
    """
    producer = make_producer(bootstrap_servers)
    published: set[tuple[str, int, int]] = set()
    try:
        for letter in letters:
            record = letter.record
            origin = (record.topic, record.partition, record.offset)
            if origin in published or letter.truncated:
                continue
            producer.send(
                record.topic,
                record.value,
                key=record.key,
                headers=list(record.headers),
                partition=record.partition,
                timestamp_ms=record.timestamp,
            ).get(timeout=30)
            published.add(origin)
    finally:
        producer.close()
    _mark_replayed(bootstrap_servers, letters)
    return len(published)


def _mark_replayed(bootstrap_servers: str, letters: Sequence[DeadLetter]) -> None:
    ends = {TopicPartition(*letter.place): OffsetAndMetadata(letter.offset + 1, "", -1) for letter in letters}
    if not ends:
        return
    consumer = _consumer(bootstrap_servers)
    try:
        consumer.commit(ends)
    finally:
        consumer.close()


def _consumer(bootstrap_servers: str) -> Any:
    consumer = KafkaConsumer(
        **client_options(bootstrap_servers),
        group_id=REPLAY_GROUP,
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
    numbers = consumer.partitions_for_topic(DEAD_LETTER_TOPIC) or ()
    consumer.assign([TopicPartition(DEAD_LETTER_TOPIC, number) for number in sorted(numbers)])
    return consumer


def _replayed(consumer: Any) -> dict[Any, int]:
    beginnings = consumer.beginning_offsets(list(consumer.assignment()))
    return {place: max(consumer.committed(place) or 0, first) for place, first in beginnings.items()}


def _read_from(consumer: Any, starts: dict[Any, int]) -> Iterator[DeadLetter]:
    ends = consumer.end_offsets(list(starts))
    for place, start in sorted(starts.items()):
        consumer.seek(place, start)
    pending = {place for place, start in starts.items() if start < ends[place]}
    while pending:
        for place, records in consumer.poll(timeout_ms=1_000).items():
            yield from (_letter(record) for record in records if record.offset < ends[place])
        pending = {place for place in pending if consumer.position(place) < ends[place]}


def _letter(record: Any) -> DeadLetter:
    about = dict(record.headers)
    topic, partition, offset = about.get(ORIGIN_HEADER, b":-1:-1").decode().rsplit(":", 2)
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
        place=Place(record.topic, record.partition),
        offset=record.offset,
        reason=about.get(REASON_HEADER, b"").decode(errors="replace"),
        sink=about.get(SINK_HEADER, b"").decode(errors="replace"),
        truncated=TRUNCATED_HEADER in about,
        record=original,
    )
