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


class Sink(Protocol):
    """A copy of the streams that keeps its own Kafka offsets, in the same transactions as its rows."""

    name: str

    def open(self) -> None:
        """Connect, and forget what is known of the store; called before the first use and after every failure."""
        ...

    def offsets(self, places: Iterable[Place]) -> dict[Place, int]:
        """Return the next offset to read of each place; a place that was never written is left out."""
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
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
