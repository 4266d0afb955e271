"""Versions of the tables that the ingest services write, from the stores' own statistics: no table is scanned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
from dagster import AssetKey

from neighborconnect.contracts.topics import STREAMS
from neighborconnect.settings import Settings
from pipelines.asset_keys import LAKE, RAW, table_key
from pipelines.ingest.lake import event_table


@dataclass(frozen=True, slots=True)
class TableVersion:
    """A table of the lake or of ``raw``; ``version`` differs when the table's content does."""

    key: AssetKey
    version: str
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The asset key as text: ``<store>/<table>``."""
        return self.key.to_user_string()


def read_table_versions(settings: Settings) -> list[TableVersion]:
    """Return the version, row count and size in bytes of each table that holds events."""
    return [*_lake_tables(settings), *_raw_tables(settings)]


def _lake_tables(settings: Settings) -> Iterator[TableVersion]:
    for stream in STREAMS:
        table = event_table(settings, stream.table)
        if table is None:
            continue
        actions = table.get_add_actions(flatten=True)
        yield TableVersion(
            table_key(LAKE, stream.table),
            version=str(table.version()),
            metadata={
                "dagster/row_count": sum(actions["num_records"].to_pylist()),
                "files": actions.num_rows,
                "bytes": sum(actions["size_bytes"].to_pylist()),
                "delta_version": table.version(),
            },
        )


def _raw_tables(settings: Settings) -> Iterator[TableVersion]:
    with psycopg.connect(settings.warehouse_url) as connection:
        rows = connection.execute(
            "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del, n_live_tup, pg_total_relation_size(relid) "
            "FROM pg_stat_user_tables WHERE schemaname = 'raw'"
        ).fetchall()
    names = {stream.table for stream in STREAMS}
    for name, writes, live_rows, size in rows:
        if name in names and writes:
            yield TableVersion(
                table_key(RAW, name), version=str(writes), metadata={"dagster/row_count": live_rows, "bytes": size}
            )
