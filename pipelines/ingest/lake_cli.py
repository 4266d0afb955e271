"""``neighborconnect lake``: the past and the maintenance of the lake's event tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from deltalake.exceptions import DeltaError
from rich.console import Console
from rich.filesize import decimal
from rich.progress import track
from rich.table import Table

from neighborconnect.settings import SettingsError, get_settings
from pipelines.ingest import lake_maintenance as maintenance
from pipelines.ingest.as_of import AsOfError, count_rows, rows_as_of

app = typer.Typer(no_args_is_help=True, help="Read the past of the lake's event tables, and maintain them.")

_TABLES = typer.Argument(help="Tables; all if none is named.")
TablesArgument = Annotated[list[str] | None, _TABLES]
_ERRORS = (SettingsError, maintenance.UnknownTableError, AsOfError, DeltaError, OSError)


@app.command("as-of")
def as_of(
    timestamp: Annotated[str, typer.Argument(help="Time with its zone, such as 2026-11-16T09:00:00Z.")],
    *,
    table: Annotated[str | None, typer.Option(help="Table whose rows to write to --out.")] = None,
    out: Annotated[Path | None, typer.Option(help="Parquet file for the rows of --table.")] = None,
) -> None:
    """Show the rows of each table as of a time, or write those of one table to a file.

    A captured table has one row per id: its newest version that was captured until the time, without deleted rows. An
    event table has the events captured until then. Rows of users who were erased since are gone in the past as well.

    Example: neighborconnect lake as-of 2026-11-16T09:00:00Z
    Example: neighborconnect lake as-of 2026-11-16T09:00:00Z --table posts --out posts.parquet
    """
    try:
        settings = get_settings()
        if (table is None) != (out is None):
            raise AsOfError("Name both --table and --out, or neither.")
        if table is not None and out is not None:
            rows = rows_as_of(settings, maintenance.require_table(table), timestamp).collect(engine="streaming")
            part = out.with_name(f".{out.name}.part")
            rows.write_parquet(part)
            part.replace(out)
            typer.echo(f"{rows.height:,} rows in {out}")
            return
        shown = Table("table", "rows then", "rows now", header_style="bold")
        for row in count_rows(settings, timestamp):
            shown.add_row(row.table, f"{row.then:,}", f"{row.now:,}")
    except _ERRORS as error:
        _fail(error)
    Console().print(shown)


@app.command()
def stats(tables: TablesArgument = None) -> None:
    """Show rows, files, bytes, and the oldest and newest capture time of each table.

    Removed bytes are in files that no longer belong to the table, until `vacuum` deletes them.

    Example: neighborconnect lake stats posts comments
    """
    shown = Table("table", "rows", "files", "size", "removed", "oldest", "newest", header_style="bold")
    try:
        settings = get_settings()
        for name in _each(tables, "Reading"):
            found = maintenance.table_stats(settings, name)
            if found is None:
                shown.add_row(name, "0", "0", "", "", "", "")
                continue
            shown.add_row(
                name,
                f"{found.rows:,}",
                f"{found.files:,}",
                decimal(found.bytes),
                decimal(found.removed_bytes),
                _time(found.oldest),
                _time(found.newest),
            )
    except _ERRORS as error:
        _fail(error)
    Console().print(shown)


@app.command()
def compact(tables: TablesArgument = None) -> None:
    """Merge small files, so that reads open fewer. Rows and their order in time do not change.

    The daily job `compact_lake` does the same.

    Example: neighborconnect lake compact interactions
    """
    try:
        settings = get_settings()
        for name in _each(tables, "Compacting"):
            merged = maintenance.compact(settings, name)
            typer.echo(f"{name}: merged {merged} files")
    except _ERRORS as error:
        _fail(error)


@app.command()
def vacuum(
    tables: TablesArgument = None,
    *,
    erased: Annotated[
        bool,
        typer.Option("--erased", help="Also delete what erasures removed less than 24 hours ago, from files and log."),
    ] = False,
) -> None:
    """Delete files that no version younger than 24 hours needs.

    An erasure removes rows from the table at once, but the files that held them remain for readers that opened the
    table before. With --erased they go now: files, and log entries whose statistics quote values. A query that runs
    meanwhile can fail and succeeds when it is repeated.

    Example: neighborconnect lake vacuum --erased
    """
    try:
        settings = get_settings()
        for name in _each(tables, "Deleting"):
            deleted = maintenance.vacuum_erased(settings, name) if erased else maintenance.vacuum(settings, name)
            typer.echo(f"{name}: deleted {deleted} files")
    except _ERRORS as error:
        _fail(error)


def _each(tables: list[str] | None, verb: str) -> Iterable[str]:
    names = [maintenance.require_table(name) for name in tables] if tables else list(maintenance.TABLES)
    return track(names, description=verb, console=Console(stderr=True), transient=True)


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _fail(error: Exception) -> None:
    typer.echo(f"error: {str(error).splitlines()[0]}", err=True)
    raise typer.Exit(1) from None
