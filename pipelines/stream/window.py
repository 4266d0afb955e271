"""The last hour's events in memory, as lake tables, so that the batch's own transforms run on them unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from feature_repo.schemas import RECENT_WINDOW, USER_ID
from neighborconnect.contracts.topics import STREAM_BY_TABLE
from pipelines.ingest.schema import EVENT_TIME, lake_schema
from pipelines.transforms.events import activity_events
from pipelines.transforms.users import user_recent_activity

# Who acted, in each table that acts are read from.
USER_COLUMN: Final = {
    "interactions": "user_id",
    "post_likes": "user_id",
    "comments": "author_id",
    "connector_members": "user_id",
    "posts": "author_id",
}
# An act is kept a little longer than it counts, so that its user is still there to be written as zero.
_KEEP: Final = RECENT_WINDOW + timedelta(minutes=5)
# About 1 GB at the most, whatever happens; beyond it the oldest events of a table are forgotten before their time.
_MOST_ROWS: Final = 1_000_000
_LONG_PAST: Final = datetime.min.replace(tzinfo=UTC)


class LastHour:
    """Events of the last hour of every table in ``USER_COLUMN``, each once.

    Which connector a post is in is not known here: ``connector_id`` and ``category`` are null, and no feature of the
    last hour reads them.
    """

    def __init__(self) -> None:
        """Start with no event."""
        self._tables = {table: pl.DataFrame(schema=lake_schema(STREAM_BY_TABLE[table])) for table in USER_COLUMN}

    @property
    def rows(self) -> int:
        """How many events are held."""
        return sum(table.height for table in self._tables.values())

    @property
    def users(self) -> set[str]:
        """The users of the events that are held."""
        return {user for table, held in self._tables.items() for user in held[USER_COLUMN[table]]}

    def add(self, events: Mapping[str, pl.DataFrame], *, now: datetime) -> set[str]:
        """Take in decoded events by table; return the users whose last hour they may change.

        Events already held, events older than the window and mere updates of counters change nothing.
        """
        touched: set[str] = set()
        for table, frame in events.items():
            held = self._tables[table]
            new = (
                frame.filter(pl.col(EVENT_TIME[table]) > now - RECENT_WINDOW, _begins_or_ends(frame))
                .unique("_event_id")
                .join(held, on="_event_id", how="anti")
            )
            if new.height:
                self._tables[table] = pl.concat([held, new]).tail(_MOST_ROWS)
                touched.update(new[USER_COLUMN[table]])
        return touched

    def forget(self, users: set[str]) -> None:
        """Drop every event of these users, who were erased."""
        chosen = pl.Series(USER_ID, sorted(users), dtype=pl.String).implode()
        for table, held in self._tables.items():
            self._tables[table] = held.filter(~pl.col(USER_COLUMN[table]).is_in(chosen))

    def newest(self, *, limit: datetime) -> datetime:
        """Return the newest time of act or capture held that is not after ``limit``; long past where there is none."""
        times = (pl.concat([held[EVENT_TIME[table]], held["_committed_at"]]) for table, held in self._tables.items())
        newest = (time.filter(time <= limit).max() for time in times)
        return max((moment for moment in newest if isinstance(moment, datetime)), default=_LONG_PAST)

    def expired(self, *, since: datetime, now: datetime) -> set[str]:
        """Return the users of whom an act left the window in ``(since, now]``, and forget what left it long ago."""
        touched: set[str] = set()
        for table, held in self._tables.items():
            time = pl.col(EVENT_TIME[table])
            left = held.filter(time > since - RECENT_WINDOW, time <= now - RECENT_WINDOW)
            touched.update(left[USER_COLUMN[table]])
            self._tables[table] = held.filter(time > now - _KEEP)
        return touched

    def features(self, users: set[str], *, at: datetime) -> pl.DataFrame:
        """Compute view ``user_recent_activity`` of ``users`` at ``at`` with the transform that makes its history."""
        chosen = pl.Series(USER_ID, sorted(users), dtype=pl.String)
        mine = {
            table: held.filter(pl.col(USER_COLUMN[table]).is_in(chosen.implode())).lazy()
            for table, held in self._tables.items()
        }
        no_connectors = pl.LazyFrame(schema=lake_schema(STREAM_BY_TABLE["connectors"]))
        acts = activity_events(**mine, connectors=no_connectors)
        return user_recent_activity(acts, at=[at]).collect()


def _begins_or_ends(frame: pl.DataFrame) -> pl.Expr:
    """Keep a row's first and last change: what is between them (counters, edits) is no act."""
    ends = pl.col("_op") == "d"
    if "is_active" in frame.columns:
        ends = ends | ~pl.col("is_active")
    return pl.col("_op").is_in(["c", "r"]) | ends
