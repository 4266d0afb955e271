"""What features read from the lake."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from neighborconnect.settings import Settings
from pipelines.ingest.lake import scan_events
from pipelines.transforms import events


def read_activity(settings: Settings, *, since: datetime | None = None) -> pl.LazyFrame:
    """Read what people did since then (all where None): ``ACTIVITY_EVENT_SCHEMA``, lazily."""
    return events.activity_events(
        interactions=scan_events(settings, "interactions", since=since),
        post_likes=scan_events(settings, "post_likes", since=since),
        comments=scan_events(settings, "comments", since=since),
        connector_members=scan_events(settings, "connector_members", since=since),
        # Whole: an act of today may be on a post of last year.
        posts=scan_events(settings, "posts"),
        connectors=scan_events(settings, "connectors"),
    )


def read_posts(settings: Settings) -> pl.LazyFrame:
    """Read every post's life: ``ITEM_SCHEMA``."""
    return events.post_items(posts=scan_events(settings, "posts"), connectors=scan_events(settings, "connectors"))


def read_connectors(settings: Settings) -> pl.LazyFrame:
    """Read every connector's life: ``ITEM_SCHEMA``."""
    return events.connector_items(scan_events(settings, "connectors"))


def read_refusals(settings: Settings) -> pl.LazyFrame:
    """Read who refuses personalisation now: one column, ``user_id``."""
    said = scan_events(settings, "users").group_by("id").agg(pl.col("personalised").sort_by("_event_id").last())
    return said.filter(~pl.col("personalised")).select(user_id="id")
