"""Output of a result as a table, CSV, JSON or Parquet."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv
from rich.console import Console
from rich.table import Table

from pipelines.query.errors import QueryError

_LONGEST_CELL: Final = 60


class OutputFormat(StrEnum):
    """Formats of a result."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def write(rows: pa.RecordBatchReader, *, to: Path | None, output_format: OutputFormat, limit: int) -> int:
    """Write a result to a file, or to standard output if ``to`` is None; return the number of rows.

    A file appears when it is complete. ``limit`` is the number of rows that a table shows.

    Raises:
        QueryError: if the format needs a file, or the file cannot be written.
    """
    if output_format is OutputFormat.TABLE:
        if to is not None:
            raise QueryError("--out needs a format: add --format csv, json or parquet.")
        return _write_table(rows, limit=limit)
    if output_format is OutputFormat.PARQUET and to is None:
        raise QueryError("Parquet is binary: name a file with --out FILE.")
    try:
        with _opened(to) as file:
            writers = {OutputFormat.CSV: _write_csv, OutputFormat.JSON: _write_json}
            return writers.get(output_format, _write_parquet)(rows, file)
    except OSError as error:
        raise QueryError(f"{to} cannot be written: {error.strerror or error}.") from None


@contextmanager
def _opened(to: Path | None) -> Iterator[IO[bytes]]:
    if to is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    part = to.with_name(f".{to.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)


def _write_parquet(rows: pa.RecordBatchReader, file: IO[bytes]) -> int:
    count = 0
    with pq.ParquetWriter(file, rows.schema) as writer:
        for batch in rows:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def _write_csv(rows: pa.RecordBatchReader, file: IO[bytes]) -> int:
    count = 0
    flat = pa.schema([(name, pa.string() if pa.types.is_nested(kind) else kind) for name, kind in _fields(rows.schema)])
    with csv.CSVWriter(file, flat) as writer:
        for batch in rows:
            # CSV has no lists: they are JSON.
            columns = [
                pa.array([_json(value) for value in column.to_pylist()], pa.string())
                if pa.types.is_nested(column.type)
                else column
                for column in batch.columns
            ]
            writer.write_batch(pa.record_batch(columns, schema=flat))
            count += batch.num_rows
    return count


def _write_json(rows: pa.RecordBatchReader, file: IO[bytes]) -> int:
    """Write an array with one object per row, on a line of its own."""
    count = 0
    file.write(b"[")
    for batch in rows:
        for row in batch.to_pylist():
            file.write((",\n" if count else "\n").encode() + (_json(row) or "").encode())
            count += 1
    file.write(b"\n]\n")
    return count


def _write_table(rows: pa.RecordBatchReader, *, limit: int) -> int:
    table = Table(*rows.schema.names, header_style="bold")
    count = 0
    for batch in rows:
        for row in batch.slice(0, max(0, limit - count)).to_pylist():
            table.add_row(*(_cell(value) for value in row.values()))
        count += batch.num_rows
    console = Console()
    console.print(table)
    noun = "row" if count == 1 else "rows"
    console.print(f"{count:,} {noun}" + (f", of which {limit:,} are shown" if count > limit else ""))
    return count


def _fields(schema: pa.Schema) -> list[tuple[str, pa.DataType]]:
    return [(field.name, field.type) for field in schema]


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    text = str(value)
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"
