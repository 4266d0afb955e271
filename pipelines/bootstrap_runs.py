"""Runs a Dagster job in this process, against the instance that the web server shows."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from neighborconnect.settings import Settings, home
from pipelines.dbt import PROJECT_DIR
from pipelines.run_control import tags_of_this_process

DAGSTER_HOME = PROJECT_DIR.parent / "dagster_home"


class RunFailedError(RuntimeError):
    """A step failed; the message names it and ends with what it said."""


@dataclass
class Outcome:
    """What a run made: metadata of each asset's last materialization, and the checks that did not pass."""

    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed_checks: list[str] = field(default_factory=list)


Told = Callable[[str, int, int], None]
"""Is given the name of the step that begins, how many are done, and how many there are."""


def prepare_environment(settings: Settings) -> None:
    """Set what ``dagster.yaml`` reads, where the stack has not."""
    os.environ.setdefault("DAGSTER_HOME", str(DAGSTER_HOME))
    os.environ.setdefault("DAGSTER_DATA_DIR", str(home() / "dagster"))
    os.environ.setdefault("DAGSTER_DATABASE_URL", settings.dagster_database_url)
    Path(os.environ["DAGSTER_DATA_DIR"]).mkdir(parents=True, exist_ok=True)


def run_job(
    name: str,
    *,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    told: Told,
    days: tuple[date, date] | None = None,
) -> Outcome:
    """Run a job of the code location to its end.

    Args:
        name: the job.
        definitions: the code location.
        instance: where the run is recorded.
        told: is told of each step.
        days: first and last daily partition, for a job that has partitioned assets.

    Raises:
        RunFailedError: when a step fails.
    """
    job = definitions.resolve_job_def(name)
    outcome, run_id = Outcome(), str(uuid4())
    steps = len(job.graph.nodes)
    done: set[str] = set()

    def listen(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None:
            return
        if event.is_step_success and event.step_key:
            done.add(event.step_key)
        if event.is_step_start or event.is_step_success:
            told(str(event.step_key), len(done), steps)
        if event.is_step_materialization:
            made = event.step_materialization_data.materialization
            outcome.made[made.asset_key.to_user_string()] = {key: value.value for key, value in made.metadata.items()}
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed:
                outcome.failed_checks.append(f"{check.asset_key.to_user_string()}: {check.check_name}")

    tags = tags_of_this_process()
    if days is not None:
        tags |= {ASSET_PARTITION_RANGE_START_TAG: str(days[0]), ASSET_PARTITION_RANGE_END_TAG: str(days[1])}
    instance.add_event_listener(run_id, listen)
    result = job.execute_in_process(instance=instance, run_id=run_id, tags=tags, raise_on_error=False)
    if not result.success:
        failures = [event for event in result.all_events if event.is_step_failure]
        raise RunFailedError("; ".join(map(_told_by, failures)) or f"the run {run_id} of {name} failed")
    return outcome


def _told_by(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return f"{event.step_key}: {(error.message if error else 'no error was told').strip()}"
