"""Label files: Parquet or CSV with the entity keys, ``event_timestamp`` and any other columns."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import polars as pl

from feature_repo.schemas import EVENT_TIMESTAMP
from pipelines.ingest.schema import UTC_MICROSECONDS

FULL_NAME_SEPARATOR: Final = "__"
"""Between view and feature in the names of the result, as in Feast's full feature names."""
_PARQUET, _CSV = ".parquet", ".csv"
_UTC_OFFSET: Final = r"(Z|[+-]\d{2}(:?\d{2})?)$"


class LabelError(ValueError):
    """The label file cannot be used; the message is one sentence that names the file and the reason."""


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_labels(path: Path, *, keys: Sequence[str], history_begins: datetime | None) -> pl.DataFrame:
    """Read a label file and check it.

    Args:
        path: a ``.parquet`` or ``.csv`` file.
        keys: the entity keys that the file must have.
        history_begins: time of the oldest feature row, with a time zone; None if there is none.

    Returns:
        The rows in the order of the file; keys are strings, ``event_timestamp`` is UTC in microseconds.

    Raises:
        LabelError: if the file is missing, cannot be read or is empty; lacks a column or has one of another type; has a
            time without UTC offset, in the future or before ``history_begins``; or has missing values in these columns.
    """
    frame = _with_utc(_read(path), path=path, keys=keys)
    for column in (*keys, EVENT_TIMESTAMP):
        _reject(frame, pl.col(column).is_null(), path=path, reason=f"has no {column}")
    time = pl.col(EVENT_TIMESTAMP)
    now = datetime.now(UTC)
    _reject(frame, time > now, path=path, reason="has an event_timestamp in the future")
    if history_begins is None:
        raise LabelError("The features of this service have no history yet; run the job record_features first.")
    reason = f"is before the history of the features, which begins at {history_begins:%Y-%m-%d %H:%M:%S} UTC"
    _reject(frame, time < history_begins, path=path, reason=reason)
    return frame


def _read(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise LabelError(f"{path} does not exist or is not a file.")
    if path.suffix not in {_PARQUET, _CSV}:
        raise LabelError(f"{path} is neither a {_PARQUET} nor a {_CSV} file.")
    try:
        frame = pl.read_parquet(path) if path.suffix == _PARQUET else pl.read_csv(path)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        first_line = str(error).partition("\n")[0]
        raise LabelError(f"{path} is not a readable {path.suffix} file ({first_line}).") from error
    if frame.is_empty():
        raise LabelError(f"{path} has no rows.")
    return frame


def _with_utc(frame: pl.DataFrame, *, path: Path, keys: Sequence[str]) -> pl.DataFrame:
    missing = [column for column in (*keys, EVENT_TIMESTAMP) if column not in frame.columns]
    if missing:
        present = ", ".join(frame.columns)
        raise LabelError(f"{path} lacks the column {', '.join(missing)}; it has {present}.")
    for key in keys:
        if frame.schema[key] != pl.String:
            raise LabelError(f"{path}: column {key} has type {frame.schema[key]}, but keys are text.")
    reserved = [column for column in frame.columns if FULL_NAME_SEPARATOR in column]
    if reserved:
        raise LabelError(
            f"{path}: column {reserved[0]} contains {FULL_NAME_SEPARATOR!r}, reserved for names of features."
        )
    kind = frame.schema[EVENT_TIMESTAMP]
    time = pl.col(EVENT_TIMESTAMP)
    if kind == pl.String:
        _reject(frame, ~time.str.contains(_UTC_OFFSET), path=path, reason="has an event_timestamp without UTC offset")
        parsed = time.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
        _reject(
            frame,
            time.is_not_null() & parsed.is_null(),
            path=path,
            reason="has an event_timestamp that is not ISO 8601",
        )
        return frame.with_columns(parsed)
    if not isinstance(kind, pl.Datetime):
        raise LabelError(f"{path}: column {EVENT_TIMESTAMP} has type {kind}, but must be a time with a time zone.")
    if kind.time_zone is None:
        raise LabelError(f"{path}: column {EVENT_TIMESTAMP} has no time zone; times must be UTC or state their offset.")
    return frame.with_columns(time.dt.convert_time_zone("UTC").cast(UTC_MICROSECONDS))


def _reject(frame: pl.DataFrame, is_bad: pl.Expr, *, path: Path, reason: str) -> None:
    bad = frame.select(is_bad.fill_null(value=False).arg_true()).to_series()
    if len(bad):
        raise LabelError(f"{path}: row {bad[0] + 1} {reason} ({len(bad)} of {frame.height} rows).")
