"""Event tables of the lake as Arrow datasets, which DuckDB reads with projection and filter pushdown."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds

from neighborconnect.contracts.personal_columns import personal_columns
from neighborconnect.contracts.topics import STREAMS, Stream
from neighborconnect.settings import Settings
from pipelines.ingest.lake import event_table
from pipelines.ingest.schema import lake_schema

_OPEN_THREADS = 8


@dataclass(frozen=True, slots=True)
class LakeTable:
    """An event table at its version of now.

    Attributes:
        name: name of the table.
        dataset: its rows, without the personal columns that are masked.
        columns: name of every column, and whether it is masked.
    """

    name: str
    dataset: ds.Dataset
    columns: dict[str, bool]


def open_tables(settings: Settings, *, personal: bool) -> list[LakeTable]:
    """Open the event tables, which are empty before their first event; ``personal`` includes the personal columns."""
    with ThreadPoolExecutor(_OPEN_THREADS) as pool:
        return list(pool.map(lambda stream: _open(settings, stream, personal=personal), STREAMS))


def _open(settings: Settings, stream: Stream, *, personal: bool) -> LakeTable:
    table = event_table(settings, stream.table)
    empty = pl.DataFrame(schema=lake_schema(stream)).to_arrow()
    dataset = ds.dataset(empty) if table is None else table.to_pyarrow_dataset()
    hidden = frozenset() if personal else personal_columns(stream)
    # A column that has left the contract is not classified, so nobody reads it; a new one is missing until it is
    # written.
    present = [name for name in lake_schema(stream) if name in dataset.schema.names]
    readable = pa.schema([dataset.schema.field(name) for name in present if name not in hidden])
    return LakeTable(stream.table, dataset.replace_schema(readable), {name: name in hidden for name in present})
