"""``python -m transactional_api.cdc`` runs the relay; ``… snapshot`` publishes the current rows of captured tables."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

from neighborconnect.contracts.tables import CAPTURED
from neighborconnect.settings import get_settings
from neighborconnect.telemetry import configure_logging, get_logger
from neighborconnect.tracing.provider import configure_tracing
from transactional_api.cdc.back_pressure import OutboxFullError
from transactional_api.cdc.relay import Relay
from transactional_api.cdc.snapshot import find_missing
from transactional_api.cdc.snapshot import snapshot as publish_snapshot

_MIGRATE = "Migrate it with `python -m transactional_api.core.db.migrate` and run the command again."

app = typer.Typer(help="Change capture: from the outbox to Kafka.")


@app.callback(invoke_without_command=True)
def relay(context: typer.Context) -> None:
    """Relay the outbox to Kafka until SIGTERM."""
    settings = get_settings()
    configure_logging("relay", level=settings.neighborconnect_log_level, log_format=settings.neighborconnect_log_format)
    if context.invoked_subcommand is not None:
        return
    configure_tracing("relay", settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    Relay(settings, stop=stop).run()


@app.command()
def snapshot(
    table: Annotated[list[str] | None, typer.Option(help="A captured table; all captured tables by default.")] = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if the database lacks a table or column.")
    ] = False,
) -> None:
    """Write every current row to the outbox as an ``r`` event, to rebuild Kafka from PostgreSQL.

    Stories and reels in MongoDB are published by ``python -m transactional_api.cdc.documents``.
    """
    captured_tables = {captured.name: captured for captured in CAPTURED}
    if unknown := sorted(set(table or ()) - captured_tables.keys()):
        raise typer.BadParameter(
            f"{', '.join(unknown)} is not captured; captured tables are {', '.join(captured_tables)}"
        )
    names = table or list(captured_tables)
    if missing := find_missing(get_settings().database_url, [captured_tables[name] for name in names]):
        detail = "; ".join(f"{name}: {reason}" for name, reason in missing.items())
        typer.echo(f"The schema of the database is older than the contract ({detail}). {_MIGRATE}", err=True)
        raise typer.Exit(1)
    if check:
        return
    for name in names:
        try:
            rows = publish_snapshot(get_settings().database_url, captured_tables[name])
        except OutboxFullError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
        get_logger(__name__).info("snapshot.written", table=name, rows=rows)


if __name__ == "__main__":
    app()
