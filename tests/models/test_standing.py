"""Accounts without standing move nothing that is learnt for others, and are served themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from models.recommendation.als import popularity
from models.recommendation.data import STANDING, checked_interactions, of_standing
from models.recommendation.serving_artifact import ItemIndex
from models.recommendation.train import fit_on_all
from models.recommendation.user_vectors import UserVectors
from neighborconnect.contracts.events import ItemKind
from neighborconnect.feed.policy import ranking_policy
from pipelines.transforms.standing import standing
from tests.models import sample_interactions
from tests.models.test_learning import RECIPE, SEED, described

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def interactions(*rows: tuple[str, str, float]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", STANDING], orient="row")
    return checked_interactions(frame.with_columns(occurred_at=pl.lit(NOON), weight=pl.lit(1.0)))


@pytest.mark.parametrize("half_life", [None, timedelta(days=7)])
def test_new_accounts_do_not_change_popularity(half_life: timedelta | None) -> None:
    rows = [("ana", "bread", 1.0), ("bob", "bread", 1.0), ("ana", "bees", 0.5)]
    crowd = [(f"new {number}", "bees", 0.0) for number in range(20)]
    expected = popularity(interactions(*rows), item_ids=("bees", "bread"), half_life=half_life)

    counted = popularity(interactions(*rows, *crowd, *crowd), item_ids=("bees", "bread"), half_life=half_life)

    assert counted.tolist() == expected.tolist() == pytest.approx([0.25, 1.0])
    assert set(of_standing(interactions(*rows, *crowd))["user_id"]) == {"ana", "bob"}


def test_in_a_community_without_standing_everybody_counts() -> None:
    rows = interactions(("ana", "bread", 0.0), ("bob", "bread", 0.0), ("ana", "bees", 0.0))
    assert popularity(rows, item_ids=("bees", "bread")).tolist() == [0.5, 1.0]
    assert of_standing(rows).height == 3


def test_new_accounts_do_not_change_the_model_and_have_vectors() -> None:
    items = sample_interactions.make_items(40)
    known = sample_interactions.make_interactions(items, people=30, each=10, preference=10.0)
    known = known.with_columns(pl.lit(1.0).alias(STANDING))
    target = known["item_id"][0]
    crowd = known.head(20).with_columns(
        user_id=pl.format("new {}", pl.int_range(20)), item_id=pl.lit(target), **{STANDING: pl.lit(0.0)}
    )

    def fitted(interactions: pl.DataFrame) -> tuple[ItemIndex, UserVectors]:
        return fit_on_all(
            kind=ItemKind.POST,
            model_version="post-7",
            config=RECIPE,
            interactions=checked_interactions(interactions),
            items=described(items),
            seed=SEED,
        )

    index, vectors = fitted(known)
    crowded, with_crowd = fitted(pl.concat([known, crowd]))

    np.testing.assert_array_equal(crowded.popularity, index.popularity)
    np.testing.assert_allclose(crowded.factors, index.factors, rtol=1e-3, atol=1e-4)
    assert set(with_crowd.user_ids) == {*vectors.user_ids, *crowd["user_id"]}
    assert len(with_crowd.factors) == len(with_crowd.content) == len(with_crowd.user_ids)


def test_the_lake_gives_the_weight_of_the_policy() -> None:
    ages = {"new": 1.0, "young": 8.0, "old": 60.0, "unverified": 60.0, "closed": 60.0}
    users = pl.DataFrame(
        {
            "id": list(ages),
            "created_at": [NOON - timedelta(days=age) for age in ages.values()],
            "verified": [name != "unverified" for name in ages],
            "is_active": [True] * len(ages),
            "_event_id": list(range(len(ages))),
        }
    )
    closed = users.filter(pl.col("id") == "closed").with_columns(
        is_active=pl.lit(value=False), _event_id=pl.lit(9, pl.Int64)
    )
    weights = dict(standing(pl.concat([users, closed]).lazy(), at=NOON).collect().iter_rows())
    rules = ranking_policy().standing
    expected = {name: rules.weight(age) if name in {"new", "young", "old"} else 0.0 for name, age in ages.items()}
    assert weights == pytest.approx(expected)
    assert (expected["new"], expected["young"], expected["old"]) == (0.0, 0.5, 1.0)
