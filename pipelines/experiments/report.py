"""Readout of an experiment: computation, plot, and its run in MLflow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag

from models.tracking import connect
from neighborconnect.settings import Settings
from pipelines.experiments.definitions import Definition
from pipelines.experiments.outcomes import read_users
from pipelines.experiments.statistics import Comparison, Effect, Readout, read_out

EXPERIMENT: Final = "experiment readouts"


def read(settings: Settings, definition: Definition) -> Readout:
    """Return the readout of an experiment from the marts.

    Raises:
        psycopg.Error: if the warehouse is unreachable, or has no marts yet.
    """
    return read_out(
        read_users(settings, experiment=definition.key),
        experiment=definition.key,
        weights=definition.weights,
        primary_metric=definition.primary_metric,
        guardrails=definition.guardrails,
    )


def effects(readout: Readout) -> Iterator[tuple[Comparison, Effect]]:
    """Yield the effects of all variants."""
    for comparison in readout.comparisons:
        for effect in comparison.effects:
            yield comparison, effect


def plot(readout: Readout) -> Figure:
    """Plot the differences relative to the control, with their intervals for one look and for every time."""
    rows = [(comparison, one) for comparison, one in effects(readout) if one.control]
    figure = Figure(figsize=(8, 1.5 + 0.4 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, (_, one) in enumerate(rows):
        base, color = abs(one.control), "tab:red" if one.is_breach else "tab:blue"
        axes.plot([one.always_low / base, one.always_high / base], [place, place], color=color, alpha=0.4)
        axes.plot([one.low / base, one.high / base], [place, place], color=color, linewidth=4)
        axes.plot(one.difference / base, place, "o", color="black")
    axes.set_yticks(range(len(rows)), [f"{comparison.variant}: {one.metric}" for comparison, one in rows])
    axes.axvline(0.0, color="gray", linestyle="--")
    axes.set_xlabel("difference from the control, relative; thick: 95 % for one look, thin: at every time")
    axes.set_title(readout.experiment)
    return figure


def log(settings: Settings, readout: Readout) -> str:
    """Log a readout in the run of its experiment, in the MLflow experiment ``EXPERIMENT``; return the id of the run.

    The run has the metrics of all readouts over time, and the plot of the last one.
    """
    connect(settings)
    client, now = MlflowClient(), datetime.now(UTC)
    run_id = _run_of(client, readout.experiment)
    figures = {f"users.{name}": float(size) for name, size in readout.users.items()}
    if readout.sample_ratio_p_value is not None:
        figures["sample_ratio_p_value"] = readout.sample_ratio_p_value
    for comparison, one in effects(readout):
        name = f"{comparison.variant}.{one.metric}"
        figures |= {name: one.difference, f"{name}_low": one.always_low, f"{name}_high": one.always_high}
    at = int(now.timestamp() * 1_000)
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, at, 0) for name, value in figures.items() if math.isfinite(value)],
        tags=[RunTag("refusal", readout.refusal)],
    )
    client.log_figure(run_id, plot(readout), "effects.png")
    client.set_terminated(run_id)
    return run_id


def _run_of(client: MlflowClient, key: str) -> str:
    """Return the run of an experiment, which the first readout creates."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    experiment_id = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT)
    found = client.search_runs([experiment_id], filter_string=f"tags.experiment = '{key}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    return str(client.create_run(experiment_id, run_name=key, tags={"experiment": key}).info.run_id)
