"""Execution of Dagster jobs in this process, with the instance that the web server shows."""

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
from pipelines.run_control import tags_of_this_process
from pipelines.warehouse.dbt import PROJECT_DIR

DAGSTER_HOME = PROJECT_DIR.parent / "dagster_home"


class RunFailedError(RuntimeError):
    """A step failed; the message has its name and its error."""


@dataclass
class Outcome:
    """Result of a run: metadata of the last materialization by asset, and failed checks."""

    materialized: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed_checks: list[str] = field(default_factory=list)


OnStep = Callable[[str, int, int], None]
"""Callback with the name of the current step, the number of completed steps and the number of steps."""


def prepare_environment(settings: Settings) -> None:
    """Set the environment variables of ``dagster.yaml`` that are not set."""
    os.environ.setdefault("DAGSTER_HOME", str(DAGSTER_HOME))
    os.environ.setdefault("DAGSTER_DATA_DIR", str(home() / "dagster"))
    os.environ.setdefault("DAGSTER_DATABASE_URL", settings.dagster_database_url)
    Path(os.environ["DAGSTER_DATA_DIR"]).mkdir(mode=0o700, parents=True, exist_ok=True)


def run_job(
    name: str,
    *,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    on_step: OnStep,
    days: tuple[date, date] | None = None,
) -> Outcome:
    """Run a job of the code location in this process.

    Args:
        name: name of the job.
        definitions: the code location.
        instance: the instance that stores the run.
        on_step: called when a step starts or succeeds.
        days: first and last daily partition, for jobs with partitioned assets.

    Raises:
        RunFailedError: if a step fails.
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
            on_step(str(event.step_key), len(done), steps)
        if event.is_step_materialization:
            event_data = event.step_materialization_data.materialization
            outcome.materialized[event_data.asset_key.to_user_string()] = {
                key: value.value for key, value in event_data.metadata.items()
            }
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
        raise RunFailedError("; ".join(map(_error_of, failures)) or f"the run {run_id} of {name} failed")
    return outcome


def _error_of(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return f"{event.step_key}: {(error.message if error else 'no error message').strip()}"
