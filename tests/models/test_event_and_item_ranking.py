"""Events and marketplace items are ranked by the pipeline of posts; the hidden truth of a town judges the result."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from models.benchmarks.town import SimulatedTown, truth_ndcg
from models.recommendation.data import NotEnoughDataError, TimeSplit, checked_interactions, checked_items
from models.recommendation.features import InteractionFeatures
from models.recommendation.index_builder import assemble, open_items
from models.recommendation.model_selection import ModelConfig, Variant, select_config
from models.recommendation.offline_evaluation import EvaluationReport, evaluate_config
from models.recommendation.predictor import Predictor, UserProfile
from models.recommendation.score_components import Items, ScoreComponents
from models.recommendation.scoring import normalize_rows
from models.recommendation.serving_artifact import from_bytes, to_bytes
from neighborconnect.contracts.events import SHORT_LIVED, ItemKind
from neighborconnect.contracts.serving import RankingPath, RankRequest
from simulator.dataset import write_dataset
from simulator.history import build_town
from simulator.spec import TownSpec

if TYPE_CHECKING:
    import numpy.typing as npt

END = datetime(2026, 3, 1, tzinfo=UTC)
SEED = 1
KINDS = sorted(SHORT_LIVED)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> SimulatedTown:
    folder = tmp_path_factory.mktemp("town")
    write_dataset(folder, build_town(TownSpec(users=200, days=21, seed=SEED, end=END)))
    return SimulatedTown.read(folder)


@dataclass(frozen=True)
class Learned:
    """Outcome of a training on one kind of item of the town."""

    kind: ItemKind
    items: Items
    report: EvaluationReport
    components: ScoreComponents

    @property
    def users(self) -> npt.NDArray[np.int64]:
        return np.arange(len(self.report.split.matrix.user_ids))

    @property
    def masked(self) -> npt.NDArray[np.bool_]:
        masked = np.asarray(self.report.split.mask.toarray() > 0)
        masked[:, self.report.split.closed_columns] = True
        return masked


def learn(town: SimulatedTown, kind: ItemKind) -> Learned:
    of_kind = pl.col("item_kind") == kind.value
    frame = checked_items(town.items.filter(of_kind))
    categories = frame["category"].unique().sort().to_list()
    # A one-hot category with noise stands for the embedding of a text.
    noise = np.random.default_rng(SEED).normal(0.0, 0.1, (len(frame), len(categories)))
    hot = np.eye(len(categories))[[categories.index(name) for name in frame["category"]]]
    items = Items(frame, normalize_rows((hot + noise).astype(np.float32)))
    protocol = TimeSplit()
    split = protocol.split(checked_interactions(town.interactions.filter(of_kind))).without_closed(frame)
    acts = town.interactions.join(town.items.select("item_id", "category"), on="item_id")
    features = InteractionFeatures(town.interests, acts=acts)
    config = select_config(split, protocol=protocol, items=items, features=features, seed=SEED, progress=lambda _: None)
    report = evaluate_config(
        split,
        config=config,
        champion_config=None,
        items=items,
        features=features,
        seed=SEED,
        progress=lambda _: None,
        kind=kind,
    )
    known = features.read(split, user_ids=list(split.matrix.user_ids), items=frame)
    components = ScoreComponents.build(split, items=items, features=known, half_life_days=config.half_life_days)
    return Learned(kind, items, report, components)


@pytest.fixture(scope="module")
def learned(town: SimulatedTown) -> dict[ItemKind, Learned]:
    return {kind: learn(town, kind) for kind in KINDS}


def rules(town: SimulatedTown, of: Learned) -> npt.NDArray[np.float64]:
    """Return the scores of the rules: own connectors, stated interests, and the people who answered or looked."""
    split = of.report.split
    known = of.items.aligned(split.matrix.item_ids).frame["item_id"].to_frame()
    places = known.join(town.events.rename({"event_id": "item_id"}), on="item_id", how="left", maintain_order="left")
    if of.kind is ItemKind.ITEM:
        places = known.join(town.goods, on="item_id", how="left", maintain_order="left")
    joins = town.interactions.filter(
        pl.col("item_kind") == "connector", pl.col("masks"), pl.col("occurred_at") < split.cut
    )
    members = set(joins.select("user_id", "item_id").iter_rows())
    is_member = np.array(
        [[(user, place) in members for place in places["connector_id"]] for user in split.matrix.user_ids]
    )
    is_interest = of.components.stated[:, of.components.category_rows] > 0
    people = np.bincount(split.matrix.weights.indices, minlength=len(split.matrix.item_ids))
    return np.asarray(0.2 + 2.0 * is_member + 1.0 * is_interest + 0.2 * np.log1p(people)[None, :])


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_beats_rules_and_popularity_on_the_truth(
    town: SimulatedTown, learned: dict[ItemKind, Learned], kind: ItemKind
) -> None:
    of = learned[kind]
    matrix = of.report.split.matrix
    gains = town.gains(kind, user_ids=list(matrix.user_ids), item_ids=list(matrix.item_ids))

    def ndcg(scores: npt.NDArray[np.floating]) -> float:
        return float(truth_ndcg(np.asarray(scores), gains=gains, masked=of.masked).mean())

    weights = of.report.config.warm_user
    assert of.report.selection.variant is not Variant.FACTORS, "few acts with what is gone tomorrow: factors are noise"
    by_model = ndcg(of.components.cold_user(weights)(of.users))
    assert by_model > ndcg(rules(town, of)) > ndcg(of.components.popularity_scorer()(of.users))


@pytest.mark.parametrize("kind", KINDS)
def test_what_closed_before_the_cut_is_no_candidate(learned: dict[ItemKind, Learned], kind: ItemKind) -> None:
    split = learned[kind].report.split
    closed_at = dict(learned[kind].items.frame.select("item_id", "closed_at").iter_rows())

    assert split.cut is not None
    assert split.closed
    assert all(closed_at[item_id] <= split.cut for item_id in split.closed)
    assert not split.closed & set(split.test["item_id"])
    assert {split.matrix.item_ids[column] for column in split.closed_columns} <= split.closed


def test_a_split_whose_test_side_is_closed_is_too_little_data() -> None:
    days = [END + timedelta(days=day) for day in range(4)]
    rows = [(user, "gone", at, 1.0) for user, at in zip(("a", "b", "a", "b"), days, strict=True)]
    interactions = pl.DataFrame(rows, schema=["user_id", "item_id", "occurred_at", "weight"], orient="row")
    split = TimeSplit(test_share=0.5).split(checked_interactions(interactions.with_columns(masks=pl.lit(value=False))))
    items = pl.DataFrame({"item_id": ["gone"], "text": [""], "category": [""], "closed_at": [days[0]]})

    with pytest.raises(NotEnoughDataError, match="closed"):
        split.without_closed(checked_items(items))


def test_closed_items_fold_users_in_and_are_not_served(learned: dict[ItemKind, Learned]) -> None:
    of = learned[ItemKind.EVENT]
    frame = of.items.frame.with_columns(is_open=pl.col("closed_at") > END)
    interactions = of.report.split.train
    config: ModelConfig = of.report.config
    matrix = of.report.split.matrix
    trained = assemble(
        kind=ItemKind.EVENT,
        model_version="event-test",
        config=config,
        matrix=matrix,
        factors=config.fit(matrix, seed=SEED),
        items=Items(frame, of.items.embeddings),
        interactions=interactions,
    )
    published = open_items(from_bytes(to_bytes(trained)))
    is_open = set(frame.filter("is_open")["item_id"])
    favorite = published.categories[0]

    answer = Predictor(published).rank(
        RankRequest(request_id="r", user_id="u", item_kind=ItemKind.EVENT, limit=10),
        user=UserProfile(affinity={favorite: 1.0}, evidence=30.0),
        at=END,
    )

    assert set(trained.item_ids) > is_open == set(published.item_ids)
    assert published.popularity.max() == 1.0
    assert answer.path is RankingPath.CONTENT
    assert published.categories[published.row_of[answer.items[0].item_id]] == favorite
    assert np.isnan(published.attributes.created_at).all(), "an event has a start instead of an age"
