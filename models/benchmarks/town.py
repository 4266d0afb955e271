"""Recommendation in a simulated town, evaluated on its true preferences instead of observed exposure.

``python -m simulator.dataset FOLDER --seed 1`` writes the files. The gain of an item for a person is the true
probability that they would open and like or join it (``simulator.ground_truth``); ndcg@10 ranks all items that
the user's interactions do not mask. Users without history are measured, too: all who stated interests, with their
interactions ignored.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from models.benchmarks.files import FileError
from models.benchmarks.graph_filter import GraphFilter, select_and_fit
from models.content.embeddings import embed
from models.recommendation.als import fit
from models.recommendation.data import Split, TimeSplit, checked_interactions, checked_items
from models.recommendation.features import InteractionFeatures
from models.recommendation.model_selection import AFFINITY_ONLY, ModelConfig, objective, select_config
from models.recommendation.offline_evaluation import evaluate_config
from models.recommendation.ranking_metrics import Scorer, bootstrap, evaluate
from models.recommendation.score_components import Items, ScoreComponents
from models.recommendation.scoring import BlendWeights, BoolArray, FloatArray, IntArray, top_k
from neighborconnect.contracts.events import ItemKind

SEED = 20_261
K = 10
_FILTER_WEIGHTS = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True)
class SimulatedTown:
    """The files of ``simulator.dataset``."""

    coefficients: dict[str, float]
    people: pl.DataFrame
    connectors: pl.DataFrame
    posts: pl.DataFrame
    events: pl.DataFrame
    goods: pl.DataFrame
    follows: pl.DataFrame
    interests: pl.DataFrame
    items: pl.DataFrame
    interactions: pl.DataFrame

    @classmethod
    def read(cls, folder: Path) -> SimulatedTown:
        """Read the files; raises ``FileError``."""
        names = (
            "people",
            "connectors",
            "posts",
            "events",
            "marketplace_items",
            "follows",
            "interests",
            "items",
            "interactions",
        )
        try:
            tables = [pl.read_parquet(folder / f"{name}.parquet") for name in names]
            model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, pl.exceptions.PolarsError) as error:
            raise FileError(f"{folder} is not a folder of python -m simulator.dataset: {error}") from error
        return cls(model["coefficients"], *tables)

    def _described(self, kind: ItemKind) -> pl.DataFrame:
        """Return ``item_id``, ``theme``, ``home``, ``author_id`` and ``appeal`` of the items of a kind."""
        if kind is ItemKind.CONNECTOR:
            return self.connectors.rename({"connector_id": "item_id"}).with_columns(author_id=pl.lit(""))
        if kind is ItemKind.POST:
            homes = self.connectors.select("connector_id", "home")
            return self.posts.rename({"post_id": "item_id", "quality": "appeal"}).join(homes, on="connector_id")
        if kind is ItemKind.EVENT:
            events = self.events.rename({"event_id": "item_id", "host_id": "author_id"})
            of_both = events.join(self.connectors, on="connector_id", suffix="_of_connector")
            return of_both.with_columns(appeal=pl.col("appeal") + pl.col("appeal_of_connector"))
        homes = self.people.select(author_id="user_id", home="home")
        return self.goods.rename({"seller_id": "author_id"}).join(homes, on="author_id", how="left")

    def gains(self, kind: ItemKind, *, user_ids: list[str], item_ids: list[str]) -> FloatArray:
        """Return (users, items): the true probability of opening an item and then accepting it."""
        people = pl.DataFrame({"user_id": user_ids}).join(self.people, on="user_id", how="left", maintain_order="left")
        described = self._described(kind)
        items = pl.DataFrame({"item_id": item_ids}).join(described, on="item_id", how="left", maintain_order="left")
        tastes = people.select(pl.col("^taste_.*$"))
        column = {name.removeprefix("taste_"): place for place, name in enumerate(tastes.columns)}
        themes = np.array([column[theme] for theme in items["theme"]])
        utility = tastes.to_numpy()[:, themes] + items["appeal"].to_numpy()[None, :]
        home = items["home"].fill_null(-1).to_numpy()
        utility += self.coefficients["same_home"] * (people["home"].to_numpy()[:, None] == home[None, :])
        followed = {(one, other) for one, other in self.follows.iter_rows()}
        authors = items["author_id"].to_list()
        for row, user_id in enumerate(user_ids):
            follows = np.array([(user_id, author) in followed for author in authors])
            utility[row] += self.coefficients["follows_author"] * follows
        clicks = _sigmoid(self.coefficients["click_slope"] * utility + self.coefficients["click_offset"])
        return clicks * _sigmoid(self.coefficients["agree_slope"] * utility + self.coefficients["agree_offset"])


def _sigmoid(values: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-values)))


def truth_ndcg(scores: FloatArray, *, gains: FloatArray, masked: BoolArray) -> FloatArray:
    """Return ndcg@10 of each row of scores; masked items are left out, of the ideal order, too."""
    discounts = 1.0 / np.log2(np.arange(2, K + 2))
    best = top_k(np.where(masked, -np.inf, scores), k=K)
    allowed = np.where(masked, 0.0, gains)
    reached = (np.take_along_axis(allowed, best, axis=1) * discounts[: best.shape[1]]).sum(axis=1)
    ideal = (-np.sort(-allowed, axis=1)[:, :K] * discounts[: best.shape[1]]).sum(axis=1)
    return np.asarray(reached / ideal)


def run(folder: Path, *, console: Console) -> None:
    """Train on the town's interactions and print ndcg@10 by true preferences, with confidence intervals."""
    town = SimulatedTown.read(folder)
    for kind in ItemKind:
        _run_kind(town, kind, console=console)


def _run_kind(town: SimulatedTown, kind: ItemKind, *, console: Console) -> None:
    def progress(text: str) -> None:
        console.print(f"  {text}", style="dim")

    own = pl.col("item_kind") == kind.value
    frame = checked_items(town.items.filter(own))
    items = Items(frame, embed(frame["text"].to_list()))
    protocol = TimeSplit()
    split = protocol.split(checked_interactions(town.interactions.filter(own))).without_closed(frame)
    # Acts with items of all kinds, as in the feature store.
    acts = town.interactions.join(town.items.select("item_id", "category"), on="item_id")
    features = InteractionFeatures(town.interests, acts=acts)
    config = select_config(split, protocol=protocol, items=items, features=features, seed=SEED, progress=progress)
    report = evaluate_config(
        split, config=config, champion_config=None, items=items, features=features, seed=SEED, progress=progress
    )
    known = features.read(split, user_ids=list(split.matrix.user_ids), items=items.frame)
    components = ScoreComponents.build(split, items=items, features=known, half_life_days=config.half_life_days)
    without_stated = InteractionFeatures(acts=acts).read(split, user_ids=list(split.matrix.user_ids), items=items.frame)
    unstated = ScoreComponents.build(split, items=items, features=without_stated, half_life_days=config.half_life_days)
    factors = fit(split.matrix, hyperparameters=config.hyperparameters, seed=SEED)
    whole = select_and_fit(split, protocol=protocol, seed=SEED)
    blend = _filter_weight(split, protocol=protocol, items=items, features=features, config=config)
    measure = _measure(town, kind, split)
    everyone = np.arange(len(split.matrix.user_ids))
    stated = np.flatnonzero(components.stated.any(axis=1))
    rankings: list[tuple[str, Scorer, IntArray, bool]] = [
        ("no history: popularity (empty affinity)", components.popularity_scorer(), stated, True),
        ("no history: stated interests", components.no_history(report.config.cold_user), stated, True),
        ("popularity", components.popularity_scorer(), everyone, False),
        ("affinity by interactions alone", unstated.cold_user(AFFINITY_ONLY), everyone, False),
        ("affinity", components.cold_user(AFFINITY_ONLY), everyone, False),
        ("without factors", components.cold_user(config.cold_user), everyone, False),
        ("with factors", components.warm_user(factors, config.warm_user), everyone, False),
        ("factors alone", components.warm_user(factors, BlendWeights()), everyone, False),
        ("graph filter alone", whole.scorer(split.matrix.weights), everyone, False),
        ("with graph filter", _with_filter(whole, components, config, weight=blend), everyone, False),
    ]
    table = Table(title=f"{kind.value}: ndcg@{K} by true preferences, seed {SEED}", min_width=90)
    for heading in ("ranking", "people", "mean", "95 % interval"):
        table.add_column(heading)
    for name, scorer, users, is_stranger in rankings:
        found = bootstrap(measure(scorer, users, is_stranger), seed=SEED)
        table.add_row(name, str(len(users)), f"{found.mean:.3f}", f"{found.low:.3f} to {found.high:.3f}")
    console.print(table)
    console.print(f"{kind.value}: weight of the graph filter {blend:g}, {whole.parameters.as_dict()}")
    console.print(f"{kind.value}: ships {report.selection.variant}; weights {report.config.as_dict()}")


def _with_filter(graph: GraphFilter, components: ScoreComponents, config: ModelConfig, *, weight: float) -> Scorer:
    """Return the ranking without factors plus ``weight`` times the graph filter, whose highest score is one."""
    collaborative, others = graph.scorer(components.matrix.weights), components.cold_user(config.cold_user)

    def scores(users: IntArray) -> FloatArray:
        filtered = collaborative(users)
        highest = np.maximum(np.abs(filtered).max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return np.asarray(others(users) + weight * filtered / highest)

    return scores


def _filter_weight(
    split: Split, *, protocol: TimeSplit, items: Items, features: InteractionFeatures, config: ModelConfig
) -> float:
    """Return the weight of the graph filter with the best objective on an earlier split of the training side."""
    earlier = protocol.split(split.train).without_closed(items.frame)
    matrix = earlier.matrix
    known = features.read(earlier, user_ids=list(matrix.user_ids), items=items.frame)
    components = ScoreComponents.build(earlier, items=items, features=known, half_life_days=config.half_life_days)
    graph = select_and_fit(earlier, protocol=protocol, seed=SEED)

    def score(weight: float) -> float:
        scorer = _with_filter(graph, components, config, weight=weight)
        held_out = matrix.encode(earlier.test)
        return objective(evaluate(scorer, seen=earlier.mask, held_out=held_out, closed=earlier.closed_columns))

    return max(_FILTER_WEIGHTS, key=score)


def _measure(town: SimulatedTown, kind: ItemKind, split: Split) -> Callable[[Scorer, IntArray, bool], FloatArray]:
    matrix = split.matrix
    gains = town.gains(kind, user_ids=list(matrix.user_ids), item_ids=list(matrix.item_ids))
    mask = split.mask.toarray() > 0
    mask[:, split.closed_columns] = True

    def measure(scorer: Scorer, users: IntArray, is_stranger: bool) -> FloatArray:
        masked = mask[users]
        if is_stranger:
            masked = np.zeros_like(masked)
            masked[:, split.closed_columns] = True
        return truth_ndcg(np.asarray(scorer(users)), gains=gains[users], masked=masked)

    return measure
