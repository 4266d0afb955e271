"""``neighborconnect training-set``: join labels with features as of the time of each label."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from feature_repo.purposes import FeaturePurpose, PurposeError
from neighborconnect.settings import get_settings
from neighborconnect.telemetry import configure_logging
from pipelines.training_sets.build import OnProgress, build_training_set
from pipelines.training_sets.labels import LabelError


def training_set(
    *,
    labels: Annotated[
        Path,
        typer.Option(
            help="Parquet or CSV file with the entity keys of the service (for example user_id and post_id), "
            "event_timestamp in UTC or with its offset, and any other columns."
        ),
    ],
    service: Annotated[str, typer.Option(help="Feature service; the site's page of features lists them.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    purpose: Annotated[
        FeaturePurpose, typer.Option(help="What the model is for; a service is refused for another purpose.")
    ] = FeaturePurpose.RECOMMENDATION,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
) -> None:
    """Join labels with the features of a service as of the time of each label.

    Each row gets the values that were known at its event_timestamp, and null where there were none. The result has the
    rows and columns of the labels in the same order, and a column VIEW__FEATURE for each feature. After an
    interruption, the same command continues where it stopped.

    The file holds personal data: delete it when the training is done, and build it again after an erasure.

    Example: neighborconnect training-set --labels clicks.csv --service post_recommendation_training --out train.parquet
    """
    settings = get_settings()
    configure_logging("training-set", level="WARNING", log_format=settings.neighborconnect_log_format)
    try:
        with _progress_bar() as bar:
            built = build_training_set(
                settings,
                labels=labels,
                service=service,
                out=out,
                purpose=purpose,
                overwrite=overwrite,
                on_progress=_reporter(bar),
            )
    except (LabelError, PurposeError) as error:
        _fail(str(error))
    except (psycopg.Error, OSError) as error:
        reason = str(error).partition("\n")[0]
        _fail(f"{type(error).__name__}: {reason}. Run this command again to continue.")
    typer.echo(f"{built.path}: {built.rows:,} rows with {built.features} features.")


def _progress_bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())


def _reporter(bar: Progress) -> OnProgress:
    """Show steps as bars on a terminal, and as lines elsewhere."""
    tasks: dict[str, TaskID | None] = {}

    def report(step: str, done: int, total: int) -> None:
        if not bar.disable:
            task = tasks.get(step)
            if task is None:
                task = tasks[step] = bar.add_task(step, total=None)
            bar.update(task, completed=done, total=total or None)
        elif total or step not in tasks:
            tasks.setdefault(step, None)
            typer.echo(f"{step}: {done:,} of {total:,}" if total else step, err=True)

    return report


def _fail(reason: str) -> None:
    typer.echo(f"error: {reason}", err=True)
    raise typer.Exit(1) from None
