"""Interaction events as outbox rows in the format of the API."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

import numpy as np
import polars as pl

from neighborconnect.contracts.topics import INTERACTIONS_TOPIC
from simulator.arrays import uuids
from simulator.columns import Ids, id_series, times
from simulator.town import ITEM_KINDS, KINDS, Interactions, Town

OUTBOX = "cdc_outbox"
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%.6fZ"
_REPORT_DELAY = timedelta(seconds=1.5)


def outbox_rows(events: pl.DataFrame) -> pl.DataFrame:
    """Convert a frame of interaction events to outbox rows."""
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
    """Return outbox rows: topic, key (the user id) and an ``InteractionEvent`` without its event id."""
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
            "received_at": at + _REPORT_DELAY,
        }
    )
    return outbox_rows(events)


def kind_names(kinds: tuple[StrEnum, ...]) -> pl.Series:
    """Return the names of kinds, indexed by number."""
    return pl.Series([kind.value for kind in kinds])


def item_ids(ids: Ids, part: Interactions) -> pl.Series:
    """Return the id of each item, by its kind."""
    # The ids of all kinds in one column, in the order of ``ITEM_KINDS``, so that one lookup serves all rows.
    kinds = (ids.posts, ids.connectors, ids.events, ids.goods)
    offsets = np.cumsum([0, *(len(kind) for kind in kinds[:-1])])
    return pl.concat([kind.rename("id") for kind in kinds]).gather(offsets[part.item_kind] + part.item)
