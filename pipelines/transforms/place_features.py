"""Features of places: H3 cells, with the activity in the connectors of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import h3
import polars as pl

from feature_repo.schemas import (
    CONNECTOR_ID,
    EVENT_TIMESTAMP,
    H3_CELL,
    MONTH_WINDOWS,
    PLACE_KINDS,
    PLACE_STATS,
    USER_ID,
)
from pipelines.transforms.as_of_windows import AS_OF, as_of_times, windowed_counts
from pipelines.transforms.pair_features import PAIR_HORIZON
from pipelines.transforms.view_schema import as_view

RESOLUTION: Final = 7
"""Cells of about five square kilometers."""
MIN_PEOPLE: Final = 5
"""k-anonymity threshold: a cell in which fewer people were active has no row."""


def connector_cells(connectors: pl.LazyFrame) -> pl.LazyFrame:
    """Return the H3 cell of the newest location of every connector that has one.

    Args:
        connectors: lake table of changes.

    Returns:
        ``connector_id`` and ``h3_cell``.
    """
    newest = connectors.group_by("id").agg(pl.col("latitude", "longitude").sort_by("_event_id").last())
    located = newest.filter(pl.col("latitude").is_not_null(), pl.col("longitude").is_not_null())
    cell = pl.struct("latitude", "longitude").map_batches(_cells, return_dtype=pl.String, is_elementwise=True)
    return located.select(pl.col("id").alias(CONNECTOR_ID), cell.alias(H3_CELL))


def place_stats(events: pl.LazyFrame, *, cells: pl.LazyFrame, at: Sequence[datetime]) -> pl.LazyFrame:
    """Count the acts in the connectors of each cell before each as-of time.

    Args:
        events: ``ACTIVITY_EVENT_SCHEMA`` since ``PAIR_HORIZON`` before the first as-of time.
        cells: ``connector_id`` and ``h3_cell``.
        at: the as-of times.

    Returns:
        View ``place_stats``: one row per as-of time and cell in which at least ``MIN_PEOPLE`` users acted within 28
        days.
    """
    sorted_at = as_of_times(at)
    located = events.join(cells, on=CONNECTOR_ID)
    counts = windowed_counts(
        located, key=H3_CELL, windows=MONTH_WINDOWS, columns=PLACE_KINDS, present_for=PAIR_HORIZON, at=sorted_at
    )
    people = (
        windowed_counts(
            located, key=(H3_CELL, USER_ID), windows={}, columns={}, present_for=MONTH_WINDOWS["28d"], at=sorted_at
        )
        .group_by(H3_CELL, AS_OF)
        .agg(pl.len().alias("people_28d"))
        .filter(pl.col("people_28d") >= MIN_PEOPLE)
    )
    return as_view(counts.join(people, on=(H3_CELL, AS_OF)).rename({AS_OF: EVENT_TIMESTAMP}), schema=PLACE_STATS)


def _cells(locations: pl.Series) -> pl.Series:
    cells = [h3.latlng_to_cell(place["latitude"], place["longitude"], RESOLUTION) for place in locations]
    return pl.Series(cells, dtype=pl.String)
