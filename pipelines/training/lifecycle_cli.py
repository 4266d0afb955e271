"""``neighborconnect models``: the versions that are served, their history, promotion and rollback."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer
from deltalake.exceptions import TableNotFoundError
from mlflow.exceptions import MlflowException
from rich.console import Console
from rich.table import Table

from models.lifecycle import champion_changes
from models.tracking import ModelTracker
from neighborconnect.settings import Settings, SettingsError, get_settings
from neighborconnect.telemetry import configure_logging
from pipelines.training import lifecycle

app = typer.Typer(no_args_is_help=True, help="The model versions that are served: list, history, promote, roll back.")


def _required(reason: str) -> str:
    if not reason.strip():
        raise typer.BadParameter("say why, for the history")
    return reason.strip()


Model = Annotated[str, typer.Argument(help="Registered model, for example post_recommender.")]
Reason = Annotated[str, typer.Option(help="Reason, for the history; required.", callback=_required)]
Progress = Callable[[str], None]
_MAX_ROWS: Final = 1_000
_TIME: Final = "%Y-%m-%d %H:%M:%SZ"


@app.command()
def live() -> None:
    """Show the champion of each model, and since when and by whom it is served.

    Example: neighborconnect models live
    """
    with _settings() as settings:
        shown = Table("model", "version", "name", "since", "by", header_style="bold")
        for model in lifecycle.live_models(settings):
            if model.champion is None:
                shown.add_row(model.name, "-", "no champion yet", "", "")
                continue
            client = ModelTracker(settings, name=model.name, experiment=model.name).client
            changes = champion_changes(client, model=model.name, limit=1)
            since, actor = (f"{changes[0].at:{_TIME}}", changes[0].actor) if changes else ("not recorded", "")
            shown.add_row(model.name, model.champion.registry_version, model.champion.model_version, since, actor)
        Console().print(shown)


@app.command()
def history(
    model: Annotated[str | None, typer.Argument(help="Registered model; all models if left out.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=_MAX_ROWS, help="Maximum number of changes.")] = 20,
) -> None:
    """List the changes of champions, the newest first.

    Example: neighborconnect models history
    Example: neighborconnect models history post_recommender --limit 5
    """
    with _settings() as settings:
        name = None if model is None else lifecycle.known_model(model)
        changes = champion_changes(
            ModelTracker(settings, name=name or "", experiment="").client, model=name, limit=limit
        )
        if not changes:
            typer.echo("No change of a champion is recorded yet.")
            return
        shown = Table("time", "model", "version", "before", "action", "by", "reason", header_style="bold")
        for change in changes:
            by = f"{change.actor} (Dagster run {change.dagster_run[:8]})" if change.dagster_run else change.actor
            action = change.action.value + ("" if change.is_complete else " (unfinished)")
            shown.add_row(
                f"{change.at:{_TIME}}", change.model, change.version, change.previous or "-", action, by, change.reason
            )
        Console().print(shown)


@app.command()
def promote(
    *,
    model: Model,
    version: Annotated[str, typer.Argument(help="Number of the version in MLflow.")],
    reason: Reason,
    force: Annotated[bool, typer.Option("--force", help="Serve a version that its gate refused.")] = False,
) -> None:
    """Make a registered version the champion, and let the services load it.

    Example: neighborconnect models promote post_recommender 4 --reason "better for newcomers"
    """
    with _settings() as settings:
        with _status() as progress:
            failures = lifecycle.promote(
                settings, model=model, version=version, reason=reason, is_forced=force, progress=progress
            )
        _report(f"Version {version} of {model} is the champion.", failures)


@app.command()
def rollback(
    *,
    model: Model,
    to: Annotated[
        str | None, typer.Option(help="Number of the version; the one that the champion replaced if left out.")
    ] = None,
    reason: Reason,
) -> None:
    """Serve an earlier champion again.

    Example: neighborconnect models rollback post_recommender --reason "more hides since yesterday"
    """
    with _settings() as settings:
        began = time.monotonic()
        with _status() as progress:
            version, failures = lifecycle.rollback(settings, model=model, version=to, reason=reason, progress=progress)
        seconds = time.monotonic() - began
        _report(f"Version {version.registry_version} of {model} is the champion again ({seconds:.0f} s).", failures)


@contextmanager
def _settings() -> Iterator[Settings]:
    """Yield the settings; expected errors end the command with one line."""
    # MLflow prints a link to each run that ends.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    try:
        settings = get_settings()
        configure_logging("models", level="ERROR", log_format=settings.neighborconnect_log_format)
        yield settings
    except TableNotFoundError:
        _fail("The pipelines have not written the interactions yet; run `python -m pipelines.bootstrap` first.")
    except (lifecycle.LifecycleError, SettingsError, MlflowException, ValueError, OSError) as error:
        _fail(str(error).partition("\n")[0])


@contextmanager
def _status() -> Iterator[Progress]:
    console = Console(stderr=True)
    with console.status("reading the registry") as status:
        yield status.update


def _report(sentence: str, failures: list[str]) -> None:
    typer.echo(sentence)
    for failure in failures:
        typer.echo(f"warning: {failure} It loads the champion at its next poll.", err=True)


def _fail(reason: str) -> None:
    typer.echo(f"error: {reason}", err=True)
    raise typer.Exit(1) from None
