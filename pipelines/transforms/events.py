"""From the lake's tables to one frame of what people did: the input of every feature."""

from __future__ import annotations

from typing import Final

import polars as pl

UTC_MICROSECONDS: Final = pl.Datetime("us", "UTC")

ACTIVITY_EVENT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "user_id": pl.String(),
    "kind": pl.String(),
    "item_kind": pl.String(),
    "item_id": pl.String(),
    "connector_id": pl.String(),
    "category": pl.String(),
    "occurred_at": UTC_MICROSECONDS,
    "retracted_at": UTC_MICROSECONDS,
}
ITEM_SCHEMA: Final[dict[str, pl.DataType]] = {
    "item_id": pl.String(),
    "connector_id": pl.String(),
    "category": pl.String(),
    "created_at": UTC_MICROSECONDS,
    "deleted_at": UTC_MICROSECONDS,
}

# Below this a glance is not interest.
LONG_DWELL_MS: Final = 10_000


def activity_events(
    *,
    interactions: pl.LazyFrame,
    post_likes: pl.LazyFrame,
    comments: pl.LazyFrame,
    connector_members: pl.LazyFrame,
    posts: pl.LazyFrame,
    connectors: pl.LazyFrame,
) -> pl.LazyFrame:
    """Put everything that people did into one frame, one row an act, in no order.

    Args:
        interactions: lake table of behaviour events; dwells under ``LONG_DWELL_MS`` are left out.
        post_likes: lake table of changes; a deleted like is an act with ``retracted_at``.
        comments: lake table of changes; deleted or set inactive means retracted.
        connector_members: lake table of changes; leaving retracts the join.
        posts: lake table of changes, whole, since it also says which connector a post is in.
        connectors: lake table of changes, whole, for the categories.

    Returns:
        ``ACTIVITY_EVENT_SCHEMA``. ``occurred_at`` is the row's own time, not that of its capture. An act counts at
        time t where ``occurred_at <= t`` and not ``retracted_at <= t``. ``connector_id`` and ``category`` (the
        connector's latest) are null where the item is not known yet.
    """
    post_place = post_items(posts=posts, connectors=connectors).select("item_id", "connector_id", "category")
    connector_place = connector_items(connectors).select("item_id", "connector_id", "category")
    acts = pl.concat(
        [
            _interactions(interactions),
            _rows(post_likes, kind="like", user="user_id", item_kind="post", item="post_id", at="created_at"),
            _rows(comments, kind="comment", user="author_id", item_kind="post", item="post_id", at="created_at"),
            _rows(
                connector_members,
                kind="join",
                user="user_id",
                item_kind="connector",
                item="connector_id",
                at="joined_at",
            ),
            _rows(posts, kind="post", user="author_id", item_kind="post", item="id", at="created_at"),
        ]
    )
    of_posts = acts.filter(pl.col("item_kind") == "post").join(post_place, on="item_id", how="left")
    of_connectors = acts.filter(pl.col("item_kind") == "connector").join(connector_place, on="item_id", how="left")
    return pl.concat([of_posts, of_connectors]).select(list(ACTIVITY_EVENT_SCHEMA))


def post_items(*, posts: pl.LazyFrame, connectors: pl.LazyFrame) -> pl.LazyFrame:
    """Return every post that ever was, with its connector's latest category: ``ITEM_SCHEMA``."""
    categories = connector_items(connectors).select(connector_id="item_id", category="category")
    return (
        _lifetimes(posts, created="created_at", keep=("connector_id",))
        .rename({"id": "item_id"})
        .join(categories, on="connector_id", how="left")
        .select(list(ITEM_SCHEMA))
    )


def connector_items(connectors: pl.LazyFrame) -> pl.LazyFrame:
    """Return every connector that ever was: ``ITEM_SCHEMA``, with ``connector_id`` its own id."""
    latest = connectors.group_by("id").agg(pl.col("category").sort_by("_event_id").last())
    return (
        _lifetimes(connectors, created="created_at")
        .join(latest, on="id")
        .select("category", "created_at", "deleted_at", item_id="id", connector_id="id")
        .select(list(ITEM_SCHEMA))
    )


def _interactions(interactions: pl.LazyFrame) -> pl.LazyFrame:
    long_enough = (pl.col("kind") != "dwell") | (pl.col("dwell_ms") >= LONG_DWELL_MS)
    return interactions.filter(long_enough).select(
        "user_id",
        "kind",
        "item_kind",
        "item_id",
        "occurred_at",
        pl.lit(None, dtype=UTC_MICROSECONDS).alias("retracted_at"),
    )


def _rows(changes: pl.LazyFrame, *, kind: str, user: str, item_kind: str, item: str, at: str) -> pl.LazyFrame:
    """Read acts out of a table in which a row's life is the act's."""
    keep = (user,) if item == "id" else (user, item)
    return _lifetimes(changes, created=at, keep=keep).select(
        pl.col(user).alias("user_id"),
        pl.lit(kind).alias("kind"),
        pl.lit(item_kind).alias("item_kind"),
        pl.col(item).alias("item_id"),
        pl.col("created_at").alias("occurred_at"),
        pl.col("deleted_at").alias("retracted_at"),
    )


def _lifetimes(changes: pl.LazyFrame, *, created: str, keep: tuple[str, ...] = ()) -> pl.LazyFrame:
    """Fold a row's changes into one: ``id``, what never changes of it, when it came and when it went.

    A row goes when it is deleted or first set inactive.
    """
    gone = pl.col("_op") == "d"
    if "is_active" in changes.collect_schema():
        gone = gone | ~pl.col("is_active")
    return changes.group_by("id").agg(
        *(pl.col(column).first() for column in keep),
        pl.col(created).first().alias("created_at"),
        pl.col("_committed_at").filter(gone).min().alias("deleted_at"),
    )
