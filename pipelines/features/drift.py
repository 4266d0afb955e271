"""Drift of features: the distribution of the last day against that of earlier weeks."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import psycopg
from matplotlib.figure import Figure
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient
from psycopg import sql
from scipy.stats import ks_2samp

from feature_repo.schemas import EVENT_TIMESTAMP, VIEW_SCHEMAS, FeatureType, ViewSchema
from models.tracking import connect
from neighborconnect.contracts.features import OFFLINE_SCHEMA
from neighborconnect.settings import Settings

PSI_THRESHOLD: Final = 0.25
"""A population stability index above 0.25 is customarily read as a shift that needs action."""
EXPERIMENT: Final = "feature drift"
_BASELINE: Final = (timedelta(days=35), timedelta(days=7))
_CURRENT: Final = timedelta(days=1)
_MAX_ROWS, _MIN_ROWS = 20_000, 50
_BINS: Final = 10
_MIN_SHARE: Final = 1e-4
_PLOTTED: Final = 20

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drift:
    """Drift of one feature.

    Attributes:
        view: the feature view.
        feature: name of the feature.
        psi: population stability index over the deciles of the baseline.
        ks: Kolmogorov-Smirnov statistic, the largest difference of the two distribution functions.
    """

    view: str
    feature: str
    psi: float
    ks: float

    @property
    def has_drifted(self) -> bool:
        """Whether the index is above ``PSI_THRESHOLD``."""
        return self.psi > PSI_THRESHOLD


def population_stability_index(baseline: FloatArray, current: FloatArray) -> float:
    """Return the PSI of two samples over the distinct deciles of ``baseline``; 0 for equal distributions.

    A decile that occurs more than once, such as zero in sparse counts, bounds one bin.
    """
    edges = np.unique(np.quantile(baseline, np.linspace(0, 1, _BINS + 1)[1:-1]))
    shares = []
    for sample in (baseline, current):
        counts = np.bincount(np.searchsorted(edges, sample, side="left"), minlength=len(edges) + 1)
        shares.append(np.maximum(counts / len(sample), _MIN_SHARE))
    before, now = shares
    return float(np.sum((now - before) * np.log(now / before)))


def measure_drift(settings: Settings, *, views: Sequence[str], at: datetime) -> list[Drift]:
    """Compare the numeric features of the day before ``at`` with those of 35 to 7 days before it.

    Features with fewer than 50 values in either period are left out.
    """
    measured = []
    for schema in (VIEW_SCHEMAS[view] for view in views):
        baseline = _sample(settings, schema, after=at - _BASELINE[0], until=at - _BASELINE[1])
        current = _sample(settings, schema, after=at - _CURRENT, until=at)
        for feature in baseline.columns:
            before, now = (
                frame[feature].drop_nulls().cast(pl.Float64).drop_nans().to_numpy() for frame in (baseline, current)
            )
            if min(len(before), len(now)) < _MIN_ROWS:
                continue
            statistic = float(ks_2samp(before, now).statistic)
            measured.append(Drift(schema.name, feature, population_stability_index(before, now), statistic))
    return sorted(measured, key=lambda drift: -drift.psi)


def plot_drift(measured: Sequence[Drift]) -> Figure:
    """Plot the largest indexes, with the threshold."""
    shown = list(reversed(measured[:_PLOTTED]))
    figure = Figure(figsize=(8, max(2.0, 0.3 * len(shown))), layout="constrained")
    axes = figure.subplots()
    axes.barh([f"{one.view}.{one.feature}" for one in shown], [one.psi for one in shown])
    axes.axvline(PSI_THRESHOLD, color="tab:red", linestyle="--")
    axes.set_xlabel("population stability index")
    return figure


def as_markdown(figure: Figure) -> str:
    """Return a figure as an image in Markdown, for the metadata of an asset."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    return f"![drift](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})"


def log_drift(settings: Settings, measured: Sequence[Drift], *, at: datetime) -> str:
    """Log every index and statistic, and the plot, as a run of experiment ``EXPERIMENT``; return its id."""
    connect(settings)
    # No fluent calls: the active experiment is state of the process, which training in the same process shares.
    client = MlflowClient()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    experiment_id = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT)
    run_id: str = client.create_run(experiment_id, run_name=f"drift {at:%Y-%m-%d %H:%M}").info.run_id
    figures: dict[str, float] = {"drifted_features": sum(one.has_drifted for one in measured)}
    for one in measured:
        figures |= {f"psi.{one.view}.{one.feature}": one.psi, f"ks.{one.view}.{one.feature}": one.ks}
    logged_at = int(at.timestamp() * 1_000)
    client.log_batch(
        run_id, metrics=[Metric(name, value, logged_at, 0) for name, value in figures.items() if math.isfinite(value)]
    )
    client.log_figure(run_id, plot_drift(measured), "drift.png")
    client.set_terminated(run_id)
    return run_id


def _sample(settings: Settings, schema: ViewSchema, *, after: datetime, until: datetime) -> pl.DataFrame:
    numeric = [name for name, kind in schema.features.items() if kind in {FeatureType.INT64, FeatureType.FLOAT32}]
    time = sql.Identifier(EVENT_TIMESTAMP)
    query = sql.SQL(
        "SELECT {columns} FROM {table} WHERE {time} > %s AND {time} <= %s ORDER BY random() LIMIT %s"
    ).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, numeric)),
        table=sql.Identifier(OFFLINE_SCHEMA, schema.name),
        time=time,
    )
    with psycopg.connect(settings.feast_database_url) as connection:
        rows: list[tuple[Any, ...]] = connection.execute(query, (after, until, _MAX_ROWS)).fetchall()
    return pl.DataFrame(rows, schema=dict.fromkeys(numeric, pl.Float64), orient="row", strict=False)
