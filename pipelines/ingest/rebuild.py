"""Rebuild of one sink from Kafka while its worker runs, and from PostgreSQL and the lake where Kafka has expired.

The command empties the sink and sets its offsets back, table by table in one transaction each; the worker notices
(``pipelines.ingest.sinks.StoredOffsets``) and reads Kafka again. What Kafka no longer holds is never deleted where
nothing else has it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl
import psycopg
from deltalake import CommitProperties, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError
from psycopg import sql

from neighborconnect.contracts.privacy import Store
from neighborconnect.contracts.tables import CAPTURED_TABLES
from neighborconnect.contracts.topics import STREAMS, Stream
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from pipelines import erasure
from pipelines.ingest import rebuild_log
from pipelines.ingest.lake import event_table, scan_events
from pipelines.ingest.lake_sink import ATTEMPTS, LakeSink, open_or_create
from pipelines.ingest.progress import (
    POLL_SECONDS,
    NotCaughtUpError,
    outbox_events,
    partition_offsets,
    stored_offsets,
)
from pipelines.ingest.schema import lake_schema
from pipelines.ingest.sinks import Place
from pipelines.ingest.warehouse_sink import WarehouseSink
from pipelines.ingest.warehouse_tables import create_tables, reset_tables
from pipelines.privacy_api import all_erasures

PATIENCE_SECONDS: Final = 120.0
"""Without any progress for so long, a rebuild gives up; the sink's worker does not run, or cannot."""
# What a rebuild, or a job that read the half-filled store meanwhile, may have brought back.
_REFILLED: Final = frozenset({Store.LAKE, Store.WAREHOUSE, Store.FEATURES, Store.ONLINE_FEATURES})
_CHUNK_ROWS: Final = 50_000

log = get_logger(__name__)


class HistoryLostError(RuntimeError):
    """Kafka no longer holds the whole history of some streams."""

    def __init__(self, sink: str, incomplete: Sequence[Stream]) -> None:
        self.incomplete = tuple(incomplete)
        names = ", ".join(stream.table for stream in incomplete)
        super().__init__(
            f"Kafka no longer holds the whole history of {names}, so a {sink} that is read from it alone would be a "
            "half copy. Nothing was changed. Run it again with --snapshot: the tables of the product are then "
            "published again from PostgreSQL, and rows that exist nowhere else stay where they are."
        )


@dataclass(frozen=True, slots=True)
class RebuildProgress:
    """Events that the sink has yet to store, and the most there were."""

    step: str
    remaining: int
    total: int


Report = Callable[[RebuildProgress], None]


def rebuild(
    settings: Settings,
    sink: str,
    *,
    snapshot: bool = False,
    streams: Sequence[Stream] = STREAMS,
    patience: float = PATIENCE_SECONDS,
    report: Report = lambda _progress: None,
) -> None:
    """Empty ``lake`` or ``warehouse``, wait until its worker has filled it, and erase again whom it brought back.

    A rebuild that is killed leaves a sink whose worker goes on filling it; run again, it starts over. Until one has
    finished, the hourly erasure repeats every erasure there ever was.

    Raises:
        HistoryLostError: when Kafka does not hold everything, unless ``snapshot``.
        RebuildRunningError: when another rebuild is under way.
        NotCaughtUpError: when the sink's worker stores nothing.
        httpx.HTTPError: when the API does not say who was erased.
    """
    with rebuild_log.exclusive_rebuild(settings) as connection:
        create_tables(connection)
        # An API that cannot say who was erased would leave the rebuild unfinished: ask before anything is emptied.
        all_erasures(settings)
        incomplete = find_incomplete(settings, sink, streams=streams)
        if incomplete and not snapshot:
            raise HistoryLostError(sink, incomplete)
        rebuild_log.begin(connection, sink=sink)
        report(RebuildProgress("empty", 0, 0))
        reset(settings, sink, streams=streams, incomplete=incomplete)
        log.info("rebuild.emptied", sink=sink, incomplete=[stream.table for stream in incomplete])
        published = 0
        if snapshot:
            report(RebuildProgress("snapshot", 0, 0))
            published = publish_snapshot(settings, streams)
            if sink == WarehouseSink.name:
                for stream in incomplete:
                    copy_from_lake(settings, stream)
        wait_until_filled(settings, sink, published=published, streams=streams, patience=patience, report=report)
        report(RebuildProgress("erase", 0, 0))
        erasure.forget(settings, erasure.wanted(settings), stores=_REFILLED)
        rebuild_log.finish(connection, sink=sink)
        log.info("rebuild.finished", sink=sink)


def find_incomplete(settings: Settings, sink: str, *, streams: Sequence[Stream] = STREAMS) -> list[Stream]:
    """Return the streams of which Kafka does not hold every event that the sink may have stored.

    That is when Kafka dropped its oldest records, when a topic ends before a stored offset (it was created again), and
    when the sink has more rows than the topic has records.
    """
    beginnings, ends = partition_offsets(settings, streams=streams)
    stored = stored_offsets(settings, sink, ends, streams=streams)
    incomplete = []
    for stream in streams:
        places = [place for place in ends if place.topic == stream.topic]
        held = sum(ends[place] - beginnings[place] for place in places)
        dropped = any(beginnings[place] > 0 for place in places)
        recreated = any(stored.get(place, 0) > ends[place] for place in places)
        if dropped or recreated or _rows(settings, sink, stream) > held:
            incomplete.append(stream)
    return incomplete


def reset(settings: Settings, sink: str, *, streams: Sequence[Stream], incomplete: Sequence[Stream] = ()) -> None:
    """Empty the tables of a sink and set its offsets back to the beginning of Kafka.

    Rows of an ``incomplete`` stream stay, and repeats of them are recognized by their ids; the mirror of a captured
    table in the warehouse is emptied all the same, because PostgreSQL has all of it.
    """
    beginnings, _ = partition_offsets(settings, streams=streams)
    if sink == LakeSink.name:
        for stream in streams:
            places = {place: offset for place, offset in beginnings.items() if place.topic == stream.topic}
            _reset_lake_table(settings, stream, places, keep_rows=stream in incomplete)
        return
    kept = [stream for stream in incomplete if not stream.is_change_stream]
    emptied = [stream for stream in streams if stream not in kept]
    with psycopg.connect(settings.warehouse_url, autocommit=True) as connection:
        create_tables(connection)
        reset_tables(connection, sink=sink, emptied=emptied, kept=kept)


def _reset_lake_table(settings: Settings, stream: Stream, places: dict[Place, int], *, keep_rows: bool) -> None:
    offsets = [Transaction(f"{place.topic}:{place.partition}", offset) for place, offset in places.items()]
    for attempt in range(1, ATTEMPTS + 1):
        try:
            write_deltalake(
                open_or_create(settings, stream),
                pl.DataFrame(schema=lake_schema(stream)).to_arrow(),
                mode="append" if keep_rows else "overwrite",
                commit_properties=CommitProperties(app_transactions=offsets),
            )
        except CommitFailedError:  # The worker stored a batch in between.
            if attempt == ATTEMPTS:
                raise
        else:
            return


def publish_snapshot(settings: Settings, streams: Sequence[Stream]) -> int:
    """Publish the present rows of every captured table again; return the id of the newest event, 0 where there is none.

    Change capture belongs to the API, so it runs as a process of its own.

    Raises:
        subprocess.CalledProcessError: when it fails.
    """
    tables = {stream.table for stream in streams if stream.is_change_stream}
    named = [argument for table in CAPTURED_TABLES if table.name in tables for argument in ("--table", table.name)]
    if not named:
        return 0
    subprocess.run([sys.executable, "-m", "transactional_api.cdc", "snapshot", *named], check=True)
    return outbox_events(settings).last


def copy_from_lake(settings: Settings, stream: Stream) -> int:
    """Insert the lake's events of a stream into the warehouse, those that it lacks; return how many were read.

    Changes of rows are left out: a snapshot has the present state.
    """
    if stream.is_change_stream:
        return 0
    events = scan_events(settings, stream.table)
    days = events.select("_date").unique().sort("_date").collect(engine="streaming")["_date"].to_list()
    sink, copied = WarehouseSink(settings), 0
    sink.open()
    try:
        for day in days:
            rows = events.filter(pl.col("_date") == day).collect(engine="streaming")
            for chunk in rows.iter_slices(_CHUNK_ROWS):
                sink.insert(stream, chunk)
            copied += rows.height
    finally:
        sink.close()
    return copied


def wait_until_filled(
    settings: Settings,
    sink: str,
    *,
    published: int,
    streams: Sequence[Stream],
    patience: float,
    report: Report = lambda _progress: None,
) -> None:
    """Return once the sink holds what Kafka had at the call, and the outbox up to the event ``published``.

    Raises:
        NotCaughtUpError: when for ``patience`` seconds nothing moved.
    """
    total, fewest, moved_at = 0, sys.maxsize, time.monotonic()
    targets: dict[Place, int] = {}
    while True:
        waiting = outbox_events(settings, until=published).number if published and not targets else 0
        beginnings, ends = partition_offsets(settings, streams=streams)
        if not waiting and not targets:
            targets = ends
        stored = stored_offsets(settings, sink, ends, streams=streams)
        goals = targets or ends
        behind = sum(max(goals[place] - max(stored.get(place, 0), beginnings[place]), 0) for place in goals)
        remaining = waiting + behind
        total = max(total, remaining)
        report(RebuildProgress("fill", remaining, total))
        if targets and not behind:
            return
        if remaining < fewest:
            fewest, moved_at = remaining, time.monotonic()
        elif time.monotonic() - moved_at > patience:
            raise NotCaughtUpError(
                f"For {patience:.0f} seconds the {sink} stored nothing of the {remaining} events that it lacks. "
                f"See `neighborconnect status` and the logs of ingest-{sink} and of the relay. It goes on by itself "
                "once it can; the rebuild is finished by running this command again."
            )
        time.sleep(POLL_SECONDS)


def _rows(settings: Settings, sink: str, stream: Stream) -> int:
    if sink == LakeSink.name:
        table = event_table(settings, stream.table)
        if table is None:
            return 0
        actions = pl.DataFrame(table.get_add_actions(flatten=True))
        return 0 if actions.is_empty() else int(actions["num_records"].sum())
    with psycopg.connect(settings.warehouse_url) as connection:
        statement = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("raw", stream.table))
        row = connection.execute(statement).fetchone()
    return int(row[0]) if row else 0
