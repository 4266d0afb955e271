"""Champions of the model registry, and the last measurement of feature drift, from MLflow's database.

Its HTTP API would need one request per model, and a POST, which the token for reading does not permit.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily

from models.registry import model_version_name
from neighborconnect.contracts.models import CHAMPION
from neighborconnect.settings import Settings
from pipelines.monitoring.database import Row, has_table, reading, rows
from pipelines.monitoring.exporter import Family

_CHAMPIONS = (
    "SELECT version.name, version.run_id, version.creation_time / 1000.0 "
    "FROM registered_model_aliases AS alias JOIN model_versions AS version "
    "ON version.name = alias.name AND version.version = alias.version WHERE alias.alias = %s"
)
_DRIFT = """
SELECT metric.key, metric.value, metric.timestamp / 1000.0 FROM latest_metrics AS metric WHERE metric.run_uuid = (
  SELECT run.run_uuid FROM runs AS run JOIN experiments AS experiment USING (experiment_id)
  WHERE experiment.name = %s AND run.status = 'FINISHED' ORDER BY run.start_time DESC LIMIT 1
)
"""
DRIFT_EXPERIMENT = "feature drift"
_PSI_PREFIX = "psi."
_DRIFTED = "drifted_features"
_TABLES = ("registered_model_aliases", "model_versions", "latest_metrics")


def collect(settings: Settings) -> Iterator[Family]:
    """Yield the champion of each model and the drift of each feature; nothing before MLflow created its tables."""
    champions: list[Row] = []
    drift: list[Row] = []
    with reading(settings.mlflow_database_url) as connection:
        if all(has_table(connection, table) for table in _TABLES):
            champions = rows(connection, _CHAMPIONS, [CHAMPION])
            drift = rows(connection, _DRIFT, [DRIFT_EXPERIMENT])
    live = GaugeMetricFamily(
        "neighborconnect_model_champion_info", "1 for the version that is the champion.", labels=["model", "version"]
    )
    trained = GaugeMetricFamily(
        "neighborconnect_model_champion_trained_timestamp_seconds",
        "Registration of the version that is the champion.",
        labels=["model"],
    )
    for name, run_id, created_at in champions:
        live.add_metric([name, model_version_name(name, run_id=run_id)], 1.0)
        trained.add_metric([name], float(created_at))
    index = GaugeMetricFamily(
        "neighborconnect_feature_drift_psi_ratio",
        "Population stability index of a feature at the last measurement.",
        labels=["view", "feature"],
    )
    drifted = GaugeMetricFamily(
        "neighborconnect_drifted_features", "Features above the threshold of drift at the last measurement."
    )
    measured = GaugeMetricFamily(
        "neighborconnect_feature_drift_timestamp_seconds", "Time of the last measurement of drift."
    )
    for key, value, at in drift:
        if key == _DRIFTED:
            drifted.add_metric([], float(value))
            measured.add_metric([], float(at))
        elif key.startswith(_PSI_PREFIX):
            view, _, feature = key.removeprefix(_PSI_PREFIX).partition(".")
            index.add_metric([view, feature], float(value))
    yield from (live, trained, index, drifted, measured)
