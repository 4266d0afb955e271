"""Drift of features, from the offline store to the check and the request of a training."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import mlflow
import numpy as np
import polars as pl
import psycopg
import pytest

from feature_repo.schemas import EVENT_TIMESTAMP, USER_NEGATIVES
from feature_repo.vendor_patches import FeatureStore
from neighborconnect.contracts.features import USER_NEGATIVES as VIEW
from neighborconnect.settings import Settings
from pipelines.asset_keys import DRIFTED_FEATURES, FEATURE_DRIFT
from pipelines.features.checks import features_are_stable
from pipelines.features.drift import EXPERIMENT, Drift, log_drift, measure_drift, plot_drift, population_stability_index
from pipelines.features.offline_store import replace_rows
from pipelines.training.sensors import drift_sensor
from pipelines.transforms.view_schema import frame_schema

# A time of its own, so that these rows are nobody else's.
AT = datetime(2008, 6, 1, tzinfo=UTC)


def test_the_index_follows_its_definition() -> None:
    baseline = np.array([0.0] * 50 + [1.0] * 50)
    current = np.array([0.0] * 80 + [1.0] * 20)
    assert population_stability_index(baseline, baseline) == 0
    expected = (0.8 - 0.5) * np.log(0.8 / 0.5) + (0.2 - 0.5) * np.log(0.2 / 0.5)
    assert population_stability_index(baseline, current) == pytest.approx(expected)


def test_a_shifted_feature_drifts_and_a_stable_one_does_not(settings: Settings, store: FeatureStore) -> None:
    chance = np.random.default_rng(4)
    users = [f"user {n}" for n in range(400)]
    for at, mean in ((AT - timedelta(days=20), 2), (AT - timedelta(hours=1), 9)):
        rows = pl.DataFrame({"user_id": users}).with_columns(
            pl.lit(at).alias(EVENT_TIMESTAMP),
            pl.Series("hides_7d", chance.poisson(mean, len(users))),
            pl.Series("hides_28d", chance.poisson(5, len(users))),
        )
        schema = frame_schema(USER_NEGATIVES)
        typed = rows.select(
            (pl.col(name) if name in rows.columns else pl.lit(None)).cast(kind).alias(name)
            for name, kind in schema.items()
        )
        replace_rows(settings, typed, schema=USER_NEGATIVES, after=at - timedelta(seconds=1), until=at)
    try:
        measured = {drift.feature: drift for drift in measure_drift(settings, views=[VIEW], at=AT)}
    finally:
        with psycopg.connect(settings.feast_database_url) as connection:
            connection.execute(f"DELETE FROM {USER_NEGATIVES.table} WHERE {EVENT_TIMESTAMP} < '2009-01-01'")

    assert set(measured) == {"hides_7d", "hides_28d"}
    assert measured["hides_7d"].has_drifted
    assert measured["hides_7d"].ks > 0.8
    assert not measured["hides_28d"].has_drifted
    [axes] = plot_drift(list(measured.values())).axes
    assert len(axes.patches) == 2


def test_a_log_of_drift_leaves_other_experiments_usable(tracked: Settings) -> None:
    run_id = log_drift(tracked, [Drift("view", "feature", psi=0.5, ks=0.25)], at=datetime.now(UTC))

    run = mlflow.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"drifted_features": 1, "psi.view.feature": 0.5, "ks.view.feature": 0.25}
    assert mlflow.get_experiment(run.info.experiment_id).name == EXPERIMENT
    other = mlflow.MlflowClient().create_run(mlflow.create_experiment("a training")).info.run_id
    with mlflow.start_run(run_id=other):
        pass


def _measured(instance: dg.DagsterInstance, drifted: list[str]) -> None:
    @dg.asset(key=FEATURE_DRIFT)
    def measurement() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={DRIFTED_FEATURES: drifted})

    assert dg.materialize([measurement, features_are_stable], instance=instance).success


def test_drift_warns_and_requests_one_training() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance)
        assert isinstance(drift_sensor(context), dg.SkipReason)
        for drifted in ([], ["user_negatives.hides_7d"]):
            _measured(instance, drifted)
            result = drift_sensor(context)
            assert isinstance(result, dg.SensorResult)
            assert len(result.run_requests or []) == len(drifted)
            check = _evaluation(instance)
            assert (check.passed, check.severity) == (not drifted, dg.AssetCheckSeverity.WARN)
            context = dg.build_sensor_context(instance=instance, cursor=result.cursor)
            assert isinstance(drift_sensor(context), dg.SkipReason)


def _evaluation(instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation:
    key = dg.AssetCheckKey(FEATURE_DRIFT, "features_are_stable")
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert record.event is not None
    evaluation = record.event.dagster_event
    assert evaluation is not None
    return evaluation.asset_check_evaluation_data
