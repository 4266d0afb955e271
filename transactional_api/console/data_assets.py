"""State of the data for the console: assets with their age and checks, features with their age and drift."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from neighborconnect.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Asset:
    """Asset of Dagster; ``failed_checks`` are the checks whose last evaluation failed."""

    group: str
    name: str
    materialized_at: datetime | None
    check_count: int
    failed_checks: list[str]

    @property
    def path(self) -> str:
        """Path of the asset in Dagster."""
        return f"{self.group}/{self.name}" if self.name else self.group


@dataclass(frozen=True, slots=True)
class Feature:
    """Feature with its drift: the population stability index of the last measurement."""

    view: str
    name: str
    psi: float


@dataclass(frozen=True, slots=True)
class DataState:
    """State of assets, feature views and drift; times are None where nothing is known."""

    assets: list[Asset] = field(default_factory=list)
    newest_features: dict[str, datetime] = field(default_factory=dict)
    drifted: list[Feature] = field(default_factory=list)
    drifted_count: int | None = None
    drift_measured_at: datetime | None = None
    failed_runs: dict[str, int] = field(default_factory=dict)
    daemon_seen_at: datetime | None = None

    @property
    def failed_check_count(self) -> int:
        """Number of checks whose last evaluation failed."""
        return sum(len(asset.failed_checks) for asset in self.assets)


def data_state(metrics: Metrics, *, most_features: int) -> DataState:
    """Return the state that the metrics of the exporter have, with the ``most_features`` that drifted most."""
    made = {
        (one.labels["group"], one.labels["asset"]): _time(one.value)
        for one in metrics.samples("neighborconnect_asset_materialized_timestamp_seconds")
    }
    checks: defaultdict[tuple[str, str], dict[str, bool]] = defaultdict(dict)
    for one in metrics.samples("neighborconnect_asset_check_passed_info"):
        checks[one.labels["group"], one.labels["asset"]][one.labels["check"]] = one.value > 0
    assets = [
        Asset(
            group,
            name,
            made.get((group, name)),
            len(checks[group, name]),
            sorted(check for check, passed in checks[group, name].items() if not passed),
        )
        for group, name in sorted(made.keys() | checks.keys())
    ]
    drift = [
        Feature(one.labels["view"], one.labels["feature"], one.value)
        for one in metrics.samples("neighborconnect_feature_drift_psi_ratio")
    ]
    drifted = metrics.value("neighborconnect_drifted_features")
    newest = metrics.by("view", "neighborconnect_feature_newest_timestamp_seconds")
    failed = metrics.by("job", "neighborconnect_dagster_failed_runs")
    return DataState(
        assets=assets,
        newest_features={view: _time(at) for view, at in sorted(newest.items())},
        drifted=sorted(drift, key=lambda feature: -feature.psi)[:most_features],
        drifted_count=None if drifted is None else int(drifted),
        drift_measured_at=_optional_time(metrics.value("neighborconnect_feature_drift_timestamp_seconds")),
        failed_runs={job: int(count) for job, count in sorted(failed.items())},
        daemon_seen_at=_optional_time(metrics.value("neighborconnect_dagster_heartbeat_timestamp_seconds")),
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _optional_time(seconds: float | None) -> datetime | None:
    return None if seconds is None else _time(seconds)
