"""Own files in place of a public data set: tables with given column names, read as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

_MOMENT = pl.Datetime("us", "UTC")
_SEPARATORS = {".csv": ",", ".tsv": "\t"}


class FileError(ValueError):
    """The file cannot be used for training; the message gives the reason."""


def read_table(path: Path, *, needed: Sequence[str]) -> pl.DataFrame:
    """Read a CSV, TSV (both perhaps gzipped), Parquet or NDJSON file as text; raises ``FileError``."""
    kind = Path(path.name.removesuffix(".gz")).suffix
    try:
        if kind in _SEPARATORS:
            rows = pl.read_csv(path, separator=_SEPARATORS[kind], infer_schema=False)
        elif kind == ".parquet":
            rows = pl.read_parquet(path)
        elif kind in {".ndjson", ".jsonl"}:
            rows = pl.read_ndjson(path)
        else:
            raise FileError(f"{path.name} is none of .csv, .tsv, .parquet, .ndjson and .jsonl")
        rows = rows.with_columns(pl.all().cast(pl.String))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FileError(f"{path} cannot be read: {error}") from error
    if missing := [name for name in needed if name not in rows.columns]:
        raise FileError(f"{path.name} has no column {' or '.join(missing)}; it has {', '.join(rows.columns)}")
    rows = rows.drop_nulls(list(needed))
    if rows.is_empty():
        raise FileError(f"{path.name} has no row with {' and '.join(needed)}")
    return rows


def times(rows: pl.DataFrame, name: str) -> pl.Series:
    """Read a column of times, ISO 8601 (UTC where no zone is named) or seconds since 1970; raises ``FileError``."""
    written = rows[name]
    seconds = written.cast(pl.Float64, strict=False)
    if seconds.null_count() == 0:
        read = (seconds * 1_000_000).cast(pl.Int64, strict=False).cast(_MOMENT)
    else:
        read = pl.Series(name, [_moment(one) for one in written], dtype=_MOMENT)
    return _whole(read, written, what="a time")


def _moment(text: str | None) -> datetime | None:
    try:
        read = datetime.fromisoformat(text or "")
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def numbers(rows: pl.DataFrame, name: str) -> pl.Series:
    """Read a column of numbers; raises ``FileError``."""
    return _whole(rows[name].cast(pl.Float64, strict=False), rows[name], what="a number")


def _whole(read: pl.Series, written: pl.Series, *, what: str) -> pl.Series:
    if read.null_count():
        row = int(read.is_null().arg_max() or 0)
        raise FileError(f"{written.name} of row {row + 1} is not {what}: {written[row]!r}")
    return read
