"""What every sink promises to the worker that feeds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import polars as pl

from neighborconnect.contracts.topics import Stream


class Place(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


class SinkResetError(RuntimeError):
    """The stored offsets went back behind what this writer last saw: read from them again."""


class StoredOffsets:
    """Fence of a writer: the offsets that it last saw stored, below which the store never goes by itself.

    Everything below a stored offset is in the store. A writer that stored, or read, offset 100 and later sees 0 was
    overtaken by a rebuild: its batch would set the offset to the end of Kafka over a store that holds nothing.
    """

    def __init__(self) -> None:
        self._seen: dict[Place, int] = {}

    @property
    def places(self) -> list[Place]:
        """Partitions that were read or written."""
        return list(self._seen)

    def begin(self, stored: Mapping[Place, int]) -> None:
        """Take over what the store says, whatever was seen before."""
        self._seen = dict(stored)

    def check(self, stored: Mapping[Place, int]) -> None:
        """Compare what the store says now with what was last seen.

        Raises:
            SinkResetError: when an offset is lower, or gone.
        """
        for place, offset in stored.items():
            if offset < (seen := self._seen.get(place, 0)):
                raise SinkResetError(f"{place.topic}:{place.partition} went back from offset {seen} to {offset}")

    def advance(self, topic: str, next_offsets: Mapping[int, int]) -> None:
        """Note what was stored."""
        for partition, offset in next_offsets.items():
            place = Place(topic, partition)
            self._seen[place] = max(self._seen.get(place, 0), offset)

    def rewind(self, place: Place, offset: int) -> None:
        """Note that this writer itself stored a lower offset."""
        self._seen[place] = offset


class Sink(Protocol):
    """A copy of the streams that keeps its own Kafka offsets, in the same transactions as its rows."""

    name: str
    check_seconds: float
    """How often ``check_offsets`` is worth its cost."""

    def open(self) -> None:
        """Connect, and forget what is known of the store; called before the first use and after every failure."""
        ...

    def offsets(self, places: Iterable[Place]) -> dict[Place, int]:
        """Return the next offset to read of each place; a place that was never written is left out."""
        ...

    def check_offsets(self) -> None:
        """Read the stored offsets again, without any other effect.

        Raises:
            SinkResetError: when they went back, because the store or a part of it was emptied.
        """
        ...

    def rewind(self, place: Place, offset: int) -> None:
        """Read ``place`` from ``offset`` on from now, because its topic was made anew."""
        ...

    def write(self, stream: Stream, frame: pl.DataFrame, next_offsets: Mapping[int, int]) -> list[tuple[int, str]]:
        """Commit rows and offsets together.

        Rows below the stored offset of their partition, and rows whose event is already there, are not written.

        Args:
            stream: whose rows.
            frame: columns of ``lake_schema``; the rows' order is the partitions' order.
            next_offsets: by partition, one past the last record that was read, fit or not.

        Returns:
            Rows that the store refuses: index into ``frame`` and reason. Nothing is committed when there are any;
            write the others again.

        Raises:
            SinkResetError: when the stored offsets went back since this writer saw them; nothing is committed.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
