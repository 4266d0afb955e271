"""Weekly evaluation of what was recommended: behavior after the responses of seven days, against the seven days before.

Offline metrics are logged by each training; these are of served responses, by kind of item and source. The intervals
take impressions as independent; those of one user are not, so that the true intervals are wider.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import psycopg
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient
from scipy.stats import binomtest

from models.tracking import connect
from neighborconnect.settings import Settings

EXPERIMENT: Final = "weekly-evaluation"
PERIOD: Final = timedelta(days=7)
_QUALITY: Final = """
    SELECT item_kind, path, sum(responses)::bigint, sum(impressions)::bigint, sum(clicks)::bigint, sum(hides)::bigint
    FROM marts.daily_recommendation_quality WHERE prediction_date >= %s AND prediction_date < %s
    GROUP BY item_kind, path ORDER BY item_kind, path
"""


@dataclass(frozen=True, slots=True)
class SourceQuality:
    """Behavior after the responses of one source about one kind of item.

    Attributes:
        item_kind: kind of the recommended items.
        source: path that made the responses, such as ``collaborative`` or ``popular``.
        responses: number of responses.
        impressions: number of impressions of their items.
        clicks: number of clicks on them.
        hides: number of hides of them.
        click_through_before: clicks per impression in the period before; None without impressions.
    """

    item_kind: str
    source: str
    responses: int
    impressions: int
    clicks: int
    hides: int
    click_through_before: float | None

    @property
    def click_through(self) -> float | None:
        """Clicks per impression; None without impressions."""
        return min(self.clicks, self.impressions) / self.impressions if self.impressions else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson interval of the click-through at 95 %; None without impressions."""
        if not self.impressions:
            return None
        found = binomtest(min(self.clicks, self.impressions), self.impressions).proportion_ci(method="wilson")
        return float(found.low), float(found.high)


def evaluate_week(settings: Settings, *, until: date) -> list[SourceQuality]:
    """Return the quality of each kind and source in the seven UTC days before ``until``."""
    with psycopg.connect(settings.warehouse_url) as connection:
        before = {
            (kind, source): min(clicks, impressions) / impressions
            for kind, source, _, impressions, clicks, _ in connection.execute(
                _QUALITY, (until - 2 * PERIOD, until - PERIOD)
            )
            if impressions
        }
        rows = connection.execute(_QUALITY, (until - PERIOD, until)).fetchall()
    return [
        SourceQuality(kind, source, responses, impressions, clicks, hides, before.get((kind, source)))
        for kind, source, responses, impressions, clicks, hides in rows
    ]


def as_table(qualities: Sequence[SourceQuality]) -> str:
    """Return the qualities as a table in Markdown, for the metadata of an asset."""
    lines = [
        "| Kind | Source | Responses | Impressions | Click-through (95 %) | The week before | Hides |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in qualities:
        interval = one.interval
        rate = "-" if interval is None else f"{one.click_through:.2%} ({interval[0]:.2%} to {interval[1]:.2%})"
        earlier = "-" if one.click_through_before is None else f"{one.click_through_before:.2%}"
        numbers = f"{one.responses:,} | {one.impressions:,} | {rate} | {earlier} | {one.hides:,}"
        lines.append(f"| {one.item_kind} | {one.source} | {numbers} |")
    return "\n".join(lines)


def log_week(settings: Settings, qualities: Sequence[SourceQuality], *, until: date) -> str:
    """Log the qualities as a run of experiment ``EXPERIMENT``; return its id."""
    connect(settings)
    client = MlflowClient()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    experiment_id = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT)
    run_id: str = client.create_run(experiment_id, run_name=f"week before {until}").info.run_id
    try:
        _log_figures(client, run_id, qualities)
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id)
    return run_id


def _log_figures(client: MlflowClient, run_id: str, qualities: Sequence[SourceQuality]) -> None:
    figures: dict[str, float] = {}
    for one in qualities:
        name = f"{one.item_kind}.{one.source}"
        figures[f"responses.{name}"] = one.responses
        if one.click_through is not None and one.interval is not None:
            figures[f"click_through.{name}"] = one.click_through
            figures[f"click_through_low.{name}"], figures[f"click_through_high.{name}"] = one.interval
    client.log_batch(run_id, metrics=[Metric(name, value, 0, 0) for name, value in figures.items()])
    client.log_text(run_id, as_table(qualities), "evaluation.md")
