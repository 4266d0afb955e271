"""Inputs of the features, read from the lake."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import polars as pl

from pipelines.ingest.lake import LakeSnapshot
from pipelines.transforms import activity
from pipelines.transforms.act_tables import ACT_USER_COLUMN, ITEM_TABLES
from pipelines.transforms.place_features import connector_cells
from pipelines.transforms.resets import resets
from pipelines.transforms.standing import standing


def read_activity(lake: LakeSnapshot, *, since: datetime | None = None) -> pl.LazyFrame:
    """Return the acts since a time (all if None) as a lazy frame of ``ACTIVITY_EVENT_SCHEMA``."""
    return activity.activity_events(**read_activity_tables(lake, since=since))


def read_activity_tables(
    lake: LakeSnapshot, *, since: datetime | None = None, users: Collection[str] | None = None
) -> dict[str, pl.LazyFrame]:
    """Return the inputs of ``activity_events``: the changes by table, since a time and of some users only if given."""
    acting = {table: lake.scan(table, since=since) for table in ACT_USER_COLUMN}
    if users is not None:
        ids = pl.Series(sorted(users), dtype=pl.String).implode()
        acting = {table: changes.filter(pl.col(ACT_USER_COLUMN[table]).is_in(ids)) for table, changes in acting.items()}
    # Unfiltered: a recent act may refer to an old item.
    return acting | {table: lake.scan(table) for table in ("posts", "connectors", *ITEM_TABLES.values())}


def read_listed_items(lake: LakeSnapshot, *, kind: str) -> pl.LazyFrame:
    """Return the lifetime of every item of a kind of ``ITEM_TABLES``: ``ITEM_SCHEMA``."""
    return activity.listed_items(lake.scan(ITEM_TABLES[kind]))


def read_posts(lake: LakeSnapshot) -> pl.LazyFrame:
    """Return the lifetime of every post: ``ITEM_SCHEMA``."""
    return activity.post_items(posts=lake.scan("posts"), connectors=lake.scan("connectors"))


def read_connectors(lake: LakeSnapshot) -> pl.LazyFrame:
    """Return the lifetime of every connector: ``ITEM_SCHEMA``."""
    return activity.connector_items(lake.scan("connectors"))


def read_authors(lake: LakeSnapshot) -> pl.LazyFrame:
    """Return the author of every post with consent to personalization: ``item_id`` and ``author_id``."""
    posts = lake.scan("posts").filter(pl.col("author_id").is_not_null())
    authors = posts.select("author_id", item_id="id").unique("item_id")
    return authors.join(read_personalization_withdrawals(lake), left_on="author_id", right_on="user_id", how="anti")


def read_connector_cells(lake: LakeSnapshot) -> pl.LazyFrame:
    """Return the H3 cell of every connector with a location: ``connector_id`` and ``h3_cell``."""
    return connector_cells(lake.scan("connectors"))


def read_standing(lake: LakeSnapshot, *, at: datetime) -> pl.LazyFrame:
    """Return the weight of each account in popularity: columns ``user_id`` and ``STANDING``."""
    return standing(lake.scan("users"), at=at)


def read_resets(lake: LakeSnapshot) -> pl.LazyFrame:
    """Return the last reset of personalization of each user who has one: columns ``user_id`` and ``RESET_AT``."""
    return resets(lake.scan("users"))


def read_personalization_withdrawals(lake: LakeSnapshot) -> pl.LazyFrame:
    """Return the users without consent to personalization: one column, ``user_id``."""
    newest = lake.scan("users").group_by("id").agg(pl.col("personalised").sort_by("_event_id").last())
    return newest.filter(~pl.col("personalised")).select(user_id="id")
