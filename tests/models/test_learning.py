"""The trainer learns what there is to learn, and the gate tells when there is nothing."""

from __future__ import annotations

import importlib.util
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.recommendation.assembly import assemble, fold_in_people, refresh
from models.recommendation.choosing import Recipe, choose_recipe
from models.recommendation.data import InteractionMatrix, TimeSplit, checked_interactions, checked_items
from models.recommendation.features import InteractionFeatures
from models.recommendation.judging import Judgement, judge
from models.recommendation.model import Hyperparameters, fit, popularity
from models.recommendation.scoring import BlendWeights
from models.recommendation.snapshot import ItemSnapshot
from models.recommendation.terms import Items
from neighborconnect.contracts.events import ItemKind

_found = importlib.util.spec_from_file_location("worlds", Path(__file__).with_name("worlds.py"))
assert _found is not None
assert _found.loader is not None
worlds = importlib.util.module_from_spec(_found)
_found.loader.exec_module(worlds)

SEED = 7
RECIPE = Recipe(Hyperparameters(8, 4.0, 3.0, 0.1), None, BlendWeights(0.1), BlendWeights(0.1, 1.0))


def described(frame: pl.DataFrame) -> Items:
    """Items with a one-hot category in place of a text embedding."""
    checked = checked_items(frame)
    embeddings = (checked["category"].to_numpy()[:, None] == np.array(worlds.CATEGORIES)[None, :]).astype(np.float32)
    return Items(checked, embeddings)


def judged(*, preference: float) -> Judgement:
    items = worlds.make_items(120)
    protocol = TimeSplit()
    split = protocol.split(
        checked_interactions(worlds.make_interactions(items, people=120, each=25, preference=preference))
    )
    features = InteractionFeatures()
    recipe = choose_recipe(
        split, protocol=protocol, items=described(items), features=features, seed=SEED, progress=lambda _: None
    )
    return judge(
        split,
        recipe=recipe,
        champion_recipe=None,
        items=described(items),
        features=features,
        seed=SEED,
        progress=lambda _: None,
    )


def test_where_people_differ_the_model_passes_the_gate_even_for_newcomers() -> None:
    found = judged(preference=10.0)

    assert found.gate.passed
    metrics = found.as_metrics()
    assert metrics["recall_at_20"] > metrics["popularity_recall_at_20"]
    assert metrics["newcomer_recall_at_20"] > metrics["popularity_recall_at_20"]


def test_where_people_do_not_differ_the_gate_refuses() -> None:
    assert not judged(preference=1.0).gate.passed


@pytest.fixture(scope="module")
def world() -> tuple[ItemSnapshot, pl.DataFrame, Items, InteractionMatrix, np.ndarray]:
    items = worlds.make_items(80)
    interactions = checked_interactions(worlds.make_interactions(items, people=60, each=20, preference=10.0))
    matrix = InteractionMatrix.build(interactions)
    factors = fit(matrix, hyperparameters=RECIPE.hyperparameters, seed=SEED)
    snapshot = assemble(
        kind=ItemKind.POST,
        model_version="post-test",
        recipe=RECIPE,
        matrix=matrix,
        factors=factors,
        items=described(items),
        interactions=interactions,
    )
    return snapshot, interactions, described(items), matrix, factors.users


def test_folding_a_person_in_gives_the_factors_that_training_gave(
    world: tuple[ItemSnapshot, pl.DataFrame, Items, InteractionMatrix, np.ndarray],
) -> None:
    snapshot, interactions, _, matrix, trained = world

    user_ids, folded, _ = fold_in_people(snapshot, interactions=interactions)

    assert user_ids == matrix.user_ids
    # Training stops half a step after the item factors that the person is folded into.
    for left, right in zip(folded, trained, strict=True):
        assert float(left @ right) / float(np.linalg.norm(left) * np.linalg.norm(right)) > 0.99


def test_a_new_item_lands_among_its_kind_and_a_withdrawn_one_is_gone(
    world: tuple[ItemSnapshot, pl.DataFrame, Items, InteractionMatrix, np.ndarray],
) -> None:
    snapshot, interactions, items, matrix, users = world
    new = pl.DataFrame({"item_id": ["new"], "text": ["compost and roses"], "category": ["gardening"]})
    frame = pl.concat([items.frame.filter(pl.col("item_id") != "item-0003"), new.select(items.frame.columns)])

    fresh = refresh(snapshot, items=described(frame), interactions=interactions)

    assert fresh.version > snapshot.version
    assert "item-0003" not in fresh.row_of
    row = fresh.row_of["new"]
    assert not fresh.is_warm[row]
    gardener, runner = (users[matrix.user_ids.index(name)] for name in ("user-0000", "user-0001"))
    assert fresh.factors[row] @ gardener > fresh.factors[row] @ runner
    kept = fresh.row_of["item-0001"]
    np.testing.assert_array_equal(fresh.factors[kept], snapshot.factors[snapshot.row_of["item-0001"]])


def test_popularity_halves_with_each_half_life() -> None:
    rows = [
        ("a", "old", worlds.END - timedelta(days=7), 1.0),
        ("b", "new", worlds.END, 1.0),
        ("b", "new", worlds.END, 1.0),
    ]
    interactions = checked_interactions(
        pl.DataFrame(rows, schema=["user_id", "item_id", "occurred_at", "weight"], orient="row")
    )

    decayed = popularity(interactions, item_ids=("old", "new", "none"), half_life=timedelta(days=7))

    assert decayed.tolist() == pytest.approx([0.5, 1.0, 0.0])
    assert popularity(interactions, item_ids=("old", "new")).tolist() == [1.0, 1.0]
