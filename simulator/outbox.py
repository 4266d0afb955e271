"""Interactions as rows of the outbox, as the API writes them."""

from __future__ import annotations

import polars as pl

from neighborconnect.contracts.topics import INTERACTIONS_TOPIC

OUTBOX = "cdc_outbox"
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%.6fZ"


def outbox_rows(events: pl.DataFrame) -> pl.DataFrame:
    """Turn a frame of interaction events into rows of the outbox."""
    quoted = ("interaction_id", "user_id", "kind", "item_kind", "item_id", "request_id")
    stamps = ("occurred_at", "received_at")
    shown: dict[str, pl.Expr] = {
        **{name: pl.format('"{}"', pl.col(name)) for name in quoted},
        **{name: pl.col(name).cast(pl.String) for name in ("position", "dwell_ms")},
        **{name: pl.col(name).dt.to_string(f'"{_TIME_FORMAT}"') for name in stamps},
    }
    pairs = [pl.concat_str(pl.lit(f'"{name}":'), value.fill_null("null")) for name, value in shown.items()]
    return events.select(
        topic=pl.lit(INTERACTIONS_TOPIC),
        key=pl.col("user_id"),
        payload=pl.concat_str(pl.lit("{"), pl.concat_str(pairs, separator=","), pl.lit("}")),
    )
