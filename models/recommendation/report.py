"""Model card and figure of a training run."""

from __future__ import annotations

from matplotlib.figure import Figure

from models.content.encoder import ENCODER
from models.recommendation.gate import MARGIN
from models.recommendation.model_selection import Variant
from models.recommendation.offline_evaluation import EvaluationReport
from models.recommendation.ranking_metrics import bootstrap
from models.recommendation.scoring import STATED_EVIDENCE
from neighborconnect.contracts.events import ItemKind

_METRICS = ("recall", "ndcg")


def plot(report: EvaluationReport, *, kind: ItemKind, seed: int) -> Figure:
    """Plot candidate and baselines with their intervals, and the distribution of the gain over users."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    rankings = {**report.baselines, "candidate": report.candidate, "candidate, cold users": report.cold_user}
    for offset, metric in enumerate(_METRICS):
        intervals = [bootstrap(getattr(metrics, metric), seed=seed) for metrics in rankings.values()]
        left.barh(
            [row + 0.35 * offset for row in range(len(rankings))],
            [interval.mean for interval in intervals],
            height=0.33,
            xerr=[
                [interval.mean - interval.low for interval in intervals],
                [interval.high - interval.mean for interval in intervals],
            ],
            label=f"{metric}@{report.candidate.k}",
        )
    left.set_yticks([row + 0.17 for row in range(len(rankings))], list(rankings))
    left.legend()
    left.set_title(f"{kind.value}: means with 95 % intervals")
    difference = report.candidate.recall - report.baselines[report.strongest_baseline].recall
    right.hist(difference, bins=41, range=(-1, 1))
    right.set_yscale("symlog")
    right.set_title(f"recall@{report.candidate.k} over popularity, by user")
    return figure


def model_card(report: EvaluationReport, *, kind: ItemKind, data_version: str, served: str) -> str:
    """Write the model card in Markdown: use, data, protocol, figures, limits."""
    values = report.as_metrics()
    k = report.candidate.k
    rows = [
        ("candidate", report.candidate),
        ("candidate, as for users without factors", report.cold_user),
        *([] if report.no_history is None else [("candidate, stated interests alone", report.no_history)]),
        *((f"variant {variant}", metrics) for variant, metrics in report.variants.items()),
        *report.baselines.items(),
    ]
    table = "\n".join(
        f"| {name} | {metrics.recall.mean():.4f} | {metrics.ndcg.mean():.4f} | {metrics.coverage:.3f} |"
        for name, metrics in rows
    )
    selection = "\n".join(f"- {reason}" for reason in report.selection.reasons) or "- there are no reduced variants"
    gate = "\n".join(f"- {reason}" for reason in report.gate.reasons)
    config = report.config
    cut = "" if report.split.cut is None else f", cut at {report.split.cut.isoformat()}"
    return f"""# {kind.value} recommender

**What is registered:** {served}.

**Use.** Ranks {kind.value}s for a user's feed, after the API's exclusions (own, joined, hidden).
Not for decisions about people.

**Model.** Variant `{config.variant}` of: implicit-feedback matrix factorization
({config.hyperparameters.factors} factors, alpha {config.hyperparameters.alpha:g}, ridge
{config.hyperparameters.regularization:g}, damping {config.hyperparameters.damping:g}; only in variant
`{Variant.FACTORS}`), responses to impressions (only in variant `{Variant.RESPONSE}`, which has no other part but stated
interests), popularity, text similarity ({ENCODER}) and category affinity, weights
{config.warm_user.as_dict()}; for users without factors {config.cold_user.as_dict()}. Stated interests are the prior of
the affinity, with an interaction weight of {STATED_EVIDENCE:g}. The served model was fitted on all data with the
evaluated configuration.

**Why this variant.** The simplest that no larger one significantly beats (lower bound of the paired bootstrap interval
above {MARGIN:g}) is served: by the response to replayed impressions for posts with enough of them, where affinity alone
is no candidate, else by recall and ndcg.
{selection}

**Data.** {data_version}; {len(report.split.train)} training interactions of
{len(report.split.matrix.user_ids)} users and {len(report.split.matrix.item_ids)} items. Features:
{report.features_source}, available for {values["feature_coverage"]:.0%} of the evaluated users.

**Protocol.** {report.split.protocol}{cut}. {int(values["test_users"])} users, {int(values["test_pairs"])}
held-out pairs. The configuration was selected on earlier splits by the same protocol.

| ranking | recall@{k} | ndcg@{k} | coverage@{k} |
|---|---|---|---|
{table}

**Gate: {"passed" if report.gate.passed else "refused"}.**
{gate}

**Limits.** Held-out interactions depend on what users were shown (exposure bias): an item that was never shown could
not be liked. Items without interactions are ranked by text and category alone.
"""
