"""Methods that rank the items of a data set: today's trainer, and the peers that it is measured against."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from rich.console import Console
from rich.table import Table

from models.benchmarks import sequence_model
from models.benchmarks.graph_filter import select_and_fit
from models.benchmarks.loaders import Benchmark
from models.recommendation.data import LeaveLastOut, checked_items
from models.recommendation.features import InteractionFeatures
from models.recommendation.model_selection import Progress, select_config
from models.recommendation.offline_evaluation import EvaluationReport, evaluate_config
from models.recommendation.ranking_metrics import RankingMetrics, Scorer, bootstrap, evaluate
from models.recommendation.score_components import Items

SEED = 20_261
_METRICS = ("recall", "ndcg", "hit")
_KIB_PER_MIB = 1024


class Method(StrEnum):
    """A method that a data set of interactions is ranked by."""

    TRAINER = "trainer"
    GRAPH_FILTER = "graph-filter"
    SEQUENCE = "sequence"


@dataclass(frozen=True)
class Ranking:
    """Metrics of one method on the test side."""

    name: str
    metrics: RankingMetrics


def methods_of(benchmark: Benchmark) -> tuple[Method, ...]:
    """Return the methods that apply to a data set: the sequence model needs the order of a user's acts."""
    has_order = isinstance(benchmark.validation, LeaveLastOut)
    return tuple(Method) if has_order else (Method.TRAINER, Method.GRAPH_FILTER)


def run(benchmark: Benchmark, *, methods: Sequence[Method], seeds: int, console: Console) -> None:
    """Train and evaluate by each method, and print the results next to published ones.

    Args:
        benchmark: data set.
        methods: methods to run.
        seeds: number of trainings of the sequence model.
        console: receives the progress and the results.
    """

    def progress(text: str) -> None:
        console.print(f"  {text}", style="dim")

    runners: dict[Method, Callable[[Benchmark, Progress], list[Ranking]]] = {
        Method.TRAINER: run_trainer,
        Method.GRAPH_FILTER: run_graph_filter,
        Method.SEQUENCE: lambda benchmark, progress: run_sequence(benchmark, progress, seeds=seeds),
    }
    rankings: list[Ranking] = []
    for method in methods:
        started, used = time.monotonic(), time.process_time()
        rankings += runners[method](benchmark, progress)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_PER_MIB
        console.print(
            f"{method}: {time.monotonic() - started:.0f} s ({time.process_time() - used:.0f} s of processor time) with "
            f"selection, fit and evaluation; peak memory of the process so far {peak:.0f} MiB",
            soft_wrap=True,
        )
    console.print(comparison(benchmark, rankings))
    for text in differences(rankings):
        console.print(text, soft_wrap=True)
    console.print(f"{len(rankings[0].metrics.users)} users evaluated, seed {SEED}")


def run_trainer(benchmark: Benchmark, progress: Progress) -> list[Ranking]:
    """Return the rankings by popularity and by the platform's trainer."""
    report = train_and_evaluate(benchmark, progress=progress)
    progress(f"configuration: {report.config.as_dict()}")
    for reason in report.gate.reasons:
        progress(reason)
    baselines = [Ranking(name.replace("_", " "), metrics) for name, metrics in report.baselines.items()]
    return [*baselines, Ranking("this trainer", report.candidate)]


def train_and_evaluate(benchmark: Benchmark, *, progress: Progress) -> EvaluationReport:
    """Select a configuration on the training set, as the platform's trainer does, and evaluate it on the test set."""
    frame = checked_items(benchmark.items)
    items = Items(frame, np.zeros((len(frame), 0), dtype=np.float32))
    features = InteractionFeatures()
    config = select_config(
        benchmark.split, protocol=benchmark.validation, items=items, features=features, seed=SEED, progress=progress
    )
    return evaluate_config(
        benchmark.split,
        config=config,
        champion_config=None,
        items=items,
        features=features,
        seed=SEED,
        progress=progress,
        k=benchmark.k,
    )


def run_graph_filter(benchmark: Benchmark, progress: Progress) -> list[Ranking]:
    """Return the ranking by the graph filter, whose parameters are selected on the training set."""
    split = benchmark.split
    fitted = select_and_fit(split, protocol=benchmark.validation, k=benchmark.k, seed=SEED, progress=progress)
    progress(f"selected: {fitted.parameters.as_dict()}")
    return [Ranking("graph filter", _evaluate(benchmark, fitted.scorer(split.matrix.weights)))]


def run_sequence(
    benchmark: Benchmark,
    progress: Progress,
    *,
    seeds: int = 1,
    hyperparameters: sequence_model.SequenceHyperparameters | None = None,
) -> list[Ranking]:
    """Return the ranking by the sequence model of each seed and, of several, their mean."""
    histories = sequence_model.histories_of(benchmark.split.train, matrix=benchmark.split.matrix)
    rankings = []
    for seed in range(1, seeds + 1):
        fitted = sequence_model.fit(benchmark.split, seed=seed, progress=progress, hyperparameters=hyperparameters)
        metrics = _evaluate(benchmark, fitted.scorer(histories))
        figures = ", ".join(f"{name} {value:.4f}" for name, value in metrics.means().items())
        progress(f"seed {seed}: epoch {fitted.epoch}, selected on the training set; {figures}")
        rankings.append(Ranking(f"sequence, seed {seed}", metrics))
    if seeds == 1:
        return rankings
    means = {metric: np.mean([getattr(one.metrics, metric) for one in rankings], axis=0) for metric in _METRICS}
    return [*rankings, Ranking("sequence, mean of seeds", replace(rankings[0].metrics, **means))]


def comparison(benchmark: Benchmark, rankings: Sequence[Ranking]) -> Table:
    """Return a table of the measured and the published results."""
    table = Table(title=f"{benchmark.name}: {benchmark.split.protocol}", min_width=90)
    for heading in ("method", *(f"{metric}@{benchmark.k}" for metric in _METRICS), "from"):
        table.add_column(heading)
    for ranking in rankings:
        cells = (_cell(getattr(ranking.metrics, metric)) for metric in _METRICS)
        table.add_row(ranking.name, *cells, "this run")
    for published in benchmark.published:
        figures = (published.figures.get(metric) for metric in _METRICS)
        table.add_row(
            published.method, *("" if figure is None else f"{figure:.4f}" for figure in figures), published.source
        )
    return table


def differences(rankings: Sequence[Ranking]) -> list[str]:
    """Return a sentence for each peer with its differences to the platform's trainer, paired over users."""
    trainer = next((ranking for ranking in rankings if ranking.name == "this trainer"), None)
    if trainer is None:
        return []
    texts = []
    for peer in rankings[rankings.index(trainer) + 1 :]:
        cells = (
            f"{metric} {_cell(getattr(peer.metrics, metric) - getattr(trainer.metrics, metric), sign='+')}"
            for metric in _METRICS
        )
        texts.append(f"{peer.name} minus this trainer: {', '.join(cells)}")
    return texts


def _cell(values: np.ndarray, *, sign: str = "") -> str:
    found = bootstrap(values, seed=SEED)
    return f"{found.mean:{sign}.4f} [{found.low:{sign}.4f}, {found.high:{sign}.4f}]"


def _evaluate(benchmark: Benchmark, scorer: Scorer) -> RankingMetrics:
    split = benchmark.split
    return evaluate(scorer, seen=split.mask, held_out=split.matrix.encode(split.test), k=benchmark.k)
