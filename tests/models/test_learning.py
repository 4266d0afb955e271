"""The trainer learns existing preferences, and the gate refuses a model without a signal."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from models.recommendation.als import Hyperparameters, fit, popularity
from models.recommendation.data import InteractionMatrix, TimeSplit, checked_interactions, checked_items
from models.recommendation.features import InteractionFeatures
from models.recommendation.gate import Measured, select_variant
from models.recommendation.index_builder import assemble, fold_in_users, refresh
from models.recommendation.model_selection import ModelConfig, Variant, select_config
from models.recommendation.offline_evaluation import EvaluationReport, evaluate_config
from models.recommendation.predictor import Predictor, UserProfile
from models.recommendation.report import model_card
from models.recommendation.score_components import Items
from models.recommendation.scoring import BlendWeights
from models.recommendation.serving_artifact import ItemIndex, from_bytes, to_bytes
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.serving import RankingPath, RankRequest
from tests.models import sample_interactions

SEED = 7
RECIPE = ModelConfig(Hyperparameters(8, 4.0, 3.0, 0.1), None, BlendWeights(0.1), BlendWeights(0.1, 1.0))


def described(frame: pl.DataFrame) -> Items:
    """Items with a one-hot category in place of a text embedding."""
    checked = checked_items(frame)
    embeddings = (checked["category"].to_numpy()[:, None] == np.array(sample_interactions.CATEGORIES)[None, :]).astype(
        np.float32
    )
    return Items(checked, embeddings)


def evaluated(*, preference: float) -> EvaluationReport:
    items = sample_interactions.make_items(120)
    return judged_on(items, sample_interactions.make_interactions(items, people=120, each=25, preference=preference))


def judged_on(items: pl.DataFrame, interactions: pl.DataFrame) -> EvaluationReport:
    protocol = TimeSplit()
    split = protocol.split(checked_interactions(interactions))
    features = InteractionFeatures()
    config = select_config(
        split, protocol=protocol, items=described(items), features=features, seed=SEED, progress=lambda _: None
    )
    return evaluate_config(
        split,
        config=config,
        champion_config=None,
        items=described(items),
        features=features,
        seed=SEED,
        progress=lambda _: None,
        kind=ItemKind.POST,
    )


def test_where_tastes_differ_the_model_passes_the_gate() -> None:
    found = evaluated(preference=10.0)

    assert found.gate.passed
    metrics = found.as_metrics()
    assert metrics["recall_at_20"] > metrics["popularity_recall_at_20"]
    assert metrics["cold_user_recall_at_20"] > metrics["popularity_recall_at_20"]
    assert metrics["popularity_ndcg_at_20"] < metrics["served_ndcg_at_20"] < metrics["ndcg_at_20"]


def test_where_people_do_not_differ_the_gate_refuses() -> None:
    assert not evaluated(preference=1.0).gate.passed


def test_where_factors_are_noise_a_simpler_variant_ships() -> None:
    found = evaluated(preference=10.0)

    # Categories and their texts say all that there is to know of this world.
    assert found.selection.variant is not Variant.FACTORS
    assert found.config.variant is found.selection.variant
    assert found.config.warm_user == found.config.cold_user
    assert found.candidate is found.variants[found.selection.variant]
    assert any("the simpler is selected" in reason for reason in found.selection.reasons)


def test_where_factors_help_they_ship() -> None:
    items = sample_interactions.make_items(120)
    interactions = sample_interactions.make_themed_interactions(items, people=150, each=15, preference=30.0)

    found = judged_on(items, interactions)

    assert found.selection.variant is Variant.FACTORS
    for interval in found.selection.steps[next(reversed(found.selection.steps))].values():
        assert interval.low > 0
    assert found.gate.passed
    assert any("the larger is selected" in reason for reason in found.selection.reasons)


def test_the_model_card_says_which_variant_ships_and_why() -> None:
    found = evaluated(preference=10.0)

    card = model_card(found, kind=ItemKind.POST, data_version="test", served="the model described here")

    assert f"Variant `{found.selection.variant}`" in card
    assert all(reason in card for reason in found.selection.reasons)
    assert "| variant factors |" in card


def metrics_of(values: np.ndarray) -> Measured:
    return {"recall@20": values, "ndcg@20": values}


def test_a_tie_or_a_doubtful_gain_ships_the_simpler_variant() -> None:
    generator = np.random.default_rng(SEED)
    base = generator.random(400)
    noisy = base + generator.normal(0.0, 0.3, 400)
    better = base + np.abs(generator.normal(0.05, 0.02, 400))

    tie = select_variant({Variant.AFFINITY: metrics_of(base), Variant.FACTORS: metrics_of(base)}, seed=SEED)
    doubt = select_variant({Variant.AFFINITY: metrics_of(base), Variant.WITHOUT_FACTORS: metrics_of(noisy)}, seed=SEED)
    gain = select_variant({Variant.AFFINITY: metrics_of(base), Variant.WITHOUT_FACTORS: metrics_of(better)}, seed=SEED)

    assert (tie.variant, doubt.variant, gain.variant) == (
        Variant.AFFINITY,
        Variant.AFFINITY,
        Variant.WITHOUT_FACTORS,
    )
    assert gain.as_metrics()["selection_ndcg_without_factors_over_affinity_low"] > 0


def test_a_recipe_of_before_variants_is_one_with_factors() -> None:
    written = RECIPE.reduced_to(Variant.AFFINITY).as_dict()
    assert ModelConfig.from_dict(written).variant is Variant.AFFINITY
    assert ModelConfig.from_dict({name: value for name, value in written.items() if name != "variant"}).variant is (
        Variant.FACTORS
    )


def test_a_variant_without_factors_is_served_to_known_people() -> None:
    items = sample_interactions.make_items(80)
    interactions = checked_interactions(
        sample_interactions.make_interactions(items, people=60, each=20, preference=10.0)
    )
    matrix = InteractionMatrix.build(interactions)
    config = RECIPE.reduced_to(Variant.WITHOUT_FACTORS)
    index = assemble(
        kind=ItemKind.POST,
        model_version="post-test",
        config=config,
        matrix=matrix,
        factors=config.fit(matrix, seed=SEED),
        items=described(items),
        interactions=interactions,
    )
    user_ids, factors, content = fold_in_users(index, interactions=interactions)
    profile = UserProfile(content=content[user_ids.index("user-0000")])

    answer = Predictor(index).rank(
        RankRequest(request_id="r", user_id="user-0000", item_kind=ItemKind.POST, limit=10), user=profile
    )

    assert index.is_personal
    assert factors.shape == (60, 0)
    assert (answer.path, answer.reason_code) == (RankingPath.CONTENT, None)
    shown = [index.categories[index.row_of[item.item_id]] for item in answer.items]
    # Re-ranking leaves no category the whole page.
    assert shown[0] == "gardening"
    assert shown.count("gardening") >= 6
    assert from_bytes(to_bytes(index)).extra == index.extra


@pytest.fixture(scope="module")
def world() -> tuple[ItemIndex, pl.DataFrame, Items, InteractionMatrix, np.ndarray]:
    items = sample_interactions.make_items(80)
    interactions = checked_interactions(
        sample_interactions.make_interactions(items, people=60, each=20, preference=10.0)
    )
    matrix = InteractionMatrix.build(interactions)
    factors = fit(matrix, hyperparameters=RECIPE.hyperparameters, seed=SEED)
    index = assemble(
        kind=ItemKind.POST,
        model_version="post-test",
        config=RECIPE,
        matrix=matrix,
        factors=factors,
        items=described(items),
        interactions=interactions,
    )
    return index, interactions, described(items), matrix, factors.users


def test_folding_a_person_in_gives_the_factors_of_training(
    world: tuple[ItemIndex, pl.DataFrame, Items, InteractionMatrix, np.ndarray],
) -> None:
    index, interactions, _, matrix, trained = world

    user_ids, folded, _ = fold_in_users(index, interactions=interactions)

    assert user_ids == matrix.user_ids
    # Training stops half a step after the item factors that the person is folded into.
    for left, right in zip(folded, trained, strict=True):
        assert float(left @ right) / float(np.linalg.norm(left) * np.linalg.norm(right)) > 0.99


def test_a_new_item_joins_its_kind_and_a_removed_one_is_gone(
    world: tuple[ItemIndex, pl.DataFrame, Items, InteractionMatrix, np.ndarray],
) -> None:
    index, interactions, items, matrix, users = world
    new = pl.DataFrame({"item_id": ["new"], "text": ["compost and roses"], "category": ["gardening"]})
    frame = pl.concat([items.frame.filter(pl.col("item_id") != "item-0003"), new], how="diagonal")

    fresh = refresh(index, items=described(frame), interactions=interactions)

    assert fresh.version > index.version
    assert "item-0003" not in fresh.row_of
    row = fresh.row_of["new"]
    assert not fresh.is_warm[row]
    gardener, runner = (users[matrix.user_ids.index(name)] for name in ("user-0000", "user-0001"))
    assert fresh.factors[row] @ gardener > fresh.factors[row] @ runner
    kept = fresh.row_of["item-0001"]
    np.testing.assert_array_equal(fresh.factors[kept], index.factors[index.row_of["item-0001"]])


def test_popularity_halves_with_each_half_life() -> None:
    rows = [
        ("a", "old", sample_interactions.END - timedelta(days=7), 1.0),
        ("b", "new", sample_interactions.END, 1.0),
        ("b", "new", sample_interactions.END, 1.0),
    ]
    interactions = checked_interactions(
        pl.DataFrame(rows, schema=["user_id", "item_id", "occurred_at", "weight"], orient="row")
    )

    decayed = popularity(interactions, item_ids=("old", "new", "none"), half_life=timedelta(days=7))

    assert decayed.tolist() == pytest.approx([0.5, 1.0, 0.0])
    assert popularity(interactions, item_ids=("old", "new")).tolist() == [1.0, 1.0]
