"""``moderation-functions``: the shipped moderation model and policy on the functional suite, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from models.benchmarks.ship import held_out_tweets
from models.benchmarks.texts import SEED
from models.content.adapter import Adapter, from_bytes
from models.content.analyzer import MODERATION, TextAnalyzer
from models.content.data import LabeledTexts
from models.content.functional import Part, build_cases
from models.content.functional.evaluation import FunctionalReport, Judgement, Share, evaluate, is_right
from models.content.functional.suite import HARMLESS, SELF_HARM, Case
from models.content.train import build, judge_with, read_shipped_policy, shipped_adapters
from models.recommendation.ranking_metrics import ConfidenceInterval, bootstrap

NAME = "moderation-functions"
_SEEDS, _PER_FUNCTION = (1, 2, 3), 100
_LISTINGS = "neighborhood"


def run(*, console: Console, previous: Path | None, data: Path | None) -> None:
    """Print the shares of right verdicts by function and group, with intervals.

    Args:
        console: console to print to.
        data: folder of the data sets, for the tweets that the shipped weights have not seen; None to omit them.
        previous: folder with ``moderation.safetensors`` and ``policy.toml`` of a version to compare with.
    """
    adapters = shipped_adapters()
    analyzers = {"shipped": _analyzer(adapters, policy=read_shipped_policy())}
    if previous is not None:
        former = from_bytes((previous / f"{MODERATION}.safetensors").read_bytes())
        policy = (previous / "policy.toml").read_text(encoding="utf-8")
        analyzers["previous"] = _analyzer(adapters | {MODERATION: former}, policy=policy)
    cases = sorted(
        {case for seed in _SEEDS for case in build_cases(Part.TEST, per_function=_PER_FUNCTION, seed=seed)},
        key=lambda case: (case.function, case.text),
    )
    with console.status("evaluating"):
        texts = [case.text for case in cases]
        judged = {name: judge_with(analyzer)(texts) for name, analyzer in analyzers.items()}
    reports = {name: _report(cases, each) for name, each in judged.items()}
    console.print(f"test part of the functional suite: {len(cases)} cases of {len(_SEEDS)} seeds")
    for title, shares in (
        ("right verdicts", _totals),
        ("right verdicts by function", lambda report: report.by_function),
        ("flagged attacks by group", lambda report: report.recall_by_group),
        ("flagged neutral and positive mentions by group", lambda report: report.false_positives_by_group),
    ):
        console.print(_table(title, {name: shares(report) for name, report in reports.items()}))
    if previous is not None:
        for name, gain in paired_gains(cases, judged["shipped"], judged["previous"]).items():
            console.print(f"{name}, shipped minus previous: {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]")
    if data is not None:
        _, tweets = held_out_tweets(data)
        console.print(
            _table(
                "flagged tweets by their votes",
                {name: _flagged_tweets(analyzer, tweets) for name, analyzer in analyzers.items()},
            )
        )
    listings = [case.text for case in cases if case.function == _LISTINGS]
    for name, analyzer in analyzers.items():
        spam = sum(analyzer.spam(text).is_spam for text in listings)
        console.print(
            f"{name}: spelling loss {reports[name].spelling_loss:.3f}; {spam} of {len(listings)} listings spam"
        )


def paired_gains(
    cases: Sequence[Case], shipped: Sequence[Judgement], previous: Sequence[Judgement]
) -> dict[str, ConfidenceInterval]:
    """Return the differences of the right verdicts of two versions on the same cases, with bootstrap intervals.

    Args:
        cases: cases of the suite.
        shipped: judgements of one version, in the order of the cases.
        previous: judgements of the other version.
    """
    rights = [
        np.array([is_right(case, each) for case, each in zip(cases, judged, strict=True)], dtype=np.int64)
        for judged in (shipped, previous)
    ]
    rows = {
        "harmful flagged": [case.is_harmful for case in cases],
        "harmless passed": [case.label == HARMLESS for case in cases],
        "threats flagged": [case.is_harmful and case.function.startswith("threat") for case in cases],
        "self-harm helped": [case.label == SELF_HARM for case in cases],
    }
    gains = (rights[0] - rights[1]).astype(np.float64)
    return {name: bootstrap(gains[chosen], seed=SEED) for name, chosen in rows.items() if any(chosen)}


def _report(cases: Sequence[Case], judgements: Sequence[Judgement]) -> FunctionalReport:
    return evaluate(lambda _texts: judgements, cases)


def _analyzer(adapters: dict[str, Adapter], *, policy: str) -> TextAnalyzer:
    return TextAnalyzer.load(build(adapters, policy=policy, progress=lambda _text: None), model_version="benchmark")


def _flagged_tweets(analyzer: TextAnalyzer, tweets: LabeledTexts) -> dict[str, Share]:
    judgements = list(zip(tweets.labels.tolist(), judge_with(analyzer)([*tweets.texts]), strict=True))
    return {
        name: Share(
            sum(judgement.is_flagged for label, judgement in judgements if label == place),
            sum(label == place for label, _ in judgements),
        )
        for place, name in enumerate(tweets.classes)
    }


def _totals(report: FunctionalReport) -> dict[str, Share]:
    return {
        "harmful flagged": report.hateful_flagged,
        "harmless passed": report.harmless_passed,
        "threats flagged": report.threats_flagged,
        "self-harm helped": report.self_harm_helped,
    }


def _table(title: str, columns: dict[str, dict[str, Share]]) -> Table:
    table = Table(title=title, min_width=70)
    table.add_column("")
    table.add_column("cases")
    for name in columns:
        table.add_column(name)
    first = next(iter(columns.values()))
    for row, share in first.items():
        table.add_row(row, str(share.of), *(str(shares[row]) for shares in columns.values()))
    return table
