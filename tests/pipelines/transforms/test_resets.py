"""Acts before the last reset of personalization are not learnt from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from pipelines.transforms.resets import RESET_AT, resets, since_resets

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_only_acts_after_the_last_reset_count() -> None:
    changes = [("ana", None, 1), ("ana", NOON - MINUTE, 2), ("ana", NOON, 3), ("bob", NOON, 4), ("bob", None, 5)]
    schema = {"id": pl.String, RESET_AT: pl.Datetime("us", "UTC"), "_event_id": pl.Int64}
    users = pl.LazyFrame(changes, schema=schema, orient="row")
    acts = pl.LazyFrame(
        [("ana", NOON - MINUTE), ("ana", NOON), ("ana", NOON + MINUTE), ("bob", NOON - MINUTE), ("eva", NOON)],
        schema={"user_id": pl.String, "occurred_at": pl.Datetime("us", "UTC")},
        orient="row",
    )

    counted = since_resets(acts, resets(users)).collect()

    assert sorted(counted.rows()) == [("ana", NOON + MINUTE), ("bob", NOON - MINUTE), ("eva", NOON)]
    assert counted.columns == ["user_id", "occurred_at"]
