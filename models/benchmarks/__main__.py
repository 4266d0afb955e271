"""``python -m models.benchmarks gowalla [--data PATH]``: our trainer on a public set, beside published figures.

``own-interactions``, ``own-texts`` and ``own-ties`` are files of one's own; ``--data`` names the file.
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

from models.benchmarks import graphs, groups, text_runs, themes
from models.benchmarks.files import FileError
from models.benchmarks.graphs import GRAPH_BENCHMARKS
from models.benchmarks.loaders import LOADERS, Benchmark
from models.benchmarks.pictures import PICTURE_BENCHMARKS
from models.benchmarks.text_runs import TEXT_BENCHMARKS
from models.matching.evaluate import TooLittleError
from models.recommendation.choosing import choose_recipe
from models.recommendation.data import NotEnoughDataError, checked_items
from models.recommendation.features import InteractionFeatures
from models.recommendation.judging import Judgement, judge
from models.recommendation.terms import Items

SEED = 20_261
_OTHERS: dict[str, Callable[..., None]] = {
    **PICTURE_BENCHMARKS,
    "banking77-themes": themes.run,
    "camra2011-group": groups.run,
}
NAMES = (*LOADERS, *TEXT_BENCHMARKS, *GRAPH_BENCHMARKS, *_OTHERS)
_METRICS = ("recall", "ndcg", "hit")


def train_and_judge(benchmark: Benchmark, *, console: Console) -> Judgement:
    """Choose a recipe on the training side, as the platform's trainer does, and judge it on the test side."""

    def progress(text: str) -> None:
        console.print(f"  {text}", style="dim")

    frame = checked_items(benchmark.items)
    items = Items(frame, np.zeros((len(frame), 0), dtype=np.float32))
    features = InteractionFeatures()
    recipe = choose_recipe(
        benchmark.split, protocol=benchmark.validation, items=items, features=features, seed=SEED, progress=progress
    )
    return judge(
        benchmark.split,
        recipe=recipe,
        champion_recipe=None,
        items=items,
        features=features,
        seed=SEED,
        progress=progress,
        k=benchmark.k,
    )


def comparison(benchmark: Benchmark, judgement: Judgement) -> Table:
    """Lay our figures beside the published ones."""
    table = Table(title=f"{benchmark.name}: {benchmark.split.protocol}", min_width=90)
    for heading in ("method", *(f"{metric}@{benchmark.k}" for metric in _METRICS), "from"):
        table.add_column(heading)
    for method, metrics in (*judgement.baselines.items(), ("this trainer", judgement.candidate)):
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
        Path | None, typer.Option(help="Folder of the sets, or your own file; else NEIGHBORCONNECT_DATA.")
    ] = None,
    keep: Annotated[Path | None, typer.Option(help="Of texts: keep the trained task here, or read it back.")] = None,
    folds: Annotated[int, typer.Option(min=1, help="Of texts that are judged in folds: how many, from the first.")] = 1,
) -> None:
    """Train on a public data set and print our figures beside the published ones, or on a file of your own.

    own-interactions: user_id, item_id; perhaps occurred_at, weight, category, text.
    own-texts: text, label; or a folder with train and test.
    own-ties: person_id, other_id; perhaps tied_at.
    """
    folder = data or os.environ.get("NEIGHBORCONNECT_DATA")
    if name not in NAMES:
        sys.exit(f"There is no set {name!r}: choose one of {', '.join(NAMES)}.")
    if folder is None:
        sys.exit("Say where the sets are, with --data or NEIGHBORCONNECT_DATA.")
    try:
        _run(name, Path(folder), kept=keep, folds=folds)
    except (FileError, NotEnoughDataError, TooLittleError) as error:
        sys.exit(str(error))


def _run(name: str, folder: Path, *, kept: Path | None, folds: int) -> None:
    console = Console()
    started = time.monotonic()
    if name in TEXT_BENCHMARKS:
        text_runs.run(name, folder, console=console, kept=kept, folds=folds)
        return
    if name in GRAPH_BENCHMARKS:
        graphs.run(name, folder, console=console)
        return
    if name in _OTHERS:
        _OTHERS[name](folder, console=console)
        return
    benchmark = LOADERS[name](folder)
    judgement = train_and_judge(benchmark, console=console)
    console.print(comparison(benchmark, judgement))
    console.print(f"recipe: {judgement.recipe.as_dict()}")
    console.print("\n".join(judgement.gate.reasons))
    took = time.monotonic() - started
    console.print(f"{len(judgement.candidate.users)} people judged, {took:.0f} s with loading, choice and fit")


if __name__ == "__main__":
    typer.run(main)
