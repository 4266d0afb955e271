"""Looks at what the ingest services have written, cheaply enough to be done every few minutes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
from dagster import AssetKey

from neighborconnect.contracts.topics import STREAMS
from neighborconnect.settings import Settings
from pipelines.assets.names import LAKE, RAW, landed
from pipelines.ingest.lake import event_table


@dataclass(frozen=True, slots=True)
class LandedTable:
    """A table of the lake or of ``raw``; ``version`` differs when its content does."""

    key: AssetKey
    version: str
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The key as text."""
        return self.key.to_user_string()


def landed_tables(settings: Settings) -> list[LandedTable]:
    """Return every table that exists, with its rows and bytes from the store's own statistics."""
    return [*_lake_tables(settings), *_raw_tables(settings)]


def _lake_tables(settings: Settings) -> Iterator[LandedTable]:
    for stream in STREAMS:
        table = event_table(settings, stream.table)
        if table is None:
            continue
        actions = table.get_add_actions(flatten=True)
        files = actions.num_rows
        yield LandedTable(
            landed(LAKE, stream.table),
            version=str(table.version()),
            metadata={
                "dagster/row_count": sum(actions["num_records"].to_pylist()),
                "files": files,
                "bytes": sum(actions["size_bytes"].to_pylist()),
                "delta_version": table.version(),
            },
        )


def _raw_tables(settings: Settings) -> Iterator[LandedTable]:
    with psycopg.connect(settings.warehouse_url) as connection:
        rows = connection.execute(
            "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del, n_live_tup, pg_total_relation_size(relid) "
            "FROM pg_stat_user_tables WHERE schemaname = 'raw'"
        ).fetchall()
    known = {stream.table for stream in STREAMS}
    for name, writes, live, size in rows:
        if name in known and writes:
            yield LandedTable(
                landed(RAW, name), version=str(writes), metadata={"dagster/row_count": live, "bytes": size}
            )
