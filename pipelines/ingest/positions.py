"""Where a consumer group's member stands: it begins where its sink says, not where Kafka thinks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kafka import TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener

from neighborconnect.telemetry import get_logger
from pipelines.ingest.sinks import Place, Sink

log = get_logger(__name__)


class Positions(ConsumerRebalanceListener):  # type: ignore[misc]
    """Seeks to the sink's stored offsets whenever partitions are assigned, and knows how far it is behind."""

    def __init__(self, consumer: Any, sink: Sink) -> None:
        self._consumer = consumer
        self._sink = sink
        self._next: dict[Place, int] = {}
        self._ends: dict[Place, int] = {}
        self.generation = 0
        """Changes with every assignment: what was read before belongs to somebody else."""

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:  # noqa: ARG002
        """Give up what was read and not yet written."""
        self.generation += 1
        self._next.clear()

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Begin where the sink's last transaction ended."""
        self.generation += 1
        partitions = list(assigned)
        if not partitions:
            return
        beginnings, ends = self._consumer.beginning_offsets(partitions), self._consumer.end_offsets(partitions)
        stored = self._sink.offsets([Place(*partition) for partition in partitions])
        for partition in partitions:
            place = Place(*partition)
            start = stored.get(place, beginnings[partition])
            if start > ends[partition]:
                log.error("ingest.topic_was_made_anew", topic=place.topic, partition=place.partition, stored=start)
                start = beginnings[partition]
                self._sink.rewind(place, start)
            self._consumer.seek(partition, start)
            self._next[place], self._ends[place] = start, ends[partition]
        log.info("ingest.assigned", partitions=len(partitions), backlog=self.backlog())

    def read(self, place: Place, *, first: int, last: int) -> None:
        """Note that the records from ``first`` to ``last`` were read."""
        if (expected := self._next.get(place, first)) < first:
            log.error("ingest.gap", topic=place.topic, partition=place.partition, expected=expected, found=first)
        self._next[place] = last + 1

    def backlog(self) -> int:
        """Return how many records of the assigned partitions are not read yet."""
        behind = 0
        for place, position in self._next.items():
            highest = self._consumer.highwater(TopicPartition(*place))
            behind += max(highest or self._ends[place], position) - position
        return behind
