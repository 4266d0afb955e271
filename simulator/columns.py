"""Conversion of a town's numbers to ids, timestamps and coordinates of the platform's tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from simulator.arrays import Floats, uuids
from simulator.town import Town


@dataclass(frozen=True, slots=True)
class Ids:
    """UUIDs of people and of what they made, by number; null for what was not created."""

    users: pl.Series
    connectors: pl.Series
    posts: pl.Series
    events: pl.Series
    goods: pl.Series
    comments: pl.Series


def draw_ids(town: Town) -> Ids:
    """Draw the ids of a town; they depend only on its spec."""
    rng = town.spec.generator(7)
    return Ids(*(id_series(uuids(rng, size)) for size in id_counts(town)))


def id_counts(town: Town) -> tuple[int, ...]:
    """Return the number of ids of each kind, in the order of ``Ids``."""
    made = (town.connectors, town.posts, town.events, town.marketplace.goods, town.comments)
    return (town.people.count, *map(len, made))


def id_series(ids: NDArray[np.bytes_]) -> pl.Series:
    """Convert 36-byte strings to a text column without a Python loop."""
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(36), len(ids), [None, pa.py_buffer(ids.tobytes())])
    return pl.Series(fixed.cast(pa.binary()).cast(pa.string()))


def times(start: datetime, seconds: Floats) -> pl.Series:
    """Convert seconds after ``start`` to aware UTC timestamps with microseconds."""
    begin = int(start.timestamp() * 1_000_000)
    return pl.Series(begin + np.round(seconds * 1_000_000).astype(np.int64)).cast(pl.Datetime("us", "UTC"))


def point(coordinates: Floats) -> dict[str, Floats]:
    """Return (n, 2) coordinates in degrees as two columns."""
    return {"latitude": coordinates[:, 0], "longitude": coordinates[:, 1]}
