"""Stated interests are the prior of a person's taste, by one rule offline and online."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recommendation.data import Split, TimeSplit, checked_interactions, checked_items
from models.recommendation.features import AFFINITY_SCHEMA, EVIDENCE_SCHEMA, InteractionFeatures, SplitFeatures
from models.recommendation.index_builder import assemble_popularity
from models.recommendation.model_selection import select_config
from models.recommendation.offline_evaluation import evaluate_config
from models.recommendation.predictor import Predictor, UserProfile
from models.recommendation.score_components import Items, ScoreComponents
from models.recommendation.scoring import STATED_EVIDENCE, blend_stated_interests
from models.recommendation.serving_artifact import VARIANT, ItemIndex
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.serving import RankingPath, RankRequest
from neighborconnect.feed.interests import interleave, matching_categories
from tests.models import sample_interactions

SEED = 7
CATEGORIES = ("Books", "gardening", "music", "photography")


def popular_snapshot(frame: pl.DataFrame) -> ItemIndex:
    items = Items(checked_items(frame), np.zeros((frame.height, 0), dtype=np.float32))
    interactions = checked_interactions(
        sample_interactions.make_interactions(sample_interactions.make_items(20), people=4, each=4, preference=1.0)
    )
    return assemble_popularity(
        kind=ItemKind.POST, model_version="post-test", half_life_days=None, items=items, interactions=interactions
    )


def one_item_a_category() -> pl.DataFrame:
    return pl.DataFrame({"item_id": [f"i{n}" for n in range(4)], "text": [""] * 4, "category": list(CATEGORIES)})


people = st.fixed_dictionaries({
    "acts": st.lists(st.sampled_from(CATEGORIES), max_size=4, unique=True),
    "evidence": st.floats(0.5, 500.0),
    "stated": st.lists(st.sampled_from(["books", "BOOKS ", "Gardening", "music", "chess", "\uff2dusic"]), max_size=4),
})  # fmt: skip


@settings(max_examples=60)
@given(person=people)
def test_offline_and_online_affinity_are_equal(person: dict[str, list[str]]) -> None:
    acts, evidence = person["acts"], person["evidence"]
    weights = {name: 1 / len(acts) for name in acts}
    interactions = checked_interactions(
        pl.DataFrame(
            [("ada", f"i{n}", sample_interactions.END, 1.0) for n in range(4)],
            schema=["user_id", "item_id", "occurred_at", "weight"],
            orient="row",
        )
    )
    features = SplitFeatures(
        pl.DataFrame([("ada", *pair) for pair in weights.items()], schema=AFFINITY_SCHEMA, orient="row"),
        pl.DataFrame([("ada", evidence)] if acts else [], schema=EVIDENCE_SCHEMA, orient="row"),
        pl.DataFrame(
            [("ada", name) for name in person["stated"]],
            schema={"user_id": pl.String, "interest": pl.String},
            orient="row",
        ),
        None,
        "test",
    )
    items = Items(checked_items(one_item_a_category()), np.zeros((4, 0), dtype=np.float32))
    offline = ScoreComponents.build(
        Split("test", interactions, interactions, None), items=items, features=features, half_life_days=None
    )

    profile = UserProfile(affinity=weights, evidence=float(evidence), stated_interests=tuple(person["stated"]))
    online = Predictor(popular_snapshot(one_item_a_category()))._affinity_of(profile)

    assert online == pytest.approx(offline.affinity[0], abs=1e-6)


@settings(max_examples=60)
@given(evidence=st.lists(st.floats(0.0, 1_000.0), min_size=2, max_size=6, unique=True))
def test_the_prior_shrinks_as_acts_come_in(evidence: list[float]) -> None:
    grown = np.array(sorted(evidence))
    acts, stated = (np.tile(np.eye(2)[row], (len(grown), 1)) for row in (0, 1))

    blended = blend_stated_interests(acts, evidence=grown, stated=stated)

    assert (np.diff(blended[:, 1]) <= 1e-6).all()
    assert blended.sum(axis=1) == pytest.approx(np.ones(len(grown)))
    at_prior = blend_stated_interests(acts[:1], evidence=np.array([STATED_EVIDENCE]), stated=stated[:1])
    assert at_prior[0].tolist() == pytest.approx([0.5, 0.5])


def test_nothing_known_blends_to_nothing() -> None:
    nothing = np.zeros((1, 3), dtype=np.float32)
    assert not blend_stated_interests(nothing, evidence=np.zeros(1), stated=nothing).any()


def test_the_popularity_champion_serves_stated_interests_too() -> None:
    frame = sample_interactions.make_items(80)
    index = popular_snapshot(frame)
    assert not index.is_personal
    request = RankRequest(request_id="r", user_id="u", item_kind=ItemKind.POST, limit=20)

    answer = Predictor(index).rank(request, user=UserProfile(stated_interests=("Cooking", "music")))

    shown = [index.categories[index.row_of[item.item_id]] for item in answer.items]
    assert set(shown) == {"cooking", "music"}
    assert answer.path is RankingPath.CONTENT
    reasons = {(reason.code, reason.category) for item in answer.items for reason in item.reasons[:1]}
    assert reasons == {("of_your_interests", "cooking"), ("of_your_interests", "music")}
    assert Predictor(index).rank(request, user=UserProfile(stated_interests=("chess",))).path is RankingPath.POPULAR


def test_people_without_acts_are_ranked_by_stated_interests() -> None:
    frame = sample_interactions.make_items(120)
    interactions = checked_interactions(
        sample_interactions.make_interactions(frame, people=120, each=25, preference=10.0)
    )
    stated = pl.DataFrame({
        "user_id": [f"user-{n:04d}" for n in range(120)],
        "interest": [sample_interactions.CATEGORIES[n % 4].title() for n in range(120)],
    })  # fmt: skip
    protocol, features = TimeSplit(), InteractionFeatures(stated)
    items = Items(checked_items(frame), np.zeros((120, 0), dtype=np.float32))
    split = protocol.split(interactions)
    config = select_config(split, protocol=protocol, items=items, features=features, seed=SEED, progress=lambda _: None)

    found = evaluate_config(
        split,
        config=config,
        champion_config=None,
        items=items,
        features=features,
        seed=SEED,
        progress=lambda _: None,
    )

    assert config.cold_user.affinity == 1.0
    assert found.no_history is not None
    # Popularity is all that a stranger got before.
    popular = max(metrics.ndcg.mean() for metrics in found.baselines.values())
    assert found.no_history.ndcg.mean() > 1.5 * popular
    assert "no_history_ndcg_at_20" in found.as_metrics()


def test_a_snapshot_says_of_which_variant_it_is() -> None:
    assert popular_snapshot(one_item_a_category()).extra == {VARIANT: "popularity"}


def test_interests_match_categories_in_any_case_and_width() -> None:
    assert matching_categories(["Straße", "music", "\uff22ooks"], interests=[" STRASSE", "books"]) == [
        "Straße",
        "\uff22ooks",
    ]


@given(interesting=st.lists(st.integers(0, 20), unique=True), others=st.lists(st.integers(0, 20), unique=True))
def test_interleaving_loses_and_repeats_nothing(interesting: list[int], others: list[int]) -> None:
    order = list(interleave(interesting, others))

    assert sorted(order) == sorted({*interesting, *others})
    for length in range(1, len(order) + 1):
        wanted = min(len(interesting), length * 2 // 3)
        assert len(set(order[:length]) & set(interesting)) >= wanted
