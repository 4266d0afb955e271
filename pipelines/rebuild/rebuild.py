"""Rebuild of one sink from Kafka while its worker runs; expired events come from PostgreSQL and from the lake.

The rebuild empties the sink and resets its offsets, table by table, each in one transaction. The worker detects it
(``pipelines.ingest.sinks.OffsetFence``) and reads Kafka again. Rows that neither Kafka nor another store has are never
deleted.
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
from neighborconnect.contracts.tables import CAPTURED
from neighborconnect.contracts.topics import STREAMS, Stream
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from pipelines.ingest import rebuild_log
from pipelines.ingest.lake import event_table, scan_events
from pipelines.ingest.lake_sink import MAX_ATTEMPTS, LakeSink, open_or_create
from pipelines.ingest.progress import (
    POLL_SECONDS,
    NotCaughtUpError,
    outbox_events,
    partition_offsets,
    stored_offsets,
)
from pipelines.ingest.schema import lake_schema
from pipelines.ingest.sinks import TopicPartition
from pipelines.ingest.warehouse_sink import WarehouseSink
from pipelines.ingest.warehouse_tables import create_tables, reset_tables
from pipelines.privacy import erasure
from pipelines.privacy_api import read_erasures

TIMEOUT_SECONDS: Final = 120.0
"""A rebuild fails after this long without progress: the sink's worker is not running or is failing."""
# Stores into which the rebuild, or a job that ran during it, may have written erased data again.
_REFILLED_STORES: Final = frozenset({Store.LAKE, Store.WAREHOUSE, Store.FEATURES, Store.ONLINE_FEATURES})
_CHUNK_ROWS: Final = 50_000

log = get_logger(__name__)


class HistoryLostError(RuntimeError):
    """Kafka no longer has the complete history of some streams."""

    def __init__(self, sink: str, incomplete: Sequence[Stream]) -> None:
        self.incomplete = tuple(incomplete)
        names = ", ".join(stream.table for stream in incomplete)
        super().__init__(
            f"Kafka no longer has the complete history of {names}, so a {sink} rebuilt from Kafka alone would be "
            "incomplete. Nothing was changed. Run the command again with --snapshot: it publishes the captured tables "
            "again from PostgreSQL and retains rows that exist nowhere else."
        )


class SnapshotRefusedError(RuntimeError):
    """PostgreSQL lacks a captured table or column, so a snapshot would fail."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"A snapshot is not possible. Nothing was changed. {reason}")


@dataclass(frozen=True, slots=True)
class RebuildProgress:
    """Step of the rebuild, number of events that the sink has not stored yet, and the highest such number so far."""

    step: str
    remaining: int
    total: int


OnProgress = Callable[[RebuildProgress], None]


def rebuild(
    settings: Settings,
    sink: str,
    *,
    snapshot: bool = False,
    streams: Sequence[Stream] = STREAMS,
    timeout: float = TIMEOUT_SECONDS,
    on_progress: OnProgress = lambda _progress: None,
) -> None:
    """Empty ``lake`` or ``warehouse``, wait until its worker has filled it, and repeat the erasures.

    After a kill, the worker goes on filling the sink; a new call starts over. Until a rebuild has finished, the hourly
    erasure repeats every erasure.

    Args:
        settings: addresses of the stores.
        sink: ``lake`` or ``warehouse``.
        snapshot: publish the captured tables again from PostgreSQL.
        streams: the streams to rebuild.
        timeout: maximum number of seconds without progress.
        on_progress: called with each step and while the sink is filled.

    Raises:
        HistoryLostError: if Kafka does not have the complete history and ``snapshot`` is false.
        SnapshotRefusedError: if a snapshot of the database is not possible. Nothing was changed.
        RebuildRunningError: if another rebuild is in progress.
        NotCaughtUpError: if the sink's worker stores nothing for ``timeout`` seconds.
        httpx.HTTPError: if the API is unreachable or responds with an error.
    """
    with rebuild_log.exclusive_rebuild(settings) as connection:
        create_tables(connection)
        # Without the list of erasures the rebuild could not finish, so request it before anything is emptied.
        read_erasures(settings)
        incomplete = find_incomplete(settings, sink, streams=streams)
        if incomplete and not snapshot:
            raise HistoryLostError(sink, incomplete)
        if snapshot:
            check_snapshot(streams)
        rebuild_log.begin(connection, sink=sink)
        on_progress(RebuildProgress("empty", 0, 0))
        reset(settings, sink, streams=streams, incomplete=incomplete)
        log.info("rebuild.emptied", sink=sink, incomplete=[stream.table for stream in incomplete])
        last_event_id = 0
        if snapshot:
            on_progress(RebuildProgress("snapshot", 0, 0))
            last_event_id = publish_snapshot(settings, streams)
            if sink == WarehouseSink.name:
                for stream in incomplete:
                    copy_from_lake(settings, stream)
        wait_until_filled(
            settings, sink, last_event_id=last_event_id, streams=streams, timeout=timeout, on_progress=on_progress
        )
        on_progress(RebuildProgress("erase", 0, 0))
        erasure.erase(settings, erasure.read_due_erasures(settings), stores=_REFILLED_STORES)
        rebuild_log.finish(connection, sink=sink)
        log.info("rebuild.finished", sink=sink)


def find_incomplete(settings: Settings, sink: str, *, streams: Sequence[Stream] = STREAMS) -> list[Stream]:
    """Return the streams whose topic does not have every event that the sink may have stored.

    A topic is incomplete if its oldest records expired, if it ends before a stored offset (it was created again), or if
    the sink has more rows than the topic has records.
    """
    beginnings, ends = partition_offsets(settings, streams=streams)
    stored = stored_offsets(settings, sink, ends, streams=streams)
    incomplete = []
    for stream in streams:
        partitions = [partition for partition in ends if partition.topic == stream.topic]
        records = sum(ends[partition] - beginnings[partition] for partition in partitions)
        expired = any(beginnings[partition] > 0 for partition in partitions)
        recreated = any(stored.get(partition, 0) > ends[partition] for partition in partitions)
        if expired or recreated or _count_rows(settings, sink, stream) > records:
            incomplete.append(stream)
    return incomplete


def reset(settings: Settings, sink: str, *, streams: Sequence[Stream], incomplete: Sequence[Stream] = ()) -> None:
    """Empty the tables of a sink and reset its offsets to the beginning of Kafka.

    Rows of an ``incomplete`` stream are retained, and their repeats are skipped by event id. The mirror of a captured
    table in the warehouse is emptied in any case, because PostgreSQL has all of its rows.
    """
    beginnings, _ = partition_offsets(settings, streams=streams)
    if sink == LakeSink.name:
        for stream in streams:
            offsets = {partition: offset for partition, offset in beginnings.items() if partition.topic == stream.topic}
            _reset_lake_table(settings, stream, offsets, retain_rows=stream in incomplete)
        return
    retained = [stream for stream in incomplete if not stream.is_change_stream]
    emptied = [stream for stream in streams if stream not in retained]
    with psycopg.connect(settings.warehouse_url, autocommit=True) as connection:
        create_tables(connection)
        reset_tables(connection, sink=sink, emptied=emptied, retained=retained)


def _reset_lake_table(
    settings: Settings, stream: Stream, offsets: dict[TopicPartition, int], *, retain_rows: bool
) -> None:
    transactions = [
        Transaction(f"{partition.topic}:{partition.partition}", offset) for partition, offset in offsets.items()
    ]
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            write_deltalake(
                open_or_create(settings, stream),
                pl.DataFrame(schema=lake_schema(stream)).to_arrow(),
                mode="append" if retain_rows else "overwrite",
                schema_mode="merge",
                commit_properties=CommitProperties(app_transactions=transactions),
            )
        except CommitFailedError:  # The worker committed a batch concurrently.
            if attempt == MAX_ATTEMPTS:
                raise
        else:
            return


def check_snapshot(streams: Sequence[Stream]) -> None:
    """Check that PostgreSQL has every captured table and column.

    Raises:
        SnapshotRefusedError: if it has not, or does not respond.
    """
    if arguments := _snapshot_arguments(streams):
        checked = subprocess.run([*arguments, "--check"], check=False, capture_output=True, text=True)
        if checked.returncode:
            lines = checked.stderr.strip().splitlines()
            raise SnapshotRefusedError(lines[-1] if lines else f"exit code {checked.returncode}")


def publish_snapshot(settings: Settings, streams: Sequence[Stream]) -> int:
    """Publish the current rows of every captured table again; return the id of the newest event (0 if there is none).

    Change capture belongs to the API, so the snapshot runs in a process of its own.

    Raises:
        subprocess.CalledProcessError: if the snapshot fails.
    """
    arguments = _snapshot_arguments(streams)
    if not arguments:
        return 0
    subprocess.run(arguments, check=True)
    return outbox_events(settings).last_id


def _snapshot_arguments(streams: Sequence[Stream]) -> list[str]:
    """Return the command of the snapshot of the captured tables among the streams; empty if there are none."""
    tables = {stream.table for stream in streams if stream.is_change_stream}
    arguments = [argument for table in CAPTURED if table.name in tables for argument in ("--table", table.name)]
    return [sys.executable, "-m", "transactional_api.cdc", "snapshot", *arguments] if arguments else []


def copy_from_lake(settings: Settings, stream: Stream) -> int:
    """Insert the lake's events of a stream that the warehouse lacks; return the number of events that were read.

    Row changes are skipped, because a snapshot contains the current state.
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
    last_event_id: int,
    streams: Sequence[Stream],
    timeout: float,
    on_progress: OnProgress = lambda _progress: None,
) -> None:
    """Return when the sink has stored Kafka's records of the time of the call and the outbox up to ``last_event_id``.

    Raises:
        NotCaughtUpError: if the sink makes no progress for ``timeout`` seconds.
    """
    highest, lowest, progressed_at = 0, sys.maxsize, time.monotonic()
    targets: dict[TopicPartition, int] = {}
    while True:
        unpublished = outbox_events(settings, until=last_event_id).total if last_event_id and not targets else 0
        beginnings, ends = partition_offsets(settings, streams=streams)
        if not unpublished and not targets:
            targets = ends
        stored = stored_offsets(settings, sink, ends, streams=streams)
        goals = targets or ends
        backlog = sum(
            max(offset - max(stored.get(partition, 0), beginnings[partition]), 0) for partition, offset in goals.items()
        )
        remaining = unpublished + backlog
        highest = max(highest, remaining)
        on_progress(RebuildProgress("fill", remaining, highest))
        if targets and not backlog:
            return
        if remaining < lowest:
            lowest, progressed_at = remaining, time.monotonic()
        elif time.monotonic() - progressed_at > timeout:
            raise NotCaughtUpError(
                f"The {sink} stored none of the {remaining} missing events for {timeout:.0f} seconds. See "
                f"`neighborconnect status` and the logs of ingest-{sink} and of the relay. The worker continues by "
                "itself when it can; run this command again to finish the rebuild."
            )
        time.sleep(POLL_SECONDS)


def _count_rows(settings: Settings, sink: str, stream: Stream) -> int:
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
