"""What a person reads about a run of the matching model: the model card and the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve

from models.matching.combination import Combination
from models.matching.evaluate import Judgement
from models.matching.town import Town

_BINS = 10


def draw_judgement(judgements: Mapping[str, Judgement], combinations: Mapping[str, Combination]) -> Figure:
    """Draw how true the chances are, and what each sign weighs, for people and for connectors."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    for row, (name, judgement) in enumerate(judgements.items()):
        left, right = figure.add_subplot(2, 2, 2 * row + 1), figure.add_subplot(2, 2, 2 * row + 2)
        happened, said = calibration_curve(judgement.labels, judgement.chances, n_bins=_BINS, strategy="quantile")
        left.plot((0, 1), (0, 1), linestyle="--", color="grey")
        left.plot(said, happened, marker="o")
        left.set_title(f"{name}: chances as said, and as they came (Brier {judgement.brier:.3f})")
        how = combinations[name]
        right.barh(how.signs, how.weights)
        right.set_title(f"{name}: weight of each sign")
    return figure


def model_card(
    town: Town, judgements: Mapping[str, Judgement], *, served: Mapping[str, str], reasons: Sequence[str], data: str
) -> str:
    """Write the model card in Markdown: use, data, protocol, figures, limits."""
    figures = "\n".join(
        f"| {name} | {method} | {auc.value:.4f} [{auc.low:.4f}, {auc.high:.4f}] | {judgement.pairs} |"
        for name, judgement in judgements.items()
        for method, auc in judgement.auc.items()
    )
    kinds = "\n".join(f"- {name}: {method}" for name, method in served.items())
    timed = "the latest fifth of them" if town.tied_at.any() else "a fifth of them, drawn by chance"
    return f"""# Matching

**Use.** Suggests people, connectors and interests to a person, behind the API's permissions. Not for decisions about
people.

**Model.** A logistic regression over signs of nearness (common ties, Adamic-Adar, a short random walk, vectors of ties
and memberships, shared connectors and interests, place in H3 cells), small enough to read in `model.json`. Served:

{kinds}

**Data.** {data}: {len(town.people)} people, {len(town.ties)} ties, {len(town.connectors)} connectors,
{len(town.members)} memberships, {len(np.unique(town.likes[:, 0])) if len(town.likes) else 0} people with interests. Who
refuses to be served personally is not in it.

**Protocol.** Ties and memberships were hidden, {timed}, and told from as many pairs drawn by chance; weights were
learnt by hiding again what was left. AUC, 95 % bootstrap over pairs.

| what | method | AUC | pairs |
|---|---|---|---|
{figures}

**Gate.**
{chr(10).join(f"- {reason}" for reason in reasons)}

**Limits.** Pairs drawn by chance are easy: whoever knows many is more often in a hidden tie, so popularity alone does
well. What people were shown decided in part whom they followed.
"""
