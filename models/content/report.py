"""What a person reads about a run of the content models: the model card and the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from models.content.adapter import Adapter
from models.content.encoder import ENCODER
from models.content.evaluate import BiasReport


def draw_bias(bias: BiasReport, *, most: float) -> Figure:
    """Draw the share of harmless texts that would be flagged, by group, beside what the policy allows."""
    groups = {**bias.by_identity, **bias.by_dialect}
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.barh(list(groups), list(groups.values()))
    axes.axvline(most, color="tab:red", linestyle="--", label="most that the policy allows")
    axes.set_xlim(0, max(0.2, *groups.values(), most) * 1.1)
    axes.set_title("Share of harmless texts that would be flagged")
    axes.legend()
    return figure


def model_card(
    adapters: Mapping[str, Adapter], *, bias: BiasReport, reasons: Sequence[str], promoted: bool, data_version: str
) -> str:
    """Write the model card in Markdown: use, data, figures, fairness, limits."""
    rows = [
        (task, ", ".join(adapter.classes), adapter.card.get("data", ""), adapter.card.get("figures", ""))
        for task, adapter in adapters.items()
    ]
    tasks = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    shares = "\n".join(f"| {group} | {share:.1%} |" for group, share in {**bias.by_identity, **bias.by_dialect}.items())
    return f"""# Content models

**Use.** Tell how a text sounds, whether a person should look at it before it is shown, whether it is spam, and what
it names. They sort; people decide. Not for judging people.

**Model.** {ENCODER} with low-rank adapters (LoRA) and a linear head a task, merged, in eight bits, run by ONNX
Runtime. Moderators' decisions: {data_version}.

| task | classes | trained on | figures, and how they were got |
|---|---|---|---|
{tasks}

**Fairness.** Harmless texts by and about groups of people, and in dialects, that would not simply be shown:

| group | flagged |
|---|---|
{shares}

**Gate: {"passed" if promoted else "refused"}.**
{chr(10).join(f"- {reason}" for reason in reasons)}

**Limits.** English. Hate and offence are learnt from tweets of 2017 that were chosen by slurs, so quiet malice is
missed; threats, self-harm and sexual content have no training set whose licence allows shipping, and are not told
apart. Feelings are learnt from film reviews.
"""
