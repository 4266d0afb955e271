"""``python -m pipelines.bootstrap``: run the pipelines once, from ingested events to served models.

``--retrain`` trains the recommenders on current data without computing feature history. Both execute Dagster runs in
this process, which the web server shows. A failure prints one sentence and exits with a code other than zero.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from neighborconnect.settings import Settings, SettingsError, get_settings, home

INGEST_TIMEOUT_SECONDS = 300.0
_LOG = Path("logs") / "bootstrap.log"
_HEADLINE_METRICS = ("recall_at_20", "ndcg_at_20", "max_false_positive_rate_by_group", "user_auc_trained")


def bootstrap(
    *,
    retrain: Annotated[
        bool, typer.Option(help="Train the recommenders on current data; compute no feature history.")
    ] = False,
) -> None:
    """Wait for the ingest, build the warehouse and the features, train the models and load them into the services."""
    with _redirect_output(home() / _LOG) as terminal:
        console = Console(file=terminal)
        try:
            _run(get_settings(), console=console, retrain=retrain)
        except Exception as error:  # noqa: BLE001 (the terminal gets one sentence, the log the traceback)
            traceback.print_exc()
            sentence = str(error) if isinstance(error, SettingsError) else f"The pipelines failed: {error}"
            console.print(f"[red]{escape(sentence)}[/]\nSee {home() / _LOG}.", soft_wrap=True)
            raise typer.Exit(1) from None


def _run(settings: Settings, *, console: Console, retrain: bool) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        _wait_for_ingest(settings, progress=progress)
        outcome = _run_jobs(settings, progress=progress, retrain=retrain)
    for name, metadata in outcome.materialized.items():
        if line := _summary(name, metadata):
            console.print(line, highlight=False)
    for check in outcome.failed_checks:
        console.print(f"[yellow]check failed:[/] {check}")


def _wait_for_ingest(settings: Settings, *, progress: Progress) -> None:
    from pipelines.ingest.progress import Progress as Backlog
    from pipelines.ingest.progress import wait_until_caught_up

    task = progress.add_task("Waiting for the ingest", total=None)
    highest = 0

    def show(backlog: Backlog) -> None:
        nonlocal highest
        highest = max(highest, backlog.events)
        progress.update(task, total=max(highest, 1), completed=max(highest, 1) - backlog.events)

    wait_until_caught_up(settings, timeout=INGEST_TIMEOUT_SECONDS, on_progress=show)


def _run_jobs(settings: Settings, *, progress: Progress, retrain: bool) -> Any:
    task = progress.add_task("Loading the pipelines", total=None)
    from pipelines.bootstrap.runner import prepare_environment, run_job

    prepare_environment(settings)
    import dagster as dg

    from pipelines.bootstrap.history_ranges import read_history_ranges
    from pipelines.definitions import defs

    def show(step: str, done: int, steps: int) -> None:
        progress.update(task, description=step.replace("__", "/"), completed=done, total=steps)

    with dg.DagsterInstance.get() as instance:
        if retrain:
            return run_job("train_recommenders", definitions=defs, instance=instance, on_step=show)
        ranges = read_history_ranges(settings, today=datetime.now(UTC).date())
        if not ranges:
            raise RuntimeError("there are no interactions before today; create some with `neighborconnect simulate`.")
        if ranges[:-1]:
            run_job("apply_features", definitions=defs, instance=instance, on_step=show)
        for days in ranges[:-1]:
            run_job("record_features", definitions=defs, instance=instance, on_step=show, days=days)
        return run_job("bootstrap", definitions=defs, instance=instance, on_step=show, days=ranges[-1])


def _summary(name: str, metadata: Mapping[str, Any]) -> str | None:
    from pipelines.asset_keys import TRAINING_RESULT

    store = name.split("/", 1)[0]
    if store == "models":
        result = metadata[TRAINING_RESULT]
        metrics = {key: result["metrics"][key] for key in _HEADLINE_METRICS if key in result["metrics"]}
        formatted = ", ".join(f"{key} {value:.3f}" for key, value in metrics.items())
        served = result.get("served", "")
        if isinstance(served, dict):
            served = ", ".join(f"{part}: {method}" for part, method in served.items())
        return f"{name}: {result['model_version']}{f' ({served})' if served else ''} {formatted}".rstrip()
    if store == "champions":
        return f"{name}: {metadata['candidate'] + ' promoted' if metadata['promoted'] else 'unchanged'}"
    if store in {"item_indexes", "social_graph", "vectors", "training", "bento"}:
        return f"{name}: " + ", ".join(f"{key} {value}" for key, value in metadata.items())
    return None


@contextmanager
def _redirect_output(log: Path) -> Iterator[TextIO]:
    """Redirect standard output and error to ``log``, and yield the terminal."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    terminal = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield terminal
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(terminal.fileno(), 1)
        terminal.close()


if __name__ == "__main__":
    typer.run(bootstrap)
