"""Offline masks: the rules of ``neighborconnect.feed.eligibility`` on events of the lake, for all users at once."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from neighborconnect.contracts.events import ItemKind
from neighborconnect.feed.eligibility import RULES, Mask, excludes, mask_of

MASKS = "masks"
"""Optional boolean column of an interactions frame: whether the interaction excludes its item; all do if missing."""


def mask_users(acts: pl.DataFrame | pl.LazyFrame, *, kind: ItemKind, at: datetime) -> dict[str, Mask[str]]:
    """Return the mask of every user at ``at``.

    Args:
        acts: ``user_id``, ``kind``, ``item_kind``, ``item_id``, ``occurred_at``, ``retracted_at``, as
            ``pipelines.transforms.activity.activity_events`` returns.
        kind: the kind of item that is ranked.
        at: time of the mask; later acts and retractions are ignored.
    """
    rows = (
        acts.lazy()
        .filter(
            pl.col("item_kind") == kind.value,
            pl.col("kind").is_in(list(RULES[kind.value])),
            pl.col("occurred_at") <= at,
            pl.col("retracted_at").is_null() | (pl.col("retracted_at") > at),
        )
        .select("user_id", "kind", "item_id", "occurred_at")
        .collect(engine="streaming")
    )
    return {
        user_id: mask_of(part.select("kind", "item_id", "occurred_at").iter_rows(), item_kind=kind.value, at=at)
        for (user_id,), part in rows.partition_by("user_id", as_dict=True).items()
    }


def masking(kind: ItemKind, act: pl.Expr) -> pl.Expr:
    """Return the column ``MASKS`` for a column of act kinds."""
    return act.is_in([name for name in RULES[kind.value] if excludes(kind.value, name)]).alias(MASKS)
