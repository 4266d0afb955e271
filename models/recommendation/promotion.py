"""Promotion of a registered version to champion, and refresh of the champion's items and users without training.

User vectors and item index are published before the alias moves, so that a service that reads the alias can serve it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from feature_repo.vendor_patches import FeatureStore
from models.recommendation.data import checked_interactions
from models.recommendation.described_items import KindData, describe, describe_all
from models.recommendation.index_builder import fit_all_kinds, fold_in_users, open_items, refresh, response_vectors
from models.recommendation.item_qualities import ItemQualities, qualities_of
from models.recommendation.recommender_tracker import RecommenderTracker
from models.recommendation.response import Responses
from models.recommendation.serving_artifact import ItemIndexStore
from models.recommendation.train import TrainingResult
from models.recommendation.user_vectors import UserVectors, push
from models.registry import RegisteredVersion
from neighborconnect.contracts.events import SHORT_LIVED, ItemKind
from neighborconnect.contracts.models import REGISTERED_MODEL
from neighborconnect.settings import Settings


def publish_item_index(settings: Settings, result: TrainingResult) -> str:
    """Publish the item index as of training and return its version; idempotent."""
    store = ItemIndexStore(settings)
    index = open_items(RecommenderTracker(settings, kind=result.kind).item_index(_registered(result)))
    newest = store.newest_version(result.kind, model_version=result.model_version)
    return store.publish(index) if newest is None else newest


def push_vectors(settings: Settings, result: TrainingResult, *, store: FeatureStore) -> int:
    """Push the user vectors of a registered version to the online store, as of its training; return their number.

    A repeated promotion pushes none, since the first one deleted the run's file.
    """
    tracker = RecommenderTracker(settings, kind=result.kind)
    try:
        vectors = tracker.user_vectors(result.run_id)
    except FileNotFoundError:
        return 0
    # Serving compares it with resets of personalization, of which a training knows those before its start.
    return push(store, vectors, model_version=result.model_version, at=tracker.started_at(result.run_id))


def set_champion(settings: Settings, result: TrainingResult) -> bool:
    """Move the champion alias to the version if it is to be promoted; return whether it did.

    Raises:
        LookupError: when its item index has not been published.
    """
    if not result.promote:
        return False
    if ItemIndexStore(settings).newest_version(result.kind, model_version=result.model_version) is None:
        raise LookupError(f"{result.model_version} has no published item index; publish one before the promotion")
    RecommenderTracker(settings, kind=result.kind).promote(result.registry_version)
    return True


def promote(settings: Settings, result: TrainingResult, *, store: FeatureStore) -> bool:
    """Publish the item index, push the vectors and move the alias, in that order; return whether the alias moved.

    The run's file of user vectors is deleted afterwards: MLflow retains runs, and must not retain personal data. Users
    get newer vectors every hour (``refresh_vectors``).
    """
    promoted = False
    if result.promote:
        publish_item_index(settings, result)
        push_vectors(settings, result, store=store)
        promoted = set_champion(settings, result)
    RecommenderTracker(settings, kind=result.kind).delete_user_vectors(result.run_id)
    return promoted


def refresh_item_index(
    settings: Settings,
    *,
    kind: ItemKind,
    items: pl.DataFrame | pl.LazyFrame,
    interactions: pl.DataFrame | pl.LazyFrame,
    connectors: pl.DataFrame | pl.LazyFrame | None = None,
    version: RegisteredVersion | None = None,
) -> str | None:
    """Publish an item index of the champion with the current items and popularity, without training.

    The response model gets the published qualities (``refresh_all_vectors``), or those of its training if it is newer.

    Args:
        settings: URLs of MLflow and the lake.
        kind: kind of the items.
        items: as for ``train``; closed ones are not published.
        interactions: as for ``train``.
        connectors: items of the kind connector, whose texts describe the items of connectors.
        version: another version than the champion.

    Returns:
        Key of the item index, or None when there is no champion.

    Raises:
        ValueError: when there are no posts or connectors but the version has some; the published index stays. Of the
            kinds ``SHORT_LIVED`` there may be none at times.
    """
    tracker = RecommenderTracker(settings, kind=kind)
    version = version or tracker.champion()
    if version is None:
        return None
    checked = checked_interactions(interactions)
    known = {} if connectors is None else {ItemKind.CONNECTOR: KindData(checked.clear(), connectors)}
    trained, described = tracker.item_index(version), describe(settings, kind=kind, items=items, others=known)
    if trained.item_ids and not described.frame["is_open"].any() and kind not in SHORT_LIVED:
        raise ValueError(f"No {kind.value} may be recommended; the item index of {version.model_version} stays.")
    responses = None
    if trained.response_items is not None:
        newer = ItemQualities(settings).read_newest(since=tracker.started_at(version.run_id))
        responses = newer or qualities_of(trained)
    fresh = refresh(trained, items=described, interactions=checked, responses=responses)
    return ItemIndexStore(settings).publish(open_items(fresh))


def refresh_vectors(
    settings: Settings,
    *,
    kind: ItemKind,
    interactions: pl.DataFrame | pl.LazyFrame,
    items: pl.DataFrame | pl.LazyFrame,
    store: FeatureStore,
    at: datetime,
    others: Mapping[ItemKind, KindData] | None = None,
    version: RegisteredVersion | None = None,
) -> int:
    """Fold the users of ``interactions`` into a factor space and push their vectors; return the number.

    The space is the champion's, or that of ``version``. The response model learns from what users did with ``items``
    and ``others``, also with those since its training; factors are those of items of the training. ``at`` is the time
    (UTC) before which the interactions were read: serving ignores vectors from before a reset of personalization.
    """
    version = version or RecommenderTracker(settings, kind=kind).champion()
    index = None if version is None else RecommenderTracker(settings, kind=kind).item_index(version)
    if version is None or index is None or not index.is_personal:
        return 0
    checked = checked_interactions(interactions)
    if index.response_items is None:
        vectors = UserVectors(*fold_in_users(index, interactions=checked))
    else:
        described = describe(settings, kind=kind, items=items, others=others)
        vectors = UserVectors(*response_vectors(index, interactions=checked, items=described))
    return push(store, vectors, model_version=version.model_version, at=at)


def refresh_all_vectors(
    settings: Settings, *, data: Mapping[ItemKind, KindData], store: FeatureStore, at: datetime
) -> dict[ItemKind, int]:
    """Push the vectors of all users under the champion of each kind; return their numbers.

    The response model is fitted once for all kinds, and its item qualities are published for ``refresh_item_index``.
    ``at`` is the time (UTC) before which the interactions were read.
    """
    responses: Responses | None = None
    pushed = dict.fromkeys(data, 0)
    for kind, (items, interactions) in describe_all(settings, data).items():
        tracker = RecommenderTracker(settings, kind=kind)
        champion = tracker.champion()
        index = None if champion is None else tracker.item_index(champion)
        if champion is None or index is None or not index.is_personal:
            continue
        if index.response_items is None:
            vectors = UserVectors(*fold_in_users(index, interactions=interactions))
        else:
            if responses is None:
                responses = fit_all_kinds(interactions, items=items)
                ItemQualities(settings).publish(responses)
            of_users = response_vectors(index, interactions=interactions, items=items, responses=responses)
            vectors = UserVectors(*of_users)
        pushed[kind] = push(store, vectors, model_version=champion.model_version, at=at)
    return pushed


def _registered(result: TrainingResult) -> RegisteredVersion:
    return RegisteredVersion(
        REGISTERED_MODEL[result.kind], registry_version=result.registry_version, run_id=result.run_id
    )
