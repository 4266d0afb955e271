"""Features of a user with an author or a connector, and of authors: how often who did what with whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from feature_repo.schemas import (
    AUTHOR_ID,
    AUTHOR_KINDS,
    AUTHOR_STATS,
    EVENT_TIMESTAMP,
    MONTH_WINDOWS,
    USER_AUTHOR,
    USER_AUTHOR_KINDS,
    USER_CONNECTOR,
    USER_CONNECTOR_KINDS,
    USER_ID,
    ViewSchema,
)
from pipelines.transforms.as_of_windows import AS_OF, as_of_times, windowed_counts
from pipelines.transforms.view_schema import as_view

# Rows are written for this long after the last act, so that counts that have fallen to zero are stored.
PAIR_HORIZON: Final = max(MONTH_WINDOWS.values()) + timedelta(days=7)


def user_connector(events: pl.LazyFrame, *, at: Sequence[datetime]) -> pl.LazyFrame:
    """Count what each user did with a connector and within it before each as-of time.

    Args:
        events: ``ACTIVITY_EVENT_SCHEMA`` since ``PAIR_HORIZON`` before the first as-of time.
        at: the as-of times.

    Returns:
        View ``user_connector``: one row per as-of time and pair with an act within ``PAIR_HORIZON`` before it.
    """
    return _counts(events, schema=USER_CONNECTOR, columns=USER_CONNECTOR_KINDS, at=at)


def user_author(events: pl.LazyFrame, *, authors: pl.LazyFrame, at: Sequence[datetime]) -> pl.LazyFrame:
    """Count what each user did with the posts of an author before each as-of time, without their own posts.

    Args:
        events: ``ACTIVITY_EVENT_SCHEMA`` since ``PAIR_HORIZON`` before the first as-of time.
        authors: ``item_id`` and ``author_id`` of every post.
        at: the as-of times.

    Returns:
        View ``user_author``: one row per as-of time and pair with an act within ``PAIR_HORIZON`` before it.
    """
    return _counts(_received(events, authors), schema=USER_AUTHOR, columns=USER_AUTHOR_KINDS, at=at)


def author_stats(events: pl.LazyFrame, *, authors: pl.LazyFrame, at: Sequence[datetime]) -> pl.LazyFrame:
    """Count the posts of each author, and what others did with them, before each as-of time.

    Args:
        events: ``ACTIVITY_EVENT_SCHEMA`` since ``PAIR_HORIZON`` before the first as-of time.
        authors: ``item_id`` and ``author_id`` of every post.
        at: the as-of times.

    Returns:
        View ``author_stats``: one row per as-of time and author with an act within ``PAIR_HORIZON`` before it.
    """
    written = events.filter(pl.col("kind") == "post").with_columns(pl.col(USER_ID).alias(AUTHOR_ID))
    acts = pl.concat([_received(events, authors), written], how="diagonal")
    return _counts(acts, schema=AUTHOR_STATS, columns=AUTHOR_KINDS, at=at)


def _received(events: pl.LazyFrame, authors: pl.LazyFrame) -> pl.LazyFrame:
    """Return the acts of others on posts, with ``author_id``."""
    of_posts = events.filter(pl.col("item_kind") == "post", pl.col("kind") != "post")
    with_author = of_posts.join(authors.select("item_id", AUTHOR_ID), on="item_id")
    return with_author.filter(pl.col(AUTHOR_ID) != pl.col(USER_ID))


def _counts(acts: pl.LazyFrame, *, schema: ViewSchema, columns: dict[str, str], at: Sequence[datetime]) -> pl.LazyFrame:
    counted = windowed_counts(
        acts,
        key=schema.keys,
        windows=MONTH_WINDOWS,
        columns=columns,
        present_for=PAIR_HORIZON,
        at=as_of_times(at),
    )
    return as_view(counted.rename({AS_OF: EVENT_TIMESTAMP}), schema=schema)
