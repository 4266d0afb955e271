"""Point-in-time join of labels with the histories of feature views, in DuckDB over Parquet files.

For each label and view, the newest row of the entity that is not after the label is located first, by its keys and time
alone; its features are fetched afterwards. So only the slim rows are sorted, and memory stays within the limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from feature_repo.schemas import EVENT_TIMESTAMP, ViewSchema
from pipelines.training_sets.labels import FULL_NAME_SEPARATOR

_ROW: Final = "_row"
_MEMORY_LIMIT: Final = "1500MB"
_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class History:
    """The exported history of one view; ``ttl`` is the age from which a row no longer counts, None for never."""

    schema: ViewSchema
    path: Path
    ttl: timedelta | None


def full_name(view: str, feature: str) -> str:
    """Return the name of a feature in a training set."""
    return f"{view}{FULL_NAME_SEPARATOR}{feature}"


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """Open DuckDB in memory, with its temporary files in ``folder``; it loads no extension and downloads nothing."""
    options: dict[str, Any] = {
        "memory_limit": _MEMORY_LIMIT,
        "threads": _THREADS,
        "temp_directory": str(folder / "spill"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    connection = duckdb.connect(config=options)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def join_features(
    connection: duckdb.DuckDBPyConnection, labels: pl.DataFrame, *, histories: Sequence[History], path: Path
) -> None:
    """Write ``labels`` with the features of ``histories`` to a Parquet file, in the order of ``labels``.

    A feature is null if its entity had no row in ``[event_timestamp - ttl, event_timestamp]``.
    """
    connection.register("labels", labels.with_row_index(_ROW).to_arrow())
    connection.execute("CREATE OR REPLACE TEMPORARY TABLE matched AS SELECT * FROM labels")
    joins, columns = [], [f'matched."{name}"' for name in labels.columns]
    for number, history in enumerate(histories):
        _match(connection, history, number=number)
        alias = f"features_{number}"
        on = " AND ".join(f'{alias}."{key}" = matched."{key}"' for key in history.schema.keys)
        joins.append(
            f"LEFT JOIN read_parquet('{_quoted(history.path)}') AS {alias} "
            f"ON {on} AND {alias}.{EVENT_TIMESTAMP} = matched._at_{number}"
        )
        names: Mapping[str, str] = {
            feature: full_name(history.schema.name, feature) for feature in history.schema.features
        }
        columns += [f'{alias}."{feature}" AS "{name}"' for feature, name in names.items()]
    part = path.with_suffix(".part")
    connection.execute(
        f"COPY (SELECT {', '.join(columns)} FROM matched {' '.join(joins)} ORDER BY matched.{_ROW}) "  # noqa: S608
        f"TO '{_quoted(part)}' (FORMAT parquet, COMPRESSION zstd)"
    )
    part.replace(path)


def _match(connection: duckdb.DuckDBPyConnection, history: History, *, number: int) -> None:
    """Add the column ``_at_<number>`` to ``matched``: the time of the row that each label is joined with."""
    keys = history.schema.keys
    slim = ", ".join(f'"{key}"' for key in keys)
    on = " AND ".join(f'rows."{key}" = matched."{key}"' for key in keys)
    found = f"rows.{EVENT_TIMESTAMP}"
    if history.ttl is not None:
        seconds = history.ttl.total_seconds()
        found = f"CASE WHEN {found} >= matched.{EVENT_TIMESTAMP} - INTERVAL '{seconds} seconds' THEN {found} END"
    connection.execute(
        f"CREATE OR REPLACE TEMPORARY TABLE matched AS SELECT matched.*, {found} AS _at_{number} "  # noqa: S608
        f"FROM matched ASOF LEFT JOIN (SELECT {slim}, {EVENT_TIMESTAMP} FROM read_parquet('{_quoted(history.path)}')) "
        f"AS rows ON {on} AND matched.{EVENT_TIMESTAMP} >= rows.{EVENT_TIMESTAMP}"
    )


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
