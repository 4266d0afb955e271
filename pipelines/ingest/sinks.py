"""The interface between a sink and the worker that feeds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import polars as pl

from neighborconnect.contracts.topics import Stream


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


class SinkResetError(RuntimeError):
    """The stored offsets are lower than those that this writer saw before; read Kafka again from the stored offsets."""


class OffsetFence:
    """Fence of a writer: the stored offsets that it last saw. The store never lowers them by itself.

    All records below a stored offset are in the store. A writer that stored, or read, offset 100 and later reads 0 was
    overtaken by a rebuild: its batch would advance the offset to the end of Kafka although the store is empty.
    """

    def __init__(self) -> None:
        self._last: dict[TopicPartition, int] = {}

    @property
    def partitions(self) -> list[TopicPartition]:
        """Partitions that were read or written."""
        return list(self._last)

    def begin(self, stored: Mapping[TopicPartition, int]) -> None:
        """Replace the last seen offsets by the stored ones."""
        self._last = dict(stored)

    def check(self, stored: Mapping[TopicPartition, int]) -> None:
        """Compare the stored offsets with the last seen ones.

        Raises:
            SinkResetError: if an offset is lower or missing.
        """
        for partition, offset in stored.items():
            if offset < (last := self._last.get(partition, 0)):
                raise SinkResetError(
                    f"the stored offset of {partition.topic}:{partition.partition} went from {last} back to {offset}"
                )

    def advance(self, topic: str, next_offsets: Mapping[int, int]) -> None:
        """Record the offsets that this writer stored."""
        for number, offset in next_offsets.items():
            partition = TopicPartition(topic, number)
            self._last[partition] = max(self._last.get(partition, 0), offset)

    def rewind(self, partition: TopicPartition, offset: int) -> None:
        """Record that this writer itself stored a lower offset."""
        self._last[partition] = offset


class Sink(Protocol):
    """A copy of the streams that stores Kafka offsets in the same transactions as its rows."""

    name: str
    check_seconds: float
    """Minimum time between two calls of ``check_offsets``."""

    def open(self) -> None:
        """Connect and drop cached state of the store; called before the first use and after every failure."""
        ...

    def offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the next offset of each partition; partitions that were never written are omitted."""
        ...

    def check_offsets(self) -> None:
        """Read the stored offsets again, without side effects.

        Raises:
            SinkResetError: if an offset went back, because the store or a part of it was emptied.
        """
        ...

    def rewind(self, partition: TopicPartition, offset: int) -> None:
        """Store ``offset`` as the next one of a partition whose topic was created again."""
        ...

    def write(self, stream: Stream, frame: pl.DataFrame, next_offsets: Mapping[int, int]) -> list[tuple[int, str]]:
        """Commit rows and offsets in one transaction.

        Rows below the stored offset of their partition and rows with a stored event id are skipped.

        Args:
            stream: the stream of the rows.
            frame: columns of ``lake_schema``, in the order of the partitions.
            next_offsets: by partition number, one past the last record that was read, valid or not.

        Returns:
            Index into ``frame`` and reason of each row that the store rejects. If there are any, nothing is committed:
            write the other rows again.

        Raises:
            SinkResetError: if a stored offset went back; nothing is committed.
        """
        ...

    def close(self) -> None:
        """Close connections."""
        ...
