"""Ids, times and points of the platform's tables, out of a town's numbers."""

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
    """UUIDs of people, connectors and posts, by number."""

    users: pl.Series
    connectors: pl.Series
    posts: pl.Series


def draw_ids(town: Town) -> Ids:
    """Draw the ids of a town; they depend on its spec alone."""
    rng = town.spec.generator(7)
    sizes = (town.people.count, len(town.connectors), len(town.posts))
    return Ids(*(id_series(uuids(rng, size)) for size in sizes))


def id_series(ids: NDArray[np.bytes_]) -> pl.Series:
    """Turn 36-byte strings into a text column without touching each in Python."""
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(36), len(ids), [None, pa.py_buffer(ids.tobytes())])
    return pl.Series(fixed.cast(pa.binary()).cast(pa.string()))


def times(start: datetime, seconds: Floats) -> pl.Series:
    """Turn seconds after ``start`` into aware UTC timestamps with microseconds."""
    begin = int(start.timestamp() * 1_000_000)
    return pl.Series(begin + np.round(seconds * 1_000_000).astype(np.int64)).cast(pl.Datetime("us", "UTC"))


def point(place: Floats) -> dict[str, Floats]:
    """Return the two columns of (n, 2) latitudes and longitudes."""
    return {"latitude": place[:, 0], "longitude": place[:, 1]}
