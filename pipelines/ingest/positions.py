"""Positions of a member of a consumer group: it starts at the offsets of its sink, not at those committed to Kafka.

The stored offsets are committed to Kafka too, only so that every tool for Kafka shows the lag of the group.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kafka import OffsetAndMetadata
from kafka import TopicPartition as KafkaPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener

from neighborconnect.telemetry import get_logger
from pipelines.ingest.sinks import Sink, SinkResetError, TopicPartition

POSTPONEMENT_SECONDS: Final = 5.0
"""Pause before postponed records are read again."""

log = get_logger(__name__)


class Positions(ConsumerRebalanceListener):  # type: ignore[misc]
    """Positions of the assigned partitions; seeks to the sink's stored offsets after every assignment.

    The Kafka client calls the listener on its own thread, which must not block. So the listener only counts
    assignments, and ``begin`` does the work on the worker's thread, which must drop earlier records.
    """

    def __init__(self, consumer: Any, sink: Sink) -> None:
        self._consumer = consumer
        self._sink = sink
        self._assignments = 0
        self._begun = 0
        self._next: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._recreated: set[TopicPartition] = set()
        self._postponed: dict[TopicPartition, float] = {}

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:  # noqa: ARG002
        """Count an assignment: polled records may belong to another member."""
        self._assignments += 1

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Count an assignment and pause its partitions until ``begin``."""
        self._consumer.pause(*assigned)
        self._assignments += 1

    @property
    def have_changed(self) -> bool:
        """Whether the assignment changed since ``begin``."""
        return self._assignments != self._begun

    def begin(self) -> None:
        """Seek to the sink's stored offset on every assigned partition."""
        self._begun = self._assignments
        self._next.clear()
        self._postponed.clear()
        assigned = list(self._consumer.assignment())
        if not assigned:
            return
        beginnings, ends = self._consumer.beginning_offsets(assigned), self._consumer.end_offsets(assigned)
        stored = self._sink.offsets([TopicPartition(*key) for key in assigned])
        for key in assigned:
            partition = TopicPartition(*key)
            start = stored.get(partition, beginnings[key])
            if start > ends[key] or partition in self._recreated:
                log.error(
                    "ingest.topic_recreated", topic=partition.topic, partition=partition.partition, stored_offset=start
                )
                start = beginnings[key]
                self._sink.rewind(partition, start)
                self._recreated.discard(partition)
            self._next[partition], self._ends[partition] = start, ends[key]
        if not self.have_changed:
            for key in assigned:
                self._consumer.seek(key, self._next[TopicPartition(*key)])
            self._consumer.resume(*assigned)
            self._commit(self._next)
        log.info("ingest.assigned", partitions=len(assigned), backlog=self.backlog())

    def commit(self, topic: str, next_offsets: Mapping[int, int]) -> None:
        """Commit stored offsets to Kafka, without waiting: nothing but monitoring reads them."""
        self._commit({TopicPartition(topic, number): offset for number, offset in next_offsets.items()})

    def _commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._consumer.commit_async(
            {KafkaPartition(*partition): OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()},
            callback=_ignore_result,
        )

    def advance(self, partition: TopicPartition, *, first: int, last: int) -> None:
        """Advance past the records with offsets from ``first`` to ``last``.

        Raises:
            SinkResetError: if ``first`` is below the position: the topic was deleted and created again.
        """
        if first < (expected := self._next.get(partition, first)):
            self._recreated.add(partition)
            raise SinkResetError(
                f"the offset of {partition.topic}:{partition.partition} went from {expected} back to {first}"
            )
        if expected < first:
            log.error(
                "ingest.offset_gap",
                topic=partition.topic,
                partition=partition.partition,
                expected_offset=expected,
                actual_offset=first,
            )
        self._next[partition] = last + 1

    def postpone(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read these partitions again from these offsets after ``POSTPONEMENT_SECONDS``."""
        for partition, offset in offsets.items():
            self._consumer.pause(KafkaPartition(*partition))
            self._consumer.seek(KafkaPartition(*partition), offset)
            self._next[partition] = offset
            self._postponed[partition] = time.monotonic() + POSTPONEMENT_SECONDS

    def resume_postponed(self) -> None:
        """Resume the partitions whose postponement is over."""
        now = time.monotonic()
        for partition in [partition for partition, until in self._postponed.items() if until <= now]:
            del self._postponed[partition]
            self._consumer.resume(KafkaPartition(*partition))

    def read_end_offsets(self) -> None:
        """Read the end offsets from the broker: a client that fetches nothing does not learn them otherwise.

        Raises:
            KafkaError: if the broker does not respond.
        """
        ends = self._consumer.end_offsets([KafkaPartition(*partition) for partition in self._next])
        self._ends.update({TopicPartition(*key): end for key, end in ends.items()})

    def backlog(self, *, postponed: bool = True) -> int:
        """Return the number of unread records of the assigned partitions, with or without postponed partitions."""
        behind = 0
        for partition, position in self._next.items():
            if partition in self._postponed and not postponed:
                continue
            highest = self._consumer.highwater(KafkaPartition(*partition)) or 0
            behind += max(highest, self._ends.get(partition, 0), position) - position
        return behind


def _ignore_result(_offsets: object, _result: object) -> None:
    """Ignore a failed commit: the next one repeats it."""
