"""What the checks on landed tables measure. Each function reads, counts and returns; none judges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
import psycopg
from psycopg import sql

from neighborconnect.contracts.topics import STREAM_BY_TABLE
from neighborconnect.settings import Settings
from pipelines.ingest.lake import scan_events

# The partitions of a topic, and the two sinks, do not keep step to the second.
SETTLING = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Digest:
    """The newest event of each key: how many there are, and the sum of their ids."""

    keys: int
    event_ids: int


def repeated_events(settings: Settings, *, table: str) -> int:
    """Count the rows of a lake table beyond the first of each event id."""
    counted = scan_events(settings, table).select(pl.len() - pl.col("_event_id").n_unique()).collect(engine="streaming")
    return int(counted.item())


def landing_digests(settings: Settings, *, table: str) -> tuple[Digest, Digest]:
    """Digest a table in the lake and in ``raw``, of the keys that did not change since both had settled."""
    key = "id" if STREAM_BY_TABLE[table].is_change_stream else "_event_id"
    newest = (
        scan_events(settings, table)
        .group_by(key)
        .agg(pl.col("_event_id").max().alias("event_id"), pl.col("_committed_at").max().alias("committed_at"))
    )
    latest_in_lake = scan_events(settings, table).select(pl.col("_committed_at").max()).collect().item()
    with psycopg.connect(settings.warehouse_url) as connection:
        name = sql.Identifier("raw", table)
        latest = connection.execute(sql.SQL("SELECT max(_committed_at) FROM {}").format(name)).fetchone()
        settled = _settled(latest_in_lake, latest[0] if latest else None)
        if settled is None:
            return Digest(0, 0), Digest(0, 0)
        found = connection.execute(
            sql.SQL("SELECT count(*), coalesce(sum(_event_id), 0)::bigint FROM {} WHERE _committed_at <= %s").format(
                name
            ),
            (settled,),
        ).fetchone()
    counted = newest.filter(pl.col("committed_at") <= settled).select(pl.len(), pl.col("event_id").sum())
    in_lake = counted.collect(engine="streaming").row(0)
    return Digest(*map(int, in_lake)), Digest(*map(int, found or (0, 0)))


def _settled(*latest: datetime | None) -> datetime | None:
    known = [moment for moment in latest if moment is not None]
    return min(known) - SETTLING if known else None
