"""``neighborconnect rebuild``: fill the lake or the warehouse again, while everything runs."""

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
from pipelines.ingest import rebuild as rebuilding
from pipelines.ingest.progress import NotCaughtUpError
from pipelines.ingest.rebuild_log import RebuildRunningError

_STEPS = {
    "empty": "Emptying",
    "snapshot": "Publishing the product's tables again",
    "fill": "Events stored",
    "erase": "Erasing again the people who were erased",
}


class Store(StrEnum):
    """Stores that can be rebuilt."""

    LAKE = "lake"
    WAREHOUSE = "warehouse"


def rebuild(
    store: Annotated[Store, typer.Argument(help="Which copy of the events to empty and fill again.")],
    *,
    snapshot: Annotated[
        bool,
        typer.Option(
            "--snapshot",
            help="Publish the product's tables again from PostgreSQL: needed where Kafka's retention has dropped "
            "events. Behavior events that Kafka no longer holds stay in the lake; the warehouse takes them from there.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Empty the lake or the warehouse and fill it again from Kafka, while the platform runs.

    The worker of the store must run (`neighborconnect status`): it notices that its store was emptied and reads Kafka
    from the beginning. Readers see a store that fills up; nothing that is written meanwhile is lost. People who were
    erased are erased again before the rebuild ends. Interrupted, it can be run again at any time.

    Example: neighborconnect rebuild warehouse --yes
    """
    settings = get_settings()
    configure_logging("rebuild", level="WARNING", log_format=settings.neighborconnect_log_format)
    if not yes:
        typer.confirm(f"Empty the {store.value} and fill it again?", abort=True)
    try:
        with _progress_bar() as bar:
            task = bar.add_task(_STEPS["empty"], total=None)

            def show(now: rebuilding.RebuildProgress) -> None:
                description = _STEPS[now.step]
                bar.update(task, description=description, total=now.total or None, completed=now.total - now.remaining)

            rebuilding.rebuild(settings, store.value, snapshot=snapshot, report=show)
    except (rebuilding.HistoryLostError, RebuildRunningError, NotCaughtUpError) as error:
        _fail(str(error))
    except httpx.HTTPError as error:
        _fail(
            f"The API at {settings.api_url} does not say who was erased ({type(error).__name__}: {error}), so the "
            f"{store.value} cannot be rebuilt safely. Start it and run this command again."
        )
    except (KafkaError, psycopg.Error, DeltaError, OSError, subprocess.CalledProcessError) as error:
        _fail(f"{type(error).__name__}: {error}. Once the server answers again, run this command again.")
    typer.echo(f"The {store.value} is complete.")


def _progress_bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


def _fail(reason: str) -> None:
    typer.echo(f"error: {reason}", err=True)
    raise typer.Exit(1) from None
