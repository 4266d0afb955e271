"""Sensors of training: champion aliases, abandoned training runs, and retraining after erasures and drift."""

import json
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from neighborconnect.contracts.models import CONTENT_MODEL, MATCHING_MODEL, REGISTERED_MODEL
from neighborconnect.settings import Settings
from pipelines.asset_keys import FEATURE_DRIFT, service_key
from pipelines.features.checks import read_drifted_features
from pipelines.run_control import has_unfinished_run
from pipelines.training.jobs import bootstrap, train_content, train_matching, train_recommenders
from pipelines.training.model_services import MODEL_SERVICES, ServiceError, reload

RETRAINED_BY: Final = {
    **dict.fromkeys(REGISTERED_MODEL.values(), train_recommenders),
    MATCHING_MODEL: train_matching,
    CONTENT_MODEL: train_content,
}
"""Training job of each registered model that is trained on data of users."""


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reloads a model service when a champion alias of its models moves, by a job or by hand.",
)
def champion_sensor(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.SensorResult | dg.SkipReason:
    """Reload each service whose champion versions differ from the cursor's."""
    from models.registry import RegistryError, read_champion

    loaded: dict[str, dict[str, str]] = json.loads(context.cursor or "{}")
    cursor, events, errors = dict(loaded), [], []
    for service in MODEL_SERVICES:
        try:
            champions = [read_champion(settings, name) for name in service.models]
            versions = {champion.name: champion.model_version for champion in champions if champion}
            if not versions or versions == loaded.get(service.name):
                continue
            serving = reload(settings, service)
        except (RegistryError, ServiceError) as error:
            errors.append(str(error))
            continue
        cursor[service.name] = versions
        metadata = {"champions": versions, "serving": serving}
        events.append(dg.AssetMaterialization(service_key(service.name), metadata=metadata))
    if not events:
        return dg.SkipReason(
            "; ".join((*errors, "the next evaluation retries")) if errors else "No champion alias has moved."
        )
    return dg.SensorResult(asset_events=events, cursor=json.dumps(cursor))


@dg.sensor(
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Makes the promotions and rollbacks that admins request in the console.",
)
def requested_change_sensor(settings: dg.ResourceParam[Settings]) -> dg.SkipReason:
    """Make the next requested change here: a run would take longer to start than a rollback may take."""
    import httpx

    from pipelines.training import requested_changes

    try:
        made = requested_changes.make_next(settings)
    except httpx.HTTPError as error:
        return dg.SkipReason(f"The API request failed: {error}")
    if made is None:
        return dg.SkipReason("No change of a model is requested.")
    if not made.is_done:
        return dg.SkipReason(f"The {made.action} of {made.model} failed. {made.detail}")
    return dg.SkipReason(f"Version {made.version} of {made.model} is the champion. {made.detail}")


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Marks MLflow runs as killed whose Dagster run has ended: their process was killed.",
)
def abandoned_training_sensor(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.SkipReason:
    """Close the MLflow runs that a killed process left open."""
    from models.registry import RegistryError

    try:
        closed = close_abandoned_trainings(settings, context.instance)
    except RegistryError as error:
        return dg.SkipReason(f"{error}; the next evaluation retries")
    return dg.SkipReason(f"Closed {closed}." if closed else "No MLflow run was abandoned.")


def close_abandoned_trainings(settings: Settings, instance: dg.DagsterInstance) -> dict[str, str]:
    """Mark as killed every open MLflow run whose Dagster run has ended or was deleted.

    Returns:
        The id of the Dagster run by id of the closed MLflow run.

    Raises:
        RegistryError: if MLflow is unreachable or responds with an error.
    """
    from models.unfinished_runs import kill_run, running_trainings

    closed = {}
    for run_id, dagster_run_id in running_trainings(settings).items():
        run = instance.get_run_by_id(dagster_run_id)
        if run is None or run.is_finished:
            kill_run(settings, run_id)
            closed[run_id] = dagster_run_id
    return closed


@dg.sensor(
    jobs=[train_recommenders, train_matching, train_content],
    minimum_interval_seconds=3_600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests a training, at most once a day, while a served model was trained on an erased user.",
)
def retraining_sensor(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
) -> list[dg.RunRequest] | dg.SkipReason:
    """Request the training of every model whose champion was trained on a user who has left the training data.

    The request does not wait for the schedule of the job, and is not repeated on the same day for the same version: a
    gate that refuses the new version leaves the champion as it is.
    """
    import httpx

    from models.registry import RegistryError
    from pipelines.privacy.erasure import read_due_erasures
    from pipelines.privacy.model_influence import influenced_champion

    try:
        erased = {erasure.user_id for erasure in read_due_erasures(settings) if erasure.is_reported}
        influenced = {name: influenced_champion(settings, name, users=erased) for name in RETRAINED_BY}
    except (httpx.HTTPError, RegistryError) as error:
        return dg.SkipReason(f"{error}; the next evaluation retries")
    versions: dict[str, list[str]] = {}
    for name, version in influenced.items():
        if version is not None:
            versions.setdefault(RETRAINED_BY[name].name, []).append(version)
    today = datetime.now(UTC).date().isoformat()
    requests = [
        dg.RunRequest(run_key=f"{job}:{','.join(trained)}:{today}", job_name=job)
        for job, trained in versions.items()
        if not has_unfinished_run(context.instance, job)
    ]
    return requests or dg.SkipReason("No served model was trained on an erased user, or its training is in progress.")


@dg.sensor(
    job_name=train_recommenders.name,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests a training of the recommenders after a measurement of drift that names features.",
)
def drift_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Request one training for each measurement with drifted features."""
    event = context.instance.get_latest_materialization_event(FEATURE_DRIFT)
    if event is None or event.run_id == context.cursor:
        return dg.SkipReason("There is no new measurement of drift.")
    run = context.instance.get_run_by_id(event.run_id)
    if run is not None and run.job_name == bootstrap.name:
        return dg.SkipReason("The first run of all pipelines has just trained.")
    drifted = read_drifted_features(context.instance)
    if drifted and has_unfinished_run(context.instance, train_recommenders.name):
        return dg.SkipReason("A training is in progress; the next evaluation requests another one.")
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=event.run_id)] if drifted else [],
        skip_reason=None if drifted else "No feature has drifted.",
        cursor=event.run_id,
    )


SENSORS = [champion_sensor, requested_change_sensor, abandoned_training_sensor, retraining_sensor, drift_sensor]
