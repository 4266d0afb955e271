"""Activity events: one frame of the acts of all users, made of the lake's tables; the input of every feature."""

from __future__ import annotations

from typing import Final

import polars as pl

from neighborconnect.feed.eligibility import LONG_DWELL_MS
from pipelines.ingest.schema import UTC_MICROSECONDS
from pipelines.transforms.act_tables import ACT_TABLE_BY_NAME, ITEM_TABLES, acts_of

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


def activity_events(
    *,
    interactions: pl.LazyFrame,
    post_likes: pl.LazyFrame,
    comments: pl.LazyFrame,
    connector_members: pl.LazyFrame,
    posts: pl.LazyFrame,
    connectors: pl.LazyFrame,
    **more: pl.LazyFrame,
) -> pl.LazyFrame:
    """Combine the acts of all users in one frame, one row per act, without order.

    Args:
        interactions: lake table of behavior events; dwells under ``LONG_DWELL_MS`` are dropped, and an unhide
            retracts the hides received before it.
        post_likes: lake table of changes; the deletion of a like retracts it.
        comments: lake table of changes; deletion or deactivation retracts the comment.
        connector_members: lake table of changes; leaving retracts the join.
        posts: lake table of changes, unfiltered, because it maps posts to connectors.
        connectors: lake table of changes, unfiltered, because it has the categories and the founders.
        more: lake tables of changes by name: those of ``ACT_TABLES``, and, unfiltered, those of ``ITEM_TABLES``.

    Returns:
        A frame of ``ACTIVITY_EVENT_SCHEMA``. ``occurred_at`` is the event time, not the capture time; for interactions
        it is at most the time of receipt. An act counts at time t if ``occurred_at <= t`` and not
        ``retracted_at <= t``. ``connector_id`` and ``category`` (of the connector at ``occurred_at``) are null if the
        lake does not have the item yet.
    """
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
            _rows(connectors, kind="found", user="created_by", item_kind="connector", item="id", at="created_at"),
            *(acts_of(act, more[table]) for table, act in ACT_TABLE_BY_NAME.items() if table in more),
        ]
    )
    owners = {"post": posts} | {kind: more[table] for kind, table in ITEM_TABLES.items() if table in more}
    connector_of = pl.concat(
        [
            connectors.select(item_kind=pl.lit("connector"), item_id="id", connector_id="id"),
            *(
                items.select(item_kind=pl.lit(kind), item_id="id", connector_id="connector_id")
                for kind, items in owners.items()
            ),
        ]
    ).unique(["item_kind", "item_id"])
    of_items = acts.join(connector_of, on=["item_kind", "item_id"], how="left")
    return _with_category_at_event_time(of_items, connectors).select(list(ACTIVITY_EVENT_SCHEMA))


def category_versions(connectors: pl.LazyFrame) -> pl.LazyFrame:
    """Return the category of every connector over time, one row per change of the category.

    Returns:
        ``connector_id``, ``category``, ``valid_from`` (inclusive; null for the first version, which also covers the
        time before its capture) and ``valid_to`` (exclusive; null for the current version).
    """
    states = connectors.filter(pl.col("_op") != "d").select("_event_id", "_committed_at", "category", connector_id="id")
    previous = pl.col("category").shift().over("connector_id", order_by="_event_id")
    following = pl.col("valid_from").shift(-1).over("connector_id", order_by="_event_id")
    is_first = pl.col("_event_id") == pl.col("_event_id").min().over("connector_id")
    return (
        states.filter(is_first | pl.col("category").ne_missing(previous))
        .with_columns(valid_from="_committed_at")
        .with_columns(valid_to=following)
        .select(
            "connector_id",
            "category",
            pl.when(pl.col("_event_id") > pl.col("_event_id").min().over("connector_id")).then("valid_from"),
            "valid_to",
        )
    )


def _with_category_at_event_time(acts: pl.LazyFrame, connectors: pl.LazyFrame) -> pl.LazyFrame:
    """Add ``category``. Most connectors have one version, so the join adds few rows before the filter."""
    began = pl.col("valid_from").is_null() | (pl.col("valid_from") <= pl.col("occurred_at"))
    has_not_ended = pl.col("valid_to").is_null() | (pl.col("valid_to") > pl.col("occurred_at"))
    return acts.join(category_versions(connectors), on="connector_id", how="left").filter(began, has_not_ended)


def post_items(*, posts: pl.LazyFrame, connectors: pl.LazyFrame) -> pl.LazyFrame:
    """Return every post, including deleted ones, with the latest category of its connector: ``ITEM_SCHEMA``."""
    categories = connector_items(connectors).select(connector_id="item_id", category="category")
    return (
        _lifetimes(posts, created="created_at", columns=("connector_id",))
        .rename({"id": "item_id"})
        .join(categories, on="connector_id", how="left")
        .select(list(ITEM_SCHEMA))
    )


def listed_items(items: pl.LazyFrame) -> pl.LazyFrame:
    """Return every event or marketplace item, including canceled and withdrawn ones: ``ITEM_SCHEMA``, no category."""
    lifetimes = _lifetimes(items, created="created_at", columns=("connector_id",)).rename({"id": "item_id"})
    return lifetimes.with_columns(pl.lit(None, pl.String).alias("category")).select(list(ITEM_SCHEMA))


def connector_items(connectors: pl.LazyFrame) -> pl.LazyFrame:
    """Return every connector, including deleted ones: ``ITEM_SCHEMA``, with its own id as ``connector_id``."""
    latest = connectors.group_by("id").agg(pl.col("category").sort_by("_event_id").last())
    return (
        _lifetimes(connectors, created="created_at")
        .join(latest, on="id")
        .select("category", "created_at", "deleted_at", item_id="id", connector_id="id")
        .select(list(ITEM_SCHEMA))
    )


def _interactions(interactions: pl.LazyFrame) -> pl.LazyFrame:
    long_enough = (pl.col("kind") != "dwell") | (pl.col("dwell_ms") >= LONG_DWELL_MS)
    item = ["user_id", "item_kind", "item_id"]
    # The clock of a phone may run ahead, so the clock of the server determines the order.
    occurred_at = pl.min_horizontal("occurred_at", "received_at").alias("occurred_at")
    acts = interactions.filter(long_enough).select("kind", *item, occurred_at, "received_at")
    unhides = acts.filter(pl.col("kind") == "unhide").select(*item, retracted_at="received_at")
    hides = (
        acts.filter(pl.col("kind") == "hide")
        .sort("received_at")
        .join_asof(
            unhides.sort("retracted_at"),
            left_on="received_at",
            right_on="retracted_at",
            by=item,
            strategy="forward",
            # Both sides are sorted above; Polars cannot check that within groups and would warn at each call.
            check_sortedness=False,
        )
    )
    others = acts.filter(pl.col("kind").is_in(["hide", "unhide"]).not_()).with_columns(
        pl.lit(None, dtype=UTC_MICROSECONDS).alias("retracted_at")
    )
    columns = ["user_id", "kind", "item_kind", "item_id", "occurred_at", "retracted_at"]
    return pl.concat([hides.select(columns), others.select(columns)])


def _rows(changes: pl.LazyFrame, *, kind: str, user: str, item_kind: str, item: str, at: str) -> pl.LazyFrame:
    """Return the acts of a table in which each row is an act from its creation to its deletion."""
    columns = (user,) if item == "id" else (user, item)
    # The founder of a connector is null after an erasure.
    lifetimes = _lifetimes(changes, created=at, columns=columns).filter(pl.col(user).is_not_null())
    return lifetimes.select(
        pl.col(user).alias("user_id"),
        pl.lit(kind).alias("kind"),
        pl.lit(item_kind).alias("item_kind"),
        pl.col(item).alias("item_id"),
        pl.col("created_at").alias("occurred_at"),
        pl.col("deleted_at").alias("retracted_at"),
    )


def _lifetimes(changes: pl.LazyFrame, *, created: str, columns: tuple[str, ...] = ()) -> pl.LazyFrame:
    """Aggregate the changes of each row: ``id``, immutable ``columns``, ``created_at`` and ``deleted_at``.

    A row counts as deleted from its deletion or its first deactivation on.
    """
    is_deleted = pl.col("_op") == "d"
    if "is_active" in changes.collect_schema():
        is_deleted = is_deleted | ~pl.col("is_active")
    return changes.group_by("id").agg(
        *(pl.col(column).first() for column in columns),
        pl.col(created).first().alias("created_at"),
        pl.col("_committed_at").filter(is_deleted).min().alias("deleted_at"),
    )
