"""``neighborconnect repair``: partitions in quarantine, and their repair."""

from __future__ import annotations

from typing import Annotated

import psycopg
import typer
from deltalake.exceptions import DeltaError
from rich.console import Console
from rich.table import Table

from neighborconnect.settings import Settings, SettingsError, get_settings
from neighborconnect.telemetry import configure_logging
from pipelines.empty_input import EmptyInputError
from pipelines.features import repair as engine
from pipelines.quality.quarantine import QuarantinedError, list_quarantined


def repair(
    partition: Annotated[
        str | None, typer.Argument(help="Partition as VIEW/DAY or VIEW/DAYTHOUR; lists the quarantine if missing.")
    ] = None,
) -> None:
    """Compute a partition of features in quarantine again, and serve it if it passes its check.

    A partition goes to the quarantine when a value is out of range; until its repair, the last good rows are served.
    Fix the cause first: a wrong row in the lake or a fault in a transform. The rows are computed from the lake, checked
    and swapped in one transaction. If they fail again, nothing is changed.

    Example: neighborconnect repair
    Example: neighborconnect repair user_affinity/2026-11-16
    Example: neighborconnect repair connector_stats/2026-11-16T09
    """
    try:
        settings = get_settings()
        configure_logging("repair", level="ERROR", log_format=settings.neighborconnect_log_format)
        if partition is None:
            _show(settings)
            return
        found = engine.require_quarantined(settings, partition)
        with Console(stderr=True).status(f"Computing {found.name} from the lake"):
            rows = engine.repair(settings, found)
    except QuarantinedError as error:
        _fail(f"{error} The served rows are unchanged; fix the cause and run this command again.")
    except (engine.UnknownPartitionError, EmptyInputError, SettingsError, psycopg.Error, DeltaError, OSError) as error:
        _fail(str(error).splitlines()[0])
    else:
        typer.echo(f"{found.name} is repaired: {rows:,} rows. The job refresh_features serves them within the hour.")


def _show(settings: Settings) -> None:
    partitions = list_quarantined(settings)
    if not partitions:
        typer.echo("The quarantine is empty.")
        return
    shown = Table("partition", "rows", "as of", "rows out of range by feature", header_style="bold")
    for one in partitions:
        reasons = ", ".join(f"{feature}: {count:,}" for feature, count in one.reasons.items())
        shown.add_row(one.name, f"{one.row_count:,}", f"{one.as_of:%Y-%m-%d %H:%M:%SZ}", reasons)
    Console().print(shown)


def _fail(reason: str) -> None:
    typer.echo(f"error: {reason}", err=True)
    raise typer.Exit(1) from None
