"""``python -m pipelines.bootstrap``: run the pipelines once, from what has been ingested to served recommenders.

``--retrain`` trains again on what is known now and leaves the feature history alone. Both are ordinary Dagster runs,
made in this process, and seen in the UI. Leaves with a code other than zero, and one clear sentence, when they fail.
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

STILL_SECONDS = 300.0
_LOG = Path("logs") / "bootstrap.log"
_HEADLINES = ("recall_at_20", "ndcg_at_20", "flagged_worst", "people_auc_learnt")


def bootstrap(
    *,
    retrain: Annotated[bool, typer.Option(help="Train again on what is known now; record no feature history.")] = False,
) -> None:
    """Wait until everything is ingested, then build the warehouse and the features, train, and serve."""
    with _quiet(home() / _LOG) as terminal:
        console = Console(file=terminal)
        try:
            _run(get_settings(), console=console, retrain=retrain)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is told in one sentence and kept in the log)
            traceback.print_exc()
            sentence = str(error) if isinstance(error, SettingsError) else f"The pipelines did not run through: {error}"
            console.print(f"[red]{escape(sentence)}[/]\nMore is in {home() / _LOG}.", soft_wrap=True)
            raise typer.Exit(1) from None


def _run(settings: Settings, *, console: Console, retrain: bool) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        _wait_for_ingest(settings, progress=progress)
        outcome = _run_jobs(settings, progress=progress, retrain=retrain)
    for name, metadata in outcome.made.items():
        if line := _summary(name, metadata):
            console.print(line, highlight=False)
    for check in outcome.failed_checks:
        console.print(f"[yellow]check failed:[/] {check}")


def _wait_for_ingest(settings: Settings, *, progress: Progress) -> None:
    from pipelines.ingest.progress import Progress as Backlog
    from pipelines.ingest.progress import wait_until_caught_up

    task = progress.add_task("Waiting for the ingest", total=None)
    most = 0

    def told(now: Backlog) -> None:
        nonlocal most
        most = max(most, now.events)
        progress.update(task, total=max(most, 1), completed=max(most, 1) - now.events)

    wait_until_caught_up(settings, timeout=STILL_SECONDS, told=told)


def _run_jobs(settings: Settings, *, progress: Progress, retrain: bool) -> Any:
    task = progress.add_task("Loading the pipelines", total=None)
    from pipelines.bootstrap_runs import prepare_environment, run_job

    prepare_environment(settings)
    import dagster as dg

    from pipelines.backfill import days_to_record
    from pipelines.definitions import defs

    def told(step: str, done: int, steps: int) -> None:
        progress.update(task, description=step.replace("__", "/"), completed=done, total=steps)

    with dg.DagsterInstance.get() as instance:
        if retrain:
            return run_job("train_recommenders", definitions=defs, instance=instance, told=told)
        ranges = days_to_record(settings, today=datetime.now(UTC).date())
        if not ranges:
            raise RuntimeError("nothing happened in the town before today; load one with `neighborconnect simulate`.")
        if ranges[:-1]:
            run_job("apply_features", definitions=defs, instance=instance, told=told)
        for days in ranges[:-1]:
            run_job("record_features", definitions=defs, instance=instance, told=told, days=days)
        return run_job("bootstrap", definitions=defs, instance=instance, told=told, days=ranges[-1])


def _summary(name: str, metadata: Mapping[str, Any]) -> str | None:
    store = name.split("/", 1)[0]
    if store == "models":
        result = metadata["training_result"]
        figures = {key: result["metrics"][key] for key in _HEADLINES if key in result["metrics"]}
        told = ", ".join(f"{key} {value:.3f}" for key, value in figures.items())
        served = result.get("served", "")
        if isinstance(served, dict):
            served = ", ".join(f"{part}: {method}" for part, method in served.items())
        return f"{name}: {result['model_version']}{f' ({served})' if served else ''} {told}".rstrip()
    if store == "champions":
        return f"{name}: {'now ' + metadata['candidate'] if metadata['promoted'] else 'stays'}"
    if store in {"snapshots", "vectors", "training", "bento"}:
        return f"{name}: " + ", ".join(f"{key} {value}" for key, value in metadata.items())
    return None


@contextmanager
def _quiet(log: Path) -> Iterator[TextIO]:
    """Send what libraries print to ``log``, and yield the terminal."""
    log.parent.mkdir(parents=True, exist_ok=True)
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
