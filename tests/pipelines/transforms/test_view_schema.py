"""A frame that breaks the contract of its view is refused with the names of view and column."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from feature_repo.schemas import USER_AFFINITY
from pipelines.transforms.view_schema import FrameContractError, as_view, frame_schema, require_complete

ROWS = pl.LazyFrame(
    {
        "user_id": ["ana"],
        "event_timestamp": [datetime(2026, 11, 16, tzinfo=UTC)],
        "categories": [["music"]],
        "weights": [[1.0]],
        "evidence": [3],
        "_rank": [1],
    }
)


def test_numbers_are_converted_to_the_width_of_the_table() -> None:
    rows = require_complete(as_view(ROWS, schema=USER_AFFINITY).collect(), schema=USER_AFFINITY)
    assert rows.schema == pl.Schema(frame_schema(USER_AFFINITY))
    assert rows["evidence"].to_list() == [3.0]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (ROWS.drop("evidence"), "the column evidence is missing"),
        (ROWS.with_columns(mood=pl.lit("good")), "the column mood is unknown"),
        (ROWS.with_columns(evidence=pl.lit("3")), "the column evidence is String, not Float32"),
        (ROWS.with_columns(weights=pl.lit(1.0)), "the column weights is Float64, not List"),
        (ROWS.with_columns(pl.col("event_timestamp").dt.replace_time_zone(None)), "the column event_timestamp is"),
    ],
)
def test_a_wrong_column_is_named(changed: pl.LazyFrame, message: str) -> None:
    with pytest.raises(FrameContractError, match=f"View user_affinity: {message}"):
        as_view(changed, schema=USER_AFFINITY)


@pytest.mark.parametrize("column", ["user_id", "event_timestamp"])
def test_a_null_is_named(column: str) -> None:
    rows = as_view(ROWS, schema=USER_AFFINITY).collect().with_columns(pl.lit(None).alias(column))
    with pytest.raises(FrameContractError, match=f"the column {column} is null in 1 of 1 rows"):
        require_complete(rows, schema=USER_AFFINITY)
