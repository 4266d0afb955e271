"""Materialization: copy the newest offline rows to the online store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from feature_repo.store import open_store
from feature_repo.views import FEATURE_VIEW_SPECS
from neighborconnect.settings import Settings
from pipelines.features import online_store
from pipelines.features.view_names import LATEST_VIEWS
from pipelines.privacy.consent import read_withdrawals
from pipelines.privacy.user_data import delete_offline, delete_online
from pipelines.quality.quarantine import delete_quarantined_rows

_LONGEST_TTL = max((promise.ttl for promise in FEATURE_VIEW_SPECS.values() if promise.ttl), default=timedelta(days=14))


def materialize(settings: Settings, *, until: datetime, views: Sequence[str] = LATEST_VIEWS) -> None:
    """Write the newest row of every entity since the last materialization to the online store.

    Feast stores in its registry up to which time each view is materialized. If the online store is new or was emptied,
    every view is written in full, as far back as the longest TTL. An online row that is newer than the offline one (the
    stream pushes the last hour) is not overwritten. Call it after ``compute_latest``, with the same time.

    Rows of users without consent to personalization, which a run before their withdrawal may have written, are deleted.

    Args:
        settings: addresses of the stores.
        until: upper limit of the rows' event time, with a time zone.
        views: names of the feature views.
    """
    withdrawn = read_withdrawals(settings).personalization
    if withdrawn:
        delete_offline(settings, withdrawn)
        delete_quarantined_rows(settings, withdrawn)
    is_complete = online_store.FEATURES in online_store.written_parts(settings)
    with open_store(settings) as store, online_store.writing(settings, online_store.FEATURES):
        if is_complete:
            store.materialize_incremental(end_date=until, feature_views=list(views))
        else:
            store.materialize(start_date=until - _LONGEST_TTL, end_date=until, feature_views=list(views))
    if withdrawn:
        delete_online(settings, withdrawn)
