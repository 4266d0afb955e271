"""``python -m models.benchmarks gowalla [--data PATH]``: the trainers on public data sets, with published results.

``simulated-town`` is a folder of ``python -m simulator.dataset``.
``own-interactions``, ``own-texts`` and ``own-ties`` are your own files; ``--data`` names the file.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from models.benchmarks import graphs, groups, moderation, text_runs, themes, town
from models.benchmarks.files import FileError
from models.benchmarks.graphs import GRAPH_BENCHMARKS
from models.benchmarks.loaders import LOADERS, Benchmark
from models.benchmarks.pictures import PICTURE_BENCHMARKS
from models.benchmarks.text_runs import TEXT_BENCHMARKS
from models.matching.evaluate import NotEnoughDataError as TooFewPairsError
from models.recommendation.data import NotEnoughDataError, checked_items
from models.recommendation.features import InteractionFeatures
from models.recommendation.model_selection import select_config
from models.recommendation.offline_evaluation import EvaluationReport, evaluate_config
from models.recommendation.score_components import Items

SEED = 20_261
_OTHERS: dict[str, Callable[..., None]] = {
    **PICTURE_BENCHMARKS,
    "banking77-themes": themes.run,
    "camra2011-group": groups.run,
    "simulated-town": town.run,
}
NAMES = (*LOADERS, *TEXT_BENCHMARKS, *GRAPH_BENCHMARKS, *_OTHERS, moderation.NAME)
_METRICS = ("recall", "ndcg", "hit")


def train_and_evaluate(benchmark: Benchmark, *, console: Console) -> EvaluationReport:
    """Select a configuration on the training set, as the platform's trainer does, and evaluate it on the test set."""

    def progress(text: str) -> None:
        console.print(f"  {text}", style="dim")

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


def comparison(benchmark: Benchmark, report: EvaluationReport) -> Table:
    """Return a table of the measured and the published results."""
    table = Table(title=f"{benchmark.name}: {benchmark.split.protocol}", min_width=90)
    for heading in ("method", *(f"{metric}@{benchmark.k}" for metric in _METRICS), "from"):
        table.add_column(heading)
    for method, metrics in (*report.baselines.items(), ("this trainer", report.candidate)):
        table.add_row(method, *(f"{getattr(metrics, metric).mean():.4f}" for metric in _METRICS), "this run")
    for published in benchmark.published:
        figures = (published.figures.get(metric) for metric in _METRICS)
        table.add_row(
            published.method, *("" if figure is None else f"{figure:.4f}" for figure in figures), published.source
        )
    return table


def main(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(NAMES)}.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder of the data sets, or your own file; default NEIGHBORCONNECT_DATA.")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            help="Texts: file of the trained adapter; read if it exists, else written. "
            f"{moderation.NAME}: folder of another version to compare with."
        ),
    ] = None,
    folds: Annotated[
        int, typer.Option(min=1, help="Texts with folds: number of folds to evaluate, from the first.")
    ] = 1,
) -> None:
    """Train on a public data set and print the results next to published ones, or train on your own file.

    own-interactions: user_id, item_id; optional occurred_at, weight, category, text.
    own-texts: text, label; or a folder with train and test.
    own-ties: person_id, other_id; optional tied_at.
    """
    folder = data or os.environ.get("NEIGHBORCONNECT_DATA")
    if name not in NAMES:
        sys.exit(f"There is no data set {name!r}: choose one of {', '.join(NAMES)}.")
    if name == moderation.NAME:
        moderation.run(console=Console(), previous=keep, data=None if folder is None else Path(folder))
        return
    if folder is None:
        sys.exit("Pass the folder of the data sets with --data or NEIGHBORCONNECT_DATA.")
    try:
        _run(name, Path(folder), path=keep, folds=folds)
    except (FileError, NotEnoughDataError, TooFewPairsError) as error:
        sys.exit(str(error))


def _run(name: str, folder: Path, *, path: Path | None, folds: int) -> None:
    console = Console()
    started = time.monotonic()
    if name in TEXT_BENCHMARKS:
        text_runs.run(name, folder, console=console, path=path, folds=folds)
        return
    if name in GRAPH_BENCHMARKS:
        graphs.run(name, folder, console=console)
        return
    if name in _OTHERS:
        _OTHERS[name](folder, console=console)
        return
    benchmark = LOADERS[name](folder)
    report = train_and_evaluate(benchmark, console=console)
    console.print(comparison(benchmark, report))
    console.print(f"configuration: {report.config.as_dict()}")
    console.print("\n".join(report.gate.reasons))
    took = time.monotonic() - started
    console.print(f"{len(report.candidate.users)} users evaluated, {took:.0f} s including loading, selection and fit")


if __name__ == "__main__":
    typer.run(main)
