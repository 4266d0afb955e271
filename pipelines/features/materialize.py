"""Bring the newest offline rows to the online store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from feature_repo.store import build_store, close
from neighborconnect.settings import Settings
from pipelines.features.compute import LATEST_VIEWS


def materialize(settings: Settings, *, until: datetime, views: Sequence[str] = LATEST_VIEWS) -> None:
    """Write to Redis the newest row of every entity since the last materialisation, up to ``until`` (aware).

    Feast keeps how far each view has come in its registry. A row that the online store already has newer (the
    stream pushes the last hour) stays. Call it after ``compute_latest``, with the same time. The first time it goes
    back as far as a view's TTL.
    """
    store = build_store(settings)
    try:
        store.materialize_incremental(end_date=until, feature_views=list(views))
    finally:
        close(store)
