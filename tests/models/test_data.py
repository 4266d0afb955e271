"""Splits keep the future out of the training side."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recommendation.data import (
    INTERACTIONS_SCHEMA,
    InteractionMatrix,
    LeaveLastOut,
    NotEnoughDataError,
    TimeSplit,
    checked_interactions,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
EVENTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7), st.integers(0, 200)), min_size=5, max_size=80)


def frame(events: list[tuple[int, int, int]]) -> pl.DataFrame:
    rows = [(f"u{user}", f"i{item}", START + timedelta(hours=hour), 1.0) for user, item, hour in events]
    return checked_interactions(pl.DataFrame(rows, schema=INTERACTIONS_SCHEMA, orient="row"))


def pairs(of: pl.DataFrame) -> set[tuple[str, str]]:
    return set(of.select("user_id", "item_id").iter_rows())


@settings(max_examples=40)
@given(EVENTS)
def test_time_split_leaks_nothing_and_masks_known_items_only(
    events: list[tuple[int, int, int]],
) -> None:
    interactions = frame(events)
    try:
        split = TimeSplit().split(interactions)
    except NotEnoughDataError:
        return
    assert split.cut is not None
    assert split.train["occurred_at"].max() < split.cut <= split.test["occurred_at"].min()  # type: ignore[operator]
    assert not pairs(split.train) & pairs(split.test)
    assert set(split.test["user_id"]) <= set(split.train["user_id"])
    assert set(split.test["item_id"]) <= set(split.train["item_id"])
    assert split.test.select("user_id", "item_id").is_unique().all()
    assert len(split.train) == interactions.filter(pl.col("occurred_at") < split.cut).height


@settings(max_examples=40)
@given(EVENTS)
def test_leave_last_out_holds_out_only_the_newest_event(events: list[tuple[int, int, int]]) -> None:
    interactions = frame(events)

    split = LeaveLastOut().split(interactions)

    assert split.test["user_id"].is_unique().all()
    newest = dict(split.train.group_by("user_id").agg(pl.col("occurred_at").max()).iter_rows())
    assert all(row["occurred_at"] >= newest[row["user_id"]] for row in split.test.iter_rows(named=True))


def test_a_history_of_one_moment_cannot_be_split() -> None:
    with pytest.raises(NotEnoughDataError):
        TimeSplit().split(frame([(user, user, 0) for user in range(5)]))


def test_the_matrix_sums_what_a_person_did_with_an_item() -> None:
    matrix = InteractionMatrix.build(frame([(0, 3, 1), (0, 3, 2), (1, 2, 3)]))

    assert matrix.user_ids == ("u0", "u1")
    assert matrix.item_ids == ("i2", "i3")
    assert matrix.weights.toarray().tolist() == [[0, 2], [1, 0]]
