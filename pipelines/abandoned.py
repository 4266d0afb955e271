"""MLflow runs whose Dagster run ended without ending them: its process was killed."""

from __future__ import annotations

import dagster as dg

from models.unfinished_runs import kill_run, running_trainings
from neighborconnect.settings import Settings


def close_abandoned_trainings(settings: Settings, instance: dg.DagsterInstance) -> dict[str, str]:
    """Mark as killed every MLflow run whose Dagster run has ended or was deleted; return them, each with that run.

    Raises:
        RegistryError: when MLflow cannot be reached or answers with an error.
    """
    closed = {}
    for run_id, dagster_run_id in running_trainings(settings).items():
        run = instance.get_run_by_id(dagster_run_id)
        if run is None or run.is_finished:
            kill_run(settings, run_id)
            closed[run_id] = dagster_run_id
    return closed
