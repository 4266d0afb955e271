"""What a person reads about a run: the model card and the figure."""

from __future__ import annotations

from matplotlib.figure import Figure

from models.recommendation.content import ENCODER
from models.recommendation.evaluate import bootstrap
from models.recommendation.judging import Judgement
from neighborconnect.contracts.events import ItemKind

_METRICS = ("recall", "ndcg")


def plot(judgement: Judgement, *, kind: ItemKind, seed: int) -> Figure:
    """Draw the candidate beside the baselines with their intervals, and where people win and lose by it."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    rankings = {**judgement.baselines, "candidate": judgement.candidate, "candidate, newcomers": judgement.newcomer}
    for offset, metric in enumerate(_METRICS):
        intervals = [bootstrap(getattr(metrics, metric), seed=seed) for metrics in rankings.values()]
        left.barh(
            [place + 0.35 * offset for place in range(len(rankings))],
            [interval.mean for interval in intervals],
            height=0.33,
            xerr=[
                [interval.mean - interval.low for interval in intervals],
                [interval.high - interval.mean for interval in intervals],
            ],
            label=f"{metric}@{judgement.candidate.k}",
        )
    left.set_yticks([place + 0.17 for place in range(len(rankings))], list(rankings))
    left.legend()
    left.set_title(f"{kind.value}: means with 95 % intervals")
    difference = judgement.candidate.recall - judgement.baselines[judgement.strongest_baseline].recall
    right.hist(difference, bins=41, range=(-1, 1))
    right.set_yscale("symlog")
    right.set_title(f"recall@{judgement.candidate.k} over popularity, by person")
    return figure


def model_card(judgement: Judgement, *, kind: ItemKind, data_version: str, served: str) -> str:
    """Write the model card in Markdown: use, data, protocol, figures, limits."""
    metrics = judgement.as_metrics()
    k = judgement.candidate.k
    rows = [
        ("candidate", judgement.candidate),
        ("candidate, as for newcomers", judgement.newcomer),
        *judgement.baselines.items(),
    ]
    table = "\n".join(
        f"| {name} | {found.recall.mean():.4f} | {found.ndcg.mean():.4f} | {found.coverage:.3f} |"
        for name, found in rows
    )
    gate = "\n".join(f"- {reason}" for reason in judgement.gate.reasons)
    recipe = judgement.recipe
    cut = "" if judgement.split.cut is None else f", cut at {judgement.split.cut.isoformat()}"
    return f"""# {kind.value} recommender

**What is registered:** {served}.

**Use.** Ranks {kind.value}s for a neighbour's feed, behind exclusions that the API gives (own, joined, hidden).
Not for decisions about people.

**Model.** Implicit-feedback matrix factorisation ({recipe.hyperparameters.factors} factors, alpha
{recipe.hyperparameters.alpha:g}, ridge {recipe.hyperparameters.regularization:g}, damping
{recipe.hyperparameters.damping:g}) plus popularity, text similarity ({ENCODER}) and category affinity, weights
{recipe.known.as_dict()}; for people without factors {recipe.newcomer.as_dict()}. What is served was fitted on all
the data by the recipe that was judged.

**Data.** {data_version}; {len(judgement.split.train)} training interactions of
{len(judgement.split.matrix.user_ids)} people with {len(judgement.split.matrix.item_ids)} items. Features:
{judgement.features_source}, known for {metrics["feature_coverage"]:.0%} of the people judged.

**Protocol.** {judgement.split.protocol}{cut}. {int(metrics["test_people"])} people, {int(metrics["test_pairs"])}
held-out pairs. The recipe was chosen on earlier splits by the same protocol.

| ranking | recall@{k} | ndcg@{k} | coverage@{k} |
|---|---|---|---|
{table}

**Gate: {"passed" if judgement.gate.passed else "refused"}.**
{gate}

**Limits.** Held-out interactions happened under whatever was shown at the time, so what was never shown could not
be liked. Items without an interaction rank by text and category alone.
"""
