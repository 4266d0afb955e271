"""Model card and figures of a training run of the content models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from models.content.adapter import Adapter
from models.content.data import IntArray
from models.content.encoder import ENCODER
from models.content.evaluate import BiasReport
from models.content.functional.evaluation import SPELLING, FunctionalReport, Share


def plot_bias(bias: BiasReport, *, max_rate: float) -> Figure:
    """Plot the false positive rate on benign texts by group, with the limit of the policy."""
    groups = {**bias.by_identity, **bias.by_dialect}
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.barh(list(groups), list(groups.values()))
    axes.axvline(max_rate, color="tab:red", linestyle="--", label="limit of the policy")
    axes.set_xlim(0, max(0.2, *groups.values(), max_rate) * 1.1)
    axes.set_title("False positive rate on benign texts")
    axes.legend()
    return figure


def plot_functions(report: FunctionalReport) -> Figure:
    """Plot the share of right verdicts by function of the suite, with 95 % intervals."""
    figure = Figure(figsize=(8, 9), layout="constrained")
    axes = figure.subplots()
    shares = list(report.by_function.values())
    values = np.array([share.value for share in shares])
    low, high = np.array([share.interval for share in shares]).T
    axes.barh(list(report.by_function), values, xerr=np.clip([values - low, high - values], 0, None))
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_title("Right verdicts by function, test part of the functional suite")
    return figure


def plot_confusion(confusion: IntArray, *, classes: Sequence[str]) -> Figure:
    """Plot the number of moderators' decisions by their class and the predicted one."""
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(confusion, cmap="Blues")
    for (row, column), count in np.ndenumerate(confusion):
        axes.text(column, row, str(count), ha="center", va="center", color="tab:red")
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("decided by moderators")
    axes.set_title("Decisions that trained nothing")
    return figure


def model_card(
    adapters: Mapping[str, Adapter],
    *,
    bias: BiasReport,
    report: FunctionalReport,
    reasons: Sequence[str],
    promoted: bool,
    data_version: str,
) -> str:
    """Return the model card in Markdown: use, data, metrics, fairness, functions, limits."""
    rows = [
        (task, ", ".join(adapter.classes), adapter.card.get("data", ""), adapter.card.get("figures", ""))
        for task, adapter in adapters.items()
    ]
    tasks = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    shares = "\n".join(f"| {group} | {share:.1%} |" for group, share in {**bias.by_identity, **bias.by_dialect}.items())
    functions = "\n".join(f"| {name} | {share.value:.0%} |" for name, share in _by_function(report).items())
    groups = "\n".join(
        f"| {group} | {_percent(report.recall_by_group.get(group))} | {_percent(share)} |"
        for group, share in report.false_positives_by_group.items()
    )
    return f"""# Content models

**Use.** Sentiment, moderation triage, spam detection and named entities of texts. The models triage; people decide. Not
for decisions about people.

**Model.** {ENCODER} with low-rank adapters (LoRA) and a linear head per task, merged, quantized to eight bits,
run by ONNX Runtime. Moderators' decisions: {data_version}.

| task | classes | trained on | metrics and protocol |
|---|---|---|---|
{tasks}

**Fairness.** False positive rate on benign texts by and about groups of people, and in dialects:

| group | flagged |
|---|---|
{shares}

**Functions.** Right verdicts on a sample of the test part of the functional suite; ``functions.png`` has the intervals:

| function | right |
|---|---|
{functions}

| group | attacks flagged | neutral and positive mentions flagged |
|---|---|---|
{groups}

**Gate: {"passed" if promoted else "refused"}.**
{chr(10).join(f"- {reason}" for reason in reasons)}

**Limits.** English. Hate, insults, threats, sexual content and self-harm were trained on sentences made of our own
templates, and on tweets of 2017 that were sampled by slurs: wording unlike both is missed more often. Denied hate,
denied praise and insults without slurs are often decided wrong. Names of groups that ``identity_terms.toml`` lacks are
recognized less often. Sentiment was trained on film reviews.
"""


def _by_function(report: FunctionalReport) -> dict[str, Share]:
    """Return the shares by function, with all spellings as one; a description in the registry has 5,000 characters."""
    shares = {name: share for name, share in report.by_function.items() if not name.startswith(SPELLING)}
    spelled = [share for name, share in report.by_function.items() if name.startswith(SPELLING)]
    return shares | {"other spellings": Share(sum(one.count for one in spelled), sum(one.of for one in spelled))}


def _percent(share: Share | None) -> str:
    return "-" if share is None else f"{share.value:.0%}"
