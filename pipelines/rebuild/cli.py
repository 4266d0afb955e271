"""``neighborconnect rebuild``: rebuild the lake or the warehouse while the platform runs."""

from __future__ import annotations

import subprocess
from enum import StrEnum
from typing import Annotated

import httpx
import psycopg
import typer
from deltalake.exceptions import DeltaError
from kafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from neighborconnect.settings import get_settings
from neighborconnect.telemetry import configure_logging
from pipelines.ingest.progress import NotCaughtUpError
from pipelines.ingest.rebuild_log import RebuildRunningError
from pipelines.rebuild import rebuild as engine

_STEPS = {
    "empty": "Emptying",
    "snapshot": "Publishing the captured tables",
    "fill": "Events stored",
    "erase": "Repeating the erasures",
}


class Store(StrEnum):
    """Stores that can be rebuilt."""

    LAKE = "lake"
    WAREHOUSE = "warehouse"


def rebuild(
    store: Annotated[Store, typer.Argument(help="The copy of the events to rebuild.")],
    *,
    snapshot: Annotated[
        bool,
        typer.Option(
            "--snapshot",
            help="Publish the captured tables again from PostgreSQL; needed if events have expired in Kafka. Behavior "
            "events that have expired stay in the lake; the warehouse copies them from there.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Empty the lake or the warehouse and fill it again from Kafka, while the platform runs.

    The worker of the store must run (`neighborconnect status`): it detects that its store was emptied and reads Kafka
    from the beginning. Readers see the store fill up. Events that are published during the rebuild are not lost.
    Erasures are repeated before the rebuild ends. An interrupted rebuild can be started again at any time.

    Example: neighborconnect rebuild warehouse --yes
    """
    settings = get_settings()
    configure_logging("rebuild", level="WARNING", log_format=settings.neighborconnect_log_format)
    if not yes:
        typer.confirm(f"Empty the {store.value} and rebuild it?", abort=True)
    try:
        with _progress_bar() as bar:
            task = bar.add_task(_STEPS["empty"], total=None)

            def show(progress: engine.RebuildProgress) -> None:
                description = _STEPS[progress.step]
                bar.update(
                    task,
                    description=description,
                    total=progress.total or None,
                    completed=progress.total - progress.remaining,
                )

            engine.rebuild(settings, store.value, snapshot=snapshot, on_progress=show)
    except (engine.HistoryLostError, engine.SnapshotRefusedError, RebuildRunningError, NotCaughtUpError) as error:
        _fail(str(error))
    except httpx.HTTPError as error:
        _fail(
            f"The API at {settings.api_url} did not list the erasures ({type(error).__name__}: {error}). It is needed "
            f"to rebuild the {store.value}. Start the API and run this command again."
        )
    except (KafkaError, psycopg.Error, DeltaError, OSError, subprocess.CalledProcessError) as error:
        _fail(f"{type(error).__name__}: {error}. Run this command again when the server responds.")
    typer.echo(f"The {store.value} is rebuilt.")


def _progress_bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


def _fail(reason: str) -> None:
    typer.echo(f"error: {reason}", err=True)
    raise typer.Exit(1) from None
