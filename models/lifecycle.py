"""History of champions: one MLflow run for each change of the alias, with the user who made it.

A change is recorded in two steps, so that a killed process leaves a trace: the run starts before the alias moves, and
ends after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_USER

from models.registry import DAGSTER_RUN

EXPERIMENT = "model-lifecycle"
GATE = "gate"
"""Tag of a training run: ``passed`` or ``refused``."""
REFUSED = "refused"
_FINISHED = "FINISHED"
_MODEL, _VERSION, _PREVIOUS, _ACTION, _REASON = "model", "version", "previous_version", "action", "reason"
_REQUESTED_BY = "requested_by"
_NO_VERSION = "none"
_RESOURCE_ALREADY_EXISTS = "RESOURCE_ALREADY_EXISTS"


class Action(StrEnum):
    """Why the champion changed."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class ChampionChange:
    """Change of the champion of one registered model.

    Attributes:
        at: time of the change (UTC).
        model: registered model.
        version: number of the new champion in MLflow.
        previous: number of the champion before it; None without one.
        action: promotion or rollback.
        actor: user of the operating system that ran the program, or ``account <id>`` of the admin who requested it.
        dagster_run: id of the Dagster run that made the change, or an empty string.
        reason: the reason that was given, or an empty string.
        is_complete: whether the alias is known to have moved.
    """

    at: datetime
    model: str
    version: str
    previous: str | None
    action: Action
    actor: str
    dagster_run: str
    reason: str
    is_complete: bool


@contextmanager
def recorded_change(
    client: MlflowClient,
    *,
    model: str,
    version: str,
    previous: str | None,
    action: Action,
    reason: str = "",
    requested_by: str | None = None,
    dagster_run: str | None = None,
) -> Iterator[None]:
    """Record the change of a champion that the body makes; the record is failed if the body raises.

    ``requested_by`` is the id of the account of an admin who requested the change; never a name, since MLflow must not
    retain personal data.
    """
    tags = {
        **resolve_tags(),
        _MODEL: model,
        _VERSION: version,
        _PREVIOUS: previous or _NO_VERSION,
        _ACTION: action.value,
        _REASON: reason,
        **({_REQUESTED_BY: requested_by} if requested_by else {}),
        **({DAGSTER_RUN: dagster_run} if dagster_run else {}),
    }
    run = client.create_run(_experiment_id(client), run_name=f"{action.value} {model} {version}", tags=tags)
    try:
        yield
    except BaseException:
        client.set_terminated(run.info.run_id, "FAILED")
        raise
    client.set_terminated(run.info.run_id, _FINISHED)


def champion_changes(client: MlflowClient, *, model: str | None = None, limit: int = 100) -> list[ChampionChange]:
    """Return the newest changes, the newest first, of one model or of all; changes that failed are left out."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    conditions = ["attributes.status != 'FAILED'", *([f"tags.{_MODEL} = '{model}'"] if model else [])]
    runs = client.search_runs(
        [experiment.experiment_id],
        filter_string=" AND ".join(conditions),
        order_by=["attributes.start_time DESC"],
        max_results=limit,
    )
    return [_change(run) for run in runs]


def previous_champion(changes: list[ChampionChange], *, current: str) -> str | None:
    """Return the version that ``current`` replaced, by the changes of one model; None if it is not known.

    A rollback from 3 to 2 is followed by a rollback to what 2 replaced, not back to 3.
    """
    for change in changes:
        if change.version == current and change.action is Action.PROMOTE:
            return change.previous
    return None


def _experiment_id(client: MlflowClient) -> str:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is not None:
        return str(experiment.experiment_id)
    try:
        return str(client.create_experiment(EXPERIMENT))
    except MlflowException as error:
        # Two promotions may record the first change at the same time.
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if error.error_code != _RESOURCE_ALREADY_EXISTS or experiment is None:
            raise
        return str(experiment.experiment_id)


def _change(run: Run) -> ChampionChange:
    tags = run.data.tags
    previous = tags.get(_PREVIOUS, _NO_VERSION)
    return ChampionChange(
        at=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        model=tags[_MODEL],
        version=tags[_VERSION],
        previous=None if previous == _NO_VERSION else previous,
        action=Action(tags[_ACTION]),
        actor=f"account {tags[_REQUESTED_BY]}" if _REQUESTED_BY in tags else tags.get(MLFLOW_USER, ""),
        dagster_run=tags.get(DAGSTER_RUN, ""),
        reason=tags.get(_REASON, ""),
        is_complete=run.info.status == _FINISHED,
    )
