"""``neighborconnect sql``: SQL over the lake, the marts and the features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import duckdb
import typer

from neighborconnect.settings import SettingsError, get_settings
from pipelines.query.errors import QueryError
from pipelines.query.output import OutputFormat, write
from pipelines.query.prompt import HELP, statements
from pipelines.query.roles import Role
from pipelines.query.session import connect
from pipelines.query.statements import read, sentence

HISTORY_FILE = "sql_history"


def sql(
    command: Annotated[
        str | None, typer.Option("-c", "--command", help="Statement to execute. Without it, a prompt opens.")
    ] = None,
    *,
    output_format: Annotated[OutputFormat, typer.Option("--format", help="Format of the result.")] = OutputFormat.TABLE,
    out: Annotated[Path | None, typer.Option("--out", help="File for the result, instead of the terminal.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows that a table shows; other formats have all rows.")] = 100,
    role: Annotated[
        Role,
        typer.Option(
            help="PostgreSQL role to read with. Only privacy_officer reads personal columns; others see <masked>."
        ),
    ] = Role.ANALYST,
) -> None:
    """Query the lake, the marts, staging and the features with DuckDB; read-only.

    Tables are `lake.<table>` (events), `marts.<table>`, `staging.<table>` and `features.<view>` (history).

    Example: neighborconnect sql -c "SELECT kind, count(*) FROM lake.interactions GROUP BY kind"
    Example: neighborconnect sql -c "FROM marts.daily_activity" --format parquet --out activity.parquet
    """
    try:
        settings = get_settings()
        connection = connect(settings, role=role)
        if command is not None:
            _execute(connection, command, output_format, out, limit)
            return
    except (SettingsError, QueryError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(HELP)
    for statement in statements(connection, history=settings.neighborconnect_home / HISTORY_FILE):
        try:
            _execute(connection, statement, output_format, out, limit)
        except QueryError as error:
            typer.echo(f"error: {error}", err=True)


def _execute(
    connection: duckdb.DuckDBPyConnection, statement: str, output_format: OutputFormat, out: Path | None, limit: int
) -> None:
    try:
        rows = write(read(connection, statement), to=out, output_format=output_format, limit=limit)
    except duckdb.Error as error:
        # Raised while rows are read.
        raise QueryError(sentence(error)) from None
    if out is not None:
        typer.echo(f"{rows:,} rows in {out}", err=True)
