"""Interactions as rows of the outbox, as the API writes them."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

import numpy as np
import polars as pl

from neighborconnect.contracts.topics import INTERACTIONS_TOPIC
from simulator.arrays import uuids
from simulator.columns import Ids, id_series, times
from simulator.town import ITEM_KINDS, KINDS, Interactions, Item, Town

OUTBOX = "cdc_outbox"
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%.6fZ"
_REPORTED_AFTER = timedelta(seconds=1.5)


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


def interaction_rows(
    town: Town, ids: Ids, part: Interactions, *, request_ids: pl.Series, rng: np.random.Generator
) -> pl.DataFrame:
    """Return outbox rows as the API writes them: topic, key (the person) and ``InteractionEvent`` without its id."""
    at = times(town.spec.start, part.at)
    events = pl.DataFrame(
        {
            "interaction_id": id_series(uuids(rng, len(part))),
            "user_id": ids.users.gather(part.user),
            "kind": kind_names(KINDS).gather(part.kind),
            "item_kind": kind_names(ITEM_KINDS).gather(part.item_kind),
            "item_id": item_ids(ids, part),
            "request_id": request_ids.gather(part.request),
            "position": part.position,
            "dwell_ms": pl.Series(part.dwell_ms).replace(-1, None),
            "occurred_at": at,
            "received_at": at + _REPORTED_AFTER,
        }
    )
    return outbox_rows(events)


def kind_names(kinds: tuple[StrEnum, ...]) -> pl.Series:
    """Return the names of kinds, to be looked up by number."""
    return pl.Series([kind.value for kind in kinds])


def item_ids(ids: Ids, part: Interactions) -> pl.Series:
    """Look up the id of each item, which is a post or a connector."""
    is_post = part.item_kind == Item.POST
    posts = ids.posts.gather(np.where(is_post, part.item, 0))
    connectors = ids.connectors.gather(np.where(is_post, 0, part.item))
    return pl.select(pl.when(pl.lit(pl.Series(is_post))).then(posts).otherwise(connectors)).to_series()
