"""Bring the newest offline rows to the online store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from feature_repo.store import build_store, close
from feature_repo.views import PROMISES
from neighborconnect.settings import Settings
from pipelines.consent import read_refusals_of_all
from pipelines.features import online_store
from pipelines.features.compute import LATEST_VIEWS
from pipelines.people import delete_offline, delete_online

_LONGEST_TTL = max((promise.ttl for promise in PROMISES.values() if promise.ttl), default=timedelta(days=14))


def materialize(settings: Settings, *, until: datetime, views: Sequence[str] = LATEST_VIEWS) -> None:
    """Write to Redis the newest row of every entity since the last materialization, up to ``until`` (aware).

    Feast keeps in its registry how far each view has come. If the online store is new or was emptied, every view is
    written in full, as far back as the longest TTL. A row that the online store already has newer (the stream pushes
    the last hour) stays. Call it after ``compute_latest``, with the same time.

    What a run in between wrote of people who refuse personalization is removed.
    """
    refused = read_refusals_of_all(settings).personalization
    if refused:
        delete_offline(settings, refused)
    is_complete = online_store.FEATURES in online_store.written_parts(settings)
    store = build_store(settings)
    try:
        with online_store.writing(settings, online_store.FEATURES):
            if is_complete:
                store.materialize_incremental(end_date=until, feature_views=list(views))
            else:
                store.materialize(start_date=until - _LONGEST_TTL, end_date=until, feature_views=list(views))
    finally:
        close(store)
    if refused:
        delete_online(settings, refused)
