"""The events of the last hour in memory, as lake tables, so that the batch transforms run on them unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from feature_repo.schemas import RECENT_WINDOW, USER_ID
from neighborconnect.contracts.topics import STREAM_BY_TABLE
from pipelines.ingest.schema import EVENT_TIME, lake_schema
from pipelines.transforms.act_tables import ACT_TABLE_BY_NAME, ACT_USER_COLUMN
from pipelines.transforms.activity import activity_events
from pipelines.transforms.user_features import user_recent_activity

USER_COLUMN: Final = {**ACT_USER_COLUMN, "posts": "author_id"}
"""Column of the acting user, by table with acts."""
# An act is retained a little longer than it counts, so that its user's counts are pushed as zero.
_RETENTION: Final = RECENT_WINDOW + timedelta(minutes=5)
# Bounds memory at about 1 GB; beyond it the oldest events of a table are dropped early.
_MAX_ROWS: Final = 1_000_000
_BEGINNING_OF_TIME: Final = datetime.min.replace(tzinfo=UTC)


class LastHour:
    """Events of the last hour of every table in ``USER_COLUMN``, each once.

    The connectors of posts are not loaded: ``connector_id`` and ``category`` are null, and no feature of the last hour
    reads them.
    """

    def __init__(self) -> None:
        """Initialize without events."""
        self._tables = {table: pl.DataFrame(schema=lake_schema(STREAM_BY_TABLE[table])) for table in USER_COLUMN}

    @property
    def rows(self) -> int:
        """Number of events in memory."""
        return sum(table.height for table in self._tables.values())

    @property
    def users(self) -> set[str]:
        """Ids of the users with events in memory."""
        return {user for table, stored in self._tables.items() for user in stored[USER_COLUMN[table]]}

    def add(self, events: Mapping[str, pl.DataFrame], *, now: datetime) -> set[str]:
        """Add decoded events by table; return the users whose features they may change.

        Repeated events, events before the window and updates of counters are skipped.
        """
        touched: set[str] = set()
        for table, frame in events.items():
            stored = self._tables[table]
            new = frame.filter(pl.col(EVENT_TIME[table]) > now - RECENT_WINDOW, _starts_or_ends(table, frame)).unique(
                "_event_id"
            )
            # Event ids rise, so few stored events can repeat the new ones; a join with all of them takes longer than a
            # poll once an hour of events is stored.
            known = stored.select("_event_id").filter(pl.col("_event_id") >= pl.lit(new["_event_id"].min()))
            new = new.join(known, on="_event_id", how="anti")
            if new.height:
                self._tables[table] = pl.concat([stored, new]).tail(_MAX_ROWS)
                touched.update(new[USER_COLUMN[table]])
        return touched

    def remove(self, users: set[str]) -> None:
        """Remove every event of erased users."""
        ids = pl.Series(USER_ID, sorted(users), dtype=pl.String).implode()
        for table, stored in self._tables.items():
            self._tables[table] = stored.filter(~pl.col(USER_COLUMN[table]).is_in(ids))

    def newest(self, *, limit: datetime) -> datetime:
        """Return the newest event or capture time up to ``limit``; the year 1 if there is none."""
        times = (
            pl.concat([stored[EVENT_TIME[table]], stored["_committed_at"]]) for table, stored in self._tables.items()
        )
        newest = (time.filter(time <= limit).max() for time in times)
        return max((value for value in newest if isinstance(value, datetime)), default=_BEGINNING_OF_TIME)

    def expired(self, *, since: datetime, now: datetime) -> set[str]:
        """Return the users with an act that left the window in ``(since, now]``; remove acts after their retention."""
        touched: set[str] = set()
        for table, stored in self._tables.items():
            time = pl.col(EVENT_TIME[table])
            left = stored.filter(time > since - RECENT_WINDOW, time <= now - RECENT_WINDOW)
            touched.update(left[USER_COLUMN[table]])
            self._tables[table] = stored.filter(time > now - _RETENTION)
        return touched

    def features(self, users: set[str], *, at: datetime) -> pl.DataFrame:
        """Compute view ``user_recent_activity`` of ``users`` as of ``at`` with the transform of the batch."""
        ids = pl.Series(USER_ID, sorted(users), dtype=pl.String)
        events = {
            table: stored.filter(pl.col(USER_COLUMN[table]).is_in(ids.implode())).lazy()
            for table, stored in self._tables.items()
        }
        no_connectors = pl.LazyFrame(schema=lake_schema(STREAM_BY_TABLE["connectors"]))
        # Collected once: the transform reads the acts in several places, and one plan of all of it takes far longer.
        acts = activity_events(**events, connectors=no_connectors).collect()
        return user_recent_activity(acts.lazy(), at=[at]).collect()


def _starts_or_ends(table: str, frame: pl.DataFrame) -> pl.Expr:
    """Match the first and the last change of a row, and of a row with a status every change.

    Other changes between them (counters, edits) are no acts.
    """
    act = ACT_TABLE_BY_NAME.get(table)
    if act is not None and act.statuses:
        return pl.lit(value=True)
    ends = pl.col("_op") == "d"
    if "is_active" in frame.columns:
        ends = ends | ~pl.col("is_active")
    return pl.col("_op").is_in(["c", "r"]) | ends
