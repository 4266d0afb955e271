"""Where a consumer group's member stands: it begins where its sink says, not where Kafka thinks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kafka import TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener

from neighborconnect.telemetry import get_logger
from pipelines.ingest.sinks import Place, Sink, SinkResetError

POSTPONED_SECONDS: Final = 5.0
"""How long records wait that could not be handled yet, before they are read again."""

log = get_logger(__name__)


class Positions(ConsumerRebalanceListener):  # type: ignore[misc]
    """Seeks to the sink's stored offsets after every assignment, and knows how far it is behind.

    The client calls the listener on its own thread, where nothing may block. So the listener only counts, and
    ``begin`` does the work on the worker's thread, which must drop what it polled before.
    """

    def __init__(self, consumer: Any, sink: Sink) -> None:
        self._consumer = consumer
        self._sink = sink
        self._assignments = 0
        self._begun = 0
        self._next: dict[Place, int] = {}
        self._ends: dict[Place, int] = {}
        self._recreated: set[Place] = set()
        self._postponed: dict[Place, float] = {}

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:  # noqa: ARG002
        """Note that what was polled may belong to somebody else."""
        self._assignments += 1

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Note the new assignment, and hold its records back until ``begin``."""
        self._consumer.pause(*assigned)
        self._assignments += 1

    @property
    def have_changed(self) -> bool:
        """Whether the assignment changed since ``begin``."""
        return self._assignments != self._begun

    def begin(self) -> None:
        """Go to where the sink's last transaction ended, on every partition that is assigned now."""
        self._begun = self._assignments
        self._next.clear()
        self._postponed.clear()
        partitions = list(self._consumer.assignment())
        if not partitions:
            return
        beginnings, ends = self._consumer.beginning_offsets(partitions), self._consumer.end_offsets(partitions)
        stored = self._sink.offsets([Place(*partition) for partition in partitions])
        for partition in partitions:
            place = Place(*partition)
            start = stored.get(place, beginnings[partition])
            if start > ends[partition] or place in self._recreated:
                log.error("ingest.topic_recreated", topic=place.topic, partition=place.partition, stored=start)
                start = beginnings[partition]
                self._sink.rewind(place, start)
                self._recreated.discard(place)
            self._next[place], self._ends[place] = start, ends[partition]
        if not self.have_changed:
            for partition in partitions:
                self._consumer.seek(partition, self._next[Place(*partition)])
            self._consumer.resume(*partitions)
        log.info("ingest.assigned", partitions=len(partitions), backlog=self.backlog())

    def read(self, place: Place, *, first: int, last: int) -> None:
        """Note that the records from ``first`` to ``last`` were read.

        Raises:
            SinkResetError: when Kafka went back: the topic was deleted and created again under a running worker.
        """
        if first < (expected := self._next.get(place, first)):
            self._recreated.add(place)
            raise SinkResetError(f"{place.topic}:{place.partition} went back from offset {expected} to {first}")
        if expected < first:
            log.error("ingest.gap", topic=place.topic, partition=place.partition, expected=expected, found=first)
        self._next[place] = last + 1

    def postpone(self, firsts: Mapping[Place, int]) -> None:
        """Read these partitions again from these offsets, but not before ``POSTPONED_SECONDS``."""
        for place, first in firsts.items():
            self._consumer.pause(TopicPartition(*place))
            self._consumer.seek(TopicPartition(*place), first)
            self._next[place] = first
            self._postponed[place] = time.monotonic() + POSTPONED_SECONDS

    def resume_postponed(self) -> None:
        """Go on reading the partitions that have waited long enough."""
        now = time.monotonic()
        for place in [place for place, until in self._postponed.items() if until <= now]:
            del self._postponed[place]
            self._consumer.resume(TopicPartition(*place))

    def look_at_ends(self) -> None:
        """Ask the broker where the partitions end now: a client that fetches nothing does not learn of it.

        Raises:
            KafkaError: when the broker does not say.
        """
        ends = self._consumer.end_offsets([TopicPartition(*place) for place in self._next])
        self._ends.update({Place(*partition): end for partition, end in ends.items()})

    def backlog(self, *, postponed: bool = True) -> int:
        """Return how many records of the assigned partitions are not read yet, with or without postponed ones."""
        behind = 0
        for place, position in self._next.items():
            if place in self._postponed and not postponed:
                continue
            highest = self._consumer.highwater(TopicPartition(*place)) or 0
            behind += max(highest, self._ends.get(place, 0), position) - position
        return behind
