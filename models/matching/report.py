"""Model card and figures of a training run of the matching model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve

from models.matching.evaluate import EvaluationReport
from models.matching.scorer import LogisticScorer
from models.matching.social_graph import SocialGraph

_BINS = 10


def plot_reports(reports: Mapping[str, EvaluationReport], scorers: Mapping[str, LogisticScorer]) -> Figure:
    """Plot calibration and feature weights of each task."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    for row, (name, report) in enumerate(reports.items()):
        left, right = figure.add_subplot(2, 2, 2 * row + 1), figure.add_subplot(2, 2, 2 * row + 2)
        observed, predicted = calibration_curve(report.labels, report.probabilities, n_bins=_BINS, strategy="quantile")
        left.plot((0, 1), (0, 1), linestyle="--", color="grey")
        left.plot(predicted, observed, marker="o")
        left.set_title(f"{name}: calibration (Brier score {report.brier:.3f})")
        right.barh(scorers[name].features, scorers[name].weights)
        right.set_title(f"{name}: feature weights")
    return figure


def model_card(
    graph: SocialGraph,
    reports: Mapping[str, EvaluationReport],
    *,
    served: Mapping[str, str],
    reasons: Sequence[str],
    data: str,
) -> str:
    """Return the model card in Markdown: use, data, protocol, metrics, limits."""
    figures = "\n".join(
        f"| {name} | {method} | {auc.value:.4f} [{auc.low:.4f}, {auc.high:.4f}] | {report.pairs} |"
        for name, report in reports.items()
        for method, auc in report.auc.items()
    )
    kinds = "\n".join(f"- {name}: {method}" for name, method in served.items())
    sampling = "the latest fifth" if graph.followed_at.any() else "a random fifth"
    return f"""# Matching

**Use.** Suggests users, connectors and interests to a user, after the API's permission checks. Not for decisions about
people.

**Model.** Logistic regression over pair features (common neighbors, Adamic-Adar, a short random walk, embeddings of
follows and memberships, shared connectors and interests, H3 cells of homes), small enough to read in `model.json`.
Served:

{kinds}

**Data.** {data}: {len(graph.users)} users, {len(graph.follows)} follows, {len(graph.connectors)} connectors,
{len(graph.members)} memberships, {len(np.unique(graph.likes[:, 0])) if len(graph.likes) else 0} users with
interests. Users without consent to personalization are not included.

**Protocol.** {sampling} of follows and memberships was held out, with as many sampled negative pairs; weights were
trained on a second hold-out of the rest. AUC with 95 % bootstrap intervals over pairs.

| task | method | AUC | pairs |
|---|---|---|---|
{figures}

**Gate.**
{chr(10).join(f"- {reason}" for reason in reasons)}

**Limits.** Random negatives are easy: active users are in more held-out pairs, so popularity alone scores well. Follows
depend in part on what users were shown (exposure bias).
"""
