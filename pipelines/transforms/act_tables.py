"""Captured tables whose rows are acts of users: one line makes a table an input of every feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

ITEM_TABLES: Final = {"event": "events", "item": "marketplace_items"}
"""Captured table of an item kind, in addition to posts and connectors; its ``connector_id`` is that of the acts."""


@dataclass(frozen=True, slots=True)
class ActTable:
    """A captured table in which each row is an act of a user while it exists and is current.

    Attributes:
        table: name of the table.
        kind: kind of the act in the activity events.
        user: column of the acting user.
        item_kind: kind of the item.
        item: column of the item.
        at: column of the time of the act.
        statuses: values of column ``status`` with which a row is current; empty if the table has no such column.
    """

    table: str
    kind: str
    user: str
    item_kind: str
    item: str
    at: str = "created_at"
    statuses: tuple[str, ...] = ()


ACT_TABLES: Final = (
    ActTable("event_attendees", "rsvp", "user_id", "event", "event_id", "joined_at", ("attending", "maybe", "waiting")),
    ActTable("marketplace_purchases", "purchase", "buyer_id", "item", "item_id", statuses=("agreed", "completed")),
    ActTable("marketplace_item_views", "visit", "user_id", "item", "item_id"),
    ActTable("reviews", "review", "reviewer_id", "connector", "connector_id"),
    ActTable("post_reactions", "reaction", "user_id", "post", "post_id"),
    ActTable("blocks", "block", "blocker_id", "user", "blocked_id"),
    ActTable("mutes", "mute", "muter_id", "user", "muted_id"),
)
ACT_USER_COLUMN: Final = {
    "interactions": "user_id",
    "post_likes": "user_id",
    "comments": "author_id",
    "connector_members": "user_id",
    **{act.table: act.user for act in ACT_TABLES},
}
"""Column of the acting user by table; posts and connectors are acts, too, but also the items of others."""
ACT_TABLE_BY_NAME: Final = {act.table: act for act in ACT_TABLES}


def current_rows(table: str, changes: pl.LazyFrame) -> pl.Expr:
    """Return whether a change leaves its row current: not deleted, active and in one of the statuses of the acts."""
    is_current = pl.col("_op") != "d"
    columns = changes.collect_schema()
    if "is_active" in columns:
        is_current &= pl.col("is_active").fill_null(value=True)
    act = ACT_TABLE_BY_NAME.get(table)
    if act is not None and act.statuses:
        is_current &= pl.col("status").is_in(list(act.statuses))
    return is_current


def acts_of(act: ActTable, changes: pl.LazyFrame) -> pl.LazyFrame:
    """Return the acts that the changes of a table record.

    An act lasts from the change that makes the row current to the next one that does not: an answer that is declined
    and accepted again is two acts.

    Returns:
        ``user_id``, ``kind``, ``item_kind``, ``item_id``, ``occurred_at`` and ``retracted_at``.
    """
    current = pl.col("_current")
    was_current = current.shift(1, fill_value=False).over("id", order_by="_event_id")
    ended = pl.when(~current).then("_committed_at")
    return (
        changes.unique("_event_id")
        .with_columns(current_rows(act.table, changes).alias("_current"))
        .with_columns(
            was_current.alias("_was_current"),
            ended.backward_fill().over("id", order_by="_event_id").alias("retracted_at"),
        )
        .filter(current, ~pl.col("_was_current"), pl.col(act.user).is_not_null())
        .select(
            pl.col(act.user).alias("user_id"),
            pl.lit(act.kind).alias("kind"),
            pl.lit(act.item_kind).alias("item_kind"),
            pl.col(act.item).alias("item_id"),
            pl.col(act.at).alias("occurred_at"),
            "retracted_at",
        )
    )
