"""Training by a recipe: the newest data within the window, one registered version, and its promotion on request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import polars as pl

from models.matching.social_graph import BoolArray, IntArray, SocialGraph
from models.tracking import RunResult
from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings
from pipelines.training.recipe import (
    ContentRecipe,
    DataWindow,
    MatchingRecipe,
    Recipe,
    RecipeError,
    RecommenderRecipe,
    VisionRecipe,
)

RECIPE_FILE: Final = "recipe.json"
Progress = Callable[[str], None]


def train_recipe(settings: Settings, recipe: Recipe, *, progress: Progress) -> Any:
    """Train by a recipe and register a version; nothing is promoted. The run logs the recipe.

    Args:
        settings: addresses and credentials.
        recipe: the recipe.
        progress: callback for the steps.

    Returns:
        The result of the family's ``train``: a ``RunResult``, or a ``TrainingResult`` of the recommenders.

    Raises:
        RecipeError: if there is no data in the window.
        LookupError, deltalake.exceptions.TableNotFoundError: if the pipelines have not written the data yet.
    """
    match recipe:
        case RecommenderRecipe():
            return _train_recommender(settings, recipe, progress=progress)
        case ContentRecipe():
            return _train_content(settings, recipe, progress=progress)
        case MatchingRecipe():
            return _train_matching(settings, recipe, progress=progress)
        case VisionRecipe():
            from models.vision.train import train as train_vision

            return train_vision(settings, seed=recipe.seed, progress=progress)


def log_recipe(settings: Settings, recipe: Recipe, result: Any, *, since: float) -> None:
    """Log the recipe to the run of a result, unless the run began before ``since`` (seconds since 1970).

    A training whose inputs are the champion's has no run of its own.
    """
    from mlflow import MlflowClient

    from models.tracking import connect

    connect(settings)
    client = MlflowClient()
    if client.get_run(result.run_id).info.start_time >= int(since * 1000):
        client.log_dict(result.run_id, recipe.model_dump(mode="json", exclude_none=True), RECIPE_FILE)
        client.set_tag(result.run_id, "recipe", recipe.model_dump_json(exclude_none=True))


def promote_result(settings: Settings, recipe: Recipe, result: Any) -> bool:
    """Make the version of a result the champion if it passed its gate; return whether it did."""
    match recipe:
        case RecommenderRecipe():
            from feature_repo.store import open_store
            from models.recommendation.promotion import promote as promote_recommender

            with open_store(settings) as store:
                return promote_recommender(settings, result, store=store)
        case ContentRecipe():
            from models.content.train import promote as promote_content

            return promote_content(settings, result)
        case MatchingRecipe():
            from models.matching.train import promote as promote_matching

            return promote_matching(settings, result)
        case VisionRecipe():
            from models.vision.train import promote as promote_vision

            return promote_vision(settings, result)


def _train_recommender(settings: Settings, recipe: RecommenderRecipe, *, progress: Progress) -> Any:
    from feature_repo.store import open_store
    from models.recommendation.als import Hyperparameters
    from models.recommendation.described_items import KindData
    from models.recommendation.features import FeastFeatures
    from models.recommendation.train import train
    from pipelines.training.interactions import (
        read_interactions,
        read_items,
        read_stated_interests,
        without_reset_acts,
    )

    given = recipe.parameters
    hyperparameters = None if given is None else Hyperparameters(**given.model_dump(exclude_none=True))
    progress("reading the interactions")
    training_set = read_interactions(settings, kind=recipe.kind)
    interactions = within(without_reset_acts(settings, training_set.interactions), recipe.data)
    others: dict[ItemKind, KindData] = {}
    for kind in ItemKind:
        if kind is not recipe.kind:
            stored = without_reset_acts(settings, read_interactions(settings, kind=kind).interactions)
            others[kind] = KindData(_in_window(stored, recipe.data), read_items(settings, kind=kind, with_closed=True))
    progress(f"training {recipe.family} on {interactions.height:,} interactions")
    with open_store(settings) as store:
        return train(
            settings,
            kind=recipe.kind,
            interactions=interactions,
            items=read_items(settings, kind=recipe.kind, with_closed=True),
            others=others,
            features=FeastFeatures(store, kind=recipe.kind, stated=read_stated_interests(settings)),
            data_version=recipe.data.applied_to(training_set.data_version),
            hyperparameters=hyperparameters,
            seed=recipe.seed,
            progress=progress,
        )


def _train_content(settings: Settings, recipe: ContentRecipe, *, progress: Progress) -> RunResult:
    from models.content.train import train
    from pipelines.training import moderation_feedback

    feedback, data_version = moderation_feedback.read(settings, **recipe.data.limits)
    return train(
        settings,
        feedback=feedback,
        data_version=recipe.data.applied_to(data_version),
        seed=recipe.seed,
        progress=progress,
        **recipe.parameters.model_dump(exclude_none=True),
    )


def _train_matching(settings: Settings, recipe: MatchingRecipe, *, progress: Progress) -> RunResult:
    from models.matching.train import train
    from pipelines.training import social_graph_snapshot

    graph, data_version = social_graph_snapshot.read_newest(settings)
    return train(
        settings,
        graph=graph_within(graph, recipe.data),
        data_version=recipe.data.applied_to(data_version),
        seed=recipe.seed,
        progress=progress,
        **recipe.parameters.model_dump(exclude_none=True),
    )


def within(interactions: pl.DataFrame, window: DataWindow) -> pl.DataFrame:
    """Return the interactions within the window.

    Raises:
        RecipeError: if the window excludes all of them.
    """
    rows = _in_window(interactions, window)
    if rows.is_empty() and not interactions.is_empty():
        first, last = interactions["occurred_at"].dt.date().sort()[[0, -1]].dt.to_string("%Y-%m-%d").to_list()
        raise RecipeError(f"No interaction is in the data window: they are from {first} to {last}.")
    return rows


def _in_window(interactions: pl.DataFrame, window: DataWindow) -> pl.DataFrame:
    rows = interactions
    if since := window.limits.get("since"):
        rows = rows.filter(pl.col("occurred_at") >= since)
    if until := window.limits.get("until"):
        rows = rows.filter(pl.col("occurred_at") < until)
    return rows


def graph_within(graph: SocialGraph, window: DataWindow) -> SocialGraph:
    """Return the graph with the follows and memberships within the window; those without a time are excluded.

    Raises:
        RecipeError: if the window excludes all of them.
    """
    from models.matching.pair_features import with_vectors

    if not window.limits:
        return graph
    follows, members = (_times_within(times, window) for times in (graph.followed_at, graph.joined_at))
    if not follows.any() and not members.any():
        raise RecipeError("No follow and no membership is in the data window.")
    limited = graph.with_follows(graph.follows[follows], graph.followed_at[follows])
    return with_vectors(limited.with_members(graph.members[members], graph.joined_at[members]))


def _times_within(times: IntArray, window: DataWindow) -> BoolArray:
    """Return which times, in microseconds since 1970, are within the window."""
    limits = {name: int(time.timestamp() * 1e6) for name, time in window.limits.items()}
    chosen: BoolArray = (times >= limits.get("since", 1)) & (times < limits.get("until", np.iinfo(np.int64).max))
    return chosen
