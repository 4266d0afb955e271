"""Bring a registered version, or newer items and people of the champion, to where they are served from.

The order is the promise: vectors and snapshot first, the alias last, so that whoever sees a champion can serve it.
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from feature_repo.feast_import import FeatureStore
from models.recommendation.assembly import fold_in_people, refresh
from models.recommendation.data import checked_interactions
from models.recommendation.snapshot_store import SnapshotStore
from models.recommendation.tracking import RegisteredRun, Tracker
from models.recommendation.train import TrainingResult, describe
from models.recommendation.vectors import UserVectors, push
from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings


def publish_snapshot(settings: Settings, result: TrainingResult) -> str:
    """Publish the snapshot of the moment of training; return its key. Does nothing new when it is there already."""
    registered = _registered(result)
    store = SnapshotStore(settings)
    snapshot = Tracker(settings, kind=result.kind).snapshot(registered)
    newest = store.newest_version(result.kind, model_version=result.model_version)
    return store.publish(snapshot) if newest is None else newest


def push_vectors(settings: Settings, result: TrainingResult, *, store: FeatureStore) -> int:
    """Push the user vectors of a registered version to the online store; return how many.

    An earlier release may have done it already; then there are none any more.
    """
    try:
        vectors = Tracker(settings, kind=result.kind).user_vectors(result.run_id)
    except FileNotFoundError:
        return 0
    return push(store, vectors, model_version=result.model_version, at=datetime.now(UTC))


def promote(settings: Settings, result: TrainingResult) -> bool:
    """Make the version the champion if its training says so; return whether it did.

    Raises:
        LookupError: when its snapshot has not been published.
    """
    if not result.promote:
        return False
    if SnapshotStore(settings).newest_version(result.kind, model_version=result.model_version) is None:
        raise LookupError(f"publish the snapshot of {result.model_version} before it becomes the champion")
    Tracker(settings, kind=result.kind).promote(_registered(result))
    return True


def release(settings: Settings, result: TrainingResult, *, store: FeatureStore) -> bool:
    """Publish, push and promote, in that order; return whether the version is now the champion.

    The run's file of user vectors is deleted then: MLflow keeps runs, and must not keep whom they were about. People
    get newer vectors each hour (``refresh_vectors``).
    """
    promoted = False
    if result.promote:
        publish_snapshot(settings, result)
        push_vectors(settings, result, store=store)
        promoted = promote(settings, result)
    Tracker(settings, kind=result.kind).delete_user_vectors(result.run_id)
    return promoted


def refresh_snapshot(
    settings: Settings,
    *,
    kind: ItemKind,
    items: pl.DataFrame | pl.LazyFrame,
    interactions: pl.DataFrame | pl.LazyFrame,
) -> str | None:
    """Publish a snapshot of the champion with today's items and popularity, without training.

    Args:
        settings: where MLflow and the lake are.
        kind: posts or connectors.
        items: all that may be recommended now, as for ``train``.
        interactions: as for ``train``.

    Returns:
        The snapshot's key, or None when there is no champion.

    Raises:
        ValueError: when there are no items, and the champion knows some; the present snapshot stays.
    """
    tracker = Tracker(settings, kind=kind)
    champion = tracker.champion()
    if champion is None:
        return None
    trained, described = tracker.snapshot(champion), describe(settings, items)
    if trained.item_ids and described.frame.is_empty():
        raise ValueError(f"No {kind.value} may be recommended; the snapshot of {champion.model_version} stays.")
    fresh = refresh(trained, items=described, interactions=checked_interactions(interactions))
    return SnapshotStore(settings).publish(fresh)


def refresh_vectors(
    settings: Settings, *, kind: ItemKind, interactions: pl.DataFrame | pl.LazyFrame, store: FeatureStore
) -> int:
    """Give people of ``interactions`` newer vectors under the champion, by folding them in; return how many."""
    tracker = Tracker(settings, kind=kind)
    champion = tracker.champion()
    if champion is None:
        return 0
    snapshot = tracker.snapshot(champion)
    if not snapshot.is_personal:
        return 0
    user_ids, factors, content = fold_in_people(snapshot, interactions=checked_interactions(interactions))
    vectors = UserVectors(user_ids, factors, content)
    return push(store, vectors, model_version=champion.model_version, at=datetime.now(UTC))


def _registered(result: TrainingResult) -> RegisteredRun:
    return RegisteredRun(result.kind, result.run_id, result.registry_version)
