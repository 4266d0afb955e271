"""Affinities from interactions: an item whose category changed counts for the category of the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from models.recommendation.data import CATEGORY, INTERACTIONS_SCHEMA, Split, checked_interactions
from models.recommendation.features import InteractionFeatures

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
# Today's categories: the connector of post "a" was about cooking until Tuesday.
ITEMS = pl.DataFrame({"item_id": ["a", "b"], "category": ["music", "running"]})
INTERACTIONS = pl.DataFrame(
    [("ana", "a", MONDAY, 3.0), ("ana", "a", MONDAY + timedelta(days=2), 1.0), ("ana", "b", MONDAY, 4.0)],
    schema=INTERACTIONS_SCHEMA,
    orient="row",
)


def affinity(interactions: pl.DataFrame) -> list[tuple[str, float]]:
    train = checked_interactions(interactions)
    features = InteractionFeatures().read(Split("all", train, train, None), user_ids=["ana"], items=ITEMS)
    return list(features.affinity.select("category", "weight").iter_rows())


def test_an_interaction_counts_for_the_category_of_its_time() -> None:
    then = INTERACTIONS.with_columns(pl.Series(CATEGORY, ["cooking", "music", "running"]))
    assert affinity(then) == [("cooking", 0.375), ("music", 0.125), ("running", 0.5)]


def test_an_interaction_without_category_gets_no_later_one() -> None:
    then = INTERACTIONS.with_columns(pl.Series(CATEGORY, [None, "music", ""], dtype=pl.String))
    assert affinity(then) == [("music", 1.0)]


def test_a_data_set_without_past_categories_uses_current_ones() -> None:
    assert affinity(INTERACTIONS) == [("music", 0.5), ("running", 0.5)]
