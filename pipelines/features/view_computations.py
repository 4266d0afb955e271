"""Computation of each feature view from the lake: the inputs of its transform, and how far back they reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from neighborconnect.contracts import features as names
from pipelines.features.lake_reads import (
    read_activity,
    read_authors,
    read_connector_cells,
    read_connectors,
    read_listed_items,
    read_personalization_withdrawals,
    read_posts,
    read_resets,
)
from pipelines.ingest.lake import LakeSnapshot
from pipelines.transforms.item_features import connector_stats, event_stats, marketplace_item_stats, post_stats
from pipelines.transforms.negative_features import NEGATIVE_HORIZON, user_negatives
from pipelines.transforms.pair_features import PAIR_HORIZON, author_stats, user_author, user_connector
from pipelines.transforms.place_features import place_stats
from pipelines.transforms.resets import since_resets
from pipelines.transforms.user_features import (
    ACTIVITY_HORIZON,
    AFFINITY_HALF_LIFE,
    AFFINITY_HORIZON,
    RECENT_HORIZON,
    user_activity,
    user_affinity,
    user_recent_activity,
)

Computation = Callable[[LakeSnapshot, Sequence[datetime]], pl.LazyFrame]
"""Computes the rows of a view as of times with a time zone."""


def _consented(lake: LakeSnapshot, at: Sequence[datetime], *, horizon: timedelta) -> pl.LazyFrame:
    """Return the acts since ``horizon`` before the first time, of users with consent to personalization.

    Acts before the user's last reset of personalization are excluded.
    """
    withdrawn = read_personalization_withdrawals(lake)
    consented = read_activity(lake, since=min(at) - horizon).join(withdrawn, on="user_id", how="anti")
    return since_resets(consented, read_resets(lake))


def _user_activity(lake: LakeSnapshot, at: Sequence[datetime]) -> pl.LazyFrame:
    return user_activity(_consented(lake, at, horizon=ACTIVITY_HORIZON), at=at)


def _user_recent_activity(lake: LakeSnapshot, at: Sequence[datetime]) -> pl.LazyFrame:
    return user_recent_activity(_consented(lake, at, horizon=RECENT_HORIZON), at=at)


def _user_affinity(lake: LakeSnapshot, at: Sequence[datetime]) -> pl.LazyFrame:
    return user_affinity(_consented(lake, at, horizon=AFFINITY_HORIZON + AFFINITY_HALF_LIFE), at=at)


def _user_negatives(lake: LakeSnapshot, at: Sequence[datetime]) -> pl.LazyFrame:
    return user_negatives(_consented(lake, at, horizon=NEGATIVE_HORIZON), at=at)


def _user_connector(lake: LakeSnapshot, at: Sequence[datetime]) -> pl.LazyFrame:
    return user_connector(_consented(lake, at, horizon=PAIR_HORIZON), at=at)


def _user_author(lake: LakeSnapshot, at: Sequence[datetime]) -> pl.LazyFrame:
    acts = _consented(lake, at, horizon=PAIR_HORIZON)
    return user_author(acts, authors=read_authors(lake), at=at)


def _author_stats(lake: LakeSnapshot, at: Sequence[datetime]) -> pl.LazyFrame:
    acts = _consented(lake, at, horizon=PAIR_HORIZON)
    return author_stats(acts, authors=read_authors(lake), at=at)


def _place_stats(lake: LakeSnapshot, at: Sequence[datetime]) -> pl.LazyFrame:
    acts = _consented(lake, at, horizon=PAIR_HORIZON)
    return place_stats(acts, cells=read_connector_cells(lake), at=at)


def _connector_stats(lake: LakeSnapshot, at: Sequence[datetime]) -> pl.LazyFrame:
    return connector_stats(read_activity(lake), connectors=read_connectors(lake), at=at)


def _post_stats(lake: LakeSnapshot, at: Sequence[datetime]) -> pl.LazyFrame:
    return post_stats(read_activity(lake), posts=read_posts(lake), at=at)


def _event_stats(lake: LakeSnapshot, at: Sequence[datetime]) -> pl.LazyFrame:
    return event_stats(read_activity(lake), events=read_listed_items(lake, kind="event"), at=at)


def _marketplace_item_stats(lake: LakeSnapshot, at: Sequence[datetime]) -> pl.LazyFrame:
    return marketplace_item_stats(read_activity(lake), items=read_listed_items(lake, kind="item"), at=at)


VIEW_COMPUTATIONS: Final[dict[str, Computation]] = {
    names.USER_ACTIVITY: _user_activity,
    names.USER_RECENT_ACTIVITY: _user_recent_activity,
    names.USER_AFFINITY: _user_affinity,
    names.USER_NEGATIVES: _user_negatives,
    names.USER_AUTHOR: _user_author,
    names.USER_CONNECTOR: _user_connector,
    names.CONNECTOR_STATS: _connector_stats,
    names.POST_STATS: _post_stats,
    names.AUTHOR_STATS: _author_stats,
    names.PLACE_STATS: _place_stats,
    names.EVENT_STATS: _event_stats,
    names.MARKETPLACE_ITEM_STATS: _marketplace_item_stats,
}
