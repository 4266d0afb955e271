"""Dead letters: records that no row can be made of, whole, with the reason, on a topic of their own.

A letter is settled by a later record of its partition, which names the sink and the record's origin and says whether it
was replayed or discarded, and why. A rebuild reads the same record again and makes a second letter of it: both are one
letter, settled or waiting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import MessageSizeTooLargeError

from neighborconnect.contracts.topics import DEAD_LETTER_TOPIC
from neighborconnect.kafka_options import client_options
from pipelines.ingest.decode import KafkaRecord, Unfit
from pipelines.ingest.sinks import Place

REASON_HEADER: Final = "dlq-reason"
SINK_HEADER: Final = "dlq-sink"
ORIGIN_HEADER: Final = "dlq-origin"
TRUNCATED_HEADER: Final = "dlq-truncated"
SETTLED_HEADER: Final = "dlq-settled"
REPLAY_GROUP: Final = "dlq-replay"
_PREFIX: Final = "dlq-"
_KEPT_OF_TOO_LARGE: Final = 500_000


class Settlement(StrEnum):
    """How a letter was settled."""

    REPLAYED = "replayed"
    DISCARDED = "discarded"


class _Key(NamedTuple):
    """Identity of a letter: which sink refused which record."""

    sink: str
    origin: str


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
    def key(self) -> _Key:
        """Identity of the letter, the same for every time that its record was read."""
        return _Key(self.sink, f"{self.record.topic}:{self.record.partition}:{self.record.offset}")

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
    """Return the letters that were neither replayed nor discarded, in the order of their partitions."""
    letters, settled = _read_all(bootstrap_servers)
    return [letter for key, letter in letters.items() if key not in settled]


def discarded_letters(bootstrap_servers: str) -> list[tuple[DeadLetter, str]]:
    """Return the letters that were discarded, each with the reason that was given."""
    letters, settled = _read_all(bootstrap_servers)
    ends = ((letter, *settled[key]) for key, letter in letters.items() if key in settled)
    return [(letter, reason) for letter, how, reason in ends if how == Settlement.DISCARDED]


def replay(bootstrap_servers: str, letters: Sequence[DeadLetter]) -> tuple[int, int]:
    """Publish records again on the partitions they came from, and settle their letters.

    An event that both sinks refused is published once for both: sinks know events by their ids. Letters that were cut
    go on waiting.

    Returns:
        How many letters were replayed, and as how many records.
    """
    producer = make_producer(bootstrap_servers)
    published: set[str] = set()
    whole = [letter for letter in letters if not letter.truncated]
    try:
        for letter in whole:
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
    return len(whole), len(published)


def discard(bootstrap_servers: str, letters: Sequence[DeadLetter], *, reason: str) -> None:
    """Settle letters without publishing their records; the topic keeps them, with the reason, for its retention."""
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
        letter.place.topic, None, key=letter.record.key, headers=headers, partition=letter.place.partition
    ).get(timeout=30)


def _read_all(bootstrap_servers: str) -> tuple[dict[_Key, DeadLetter], dict[_Key, tuple[str, str]]]:
    """Return letters, and how and why letters were settled, by key."""
    letters: dict[_Key, DeadLetter] = {}
    settled: dict[_Key, tuple[str, str]] = {}
    consumer = _consumer(bootstrap_servers)
    try:
        # Earlier versions committed an offset for the letters that were replayed.
        replayed = {place: consumer.committed(place) or 0 for place in consumer.assignment()}
        for place, record in _read_from(consumer, consumer.beginning_offsets(list(consumer.assignment()))):
            about = {name: value.decode(errors="replace") for name, value in record.headers}
            if SETTLED_HEADER in about:
                key = _Key(about.get(SINK_HEADER, ""), about.get(ORIGIN_HEADER, ""))
                settled[key] = (about[SETTLED_HEADER], about.get(REASON_HEADER, ""))
                continue
            letter = _letter(record)
            letters.setdefault(letter.key, letter)
            if record.offset < replayed[place]:
                settled.setdefault(letter.key, (Settlement.REPLAYED, ""))
    finally:
        consumer.close()
    return letters, settled


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


def _read_from(consumer: Any, starts: dict[Any, int]) -> Iterator[tuple[Any, Any]]:
    """Yield partition and record of everything that is there now."""
    ends = consumer.end_offsets(list(starts))
    for place, start in sorted(starts.items()):
        consumer.seek(place, start)
    pending = {place for place, start in starts.items() if start < ends[place]}
    while pending:
        for place, records in consumer.poll(timeout_ms=1_000).items():
            yield from ((place, record) for record in records if record.offset < ends[place])
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
