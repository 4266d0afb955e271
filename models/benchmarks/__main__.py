"""``python -m models.benchmarks gowalla [--data PATH]``: our trainer on a public set, beside published figures."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from models.benchmarks.loaders import LOADERS, Benchmark
from models.recommendation.data import checked_items
from models.recommendation.evaluate import RankingMetrics, evaluate
from models.recommendation.features import InteractionFeatures
from models.recommendation.fitting import Items, Terms, choose_recipe
from models.recommendation.gate import paired_differences
from models.recommendation.model import fit

SEED = 20_261


def run(benchmark: Benchmark, *, console: Console) -> None:
    """Train on the set and print a table of our figures and the published ones under one protocol."""
    started = time.monotonic()
    frame = checked_items(benchmark.items)
    items = Items(frame, np.zeros((len(frame), 0), dtype=np.float32))
    features = InteractionFeatures()
    recipe = choose_recipe(
        benchmark.split, protocol=benchmark.validation, items=items, features=features, seed=SEED,
        progress=lambda text: console.print(f"  {text}", style="dim"),
    )
    split, matrix = benchmark.split, benchmark.split.matrix
    answers = matrix.encode(split.test)
    known = features.read(split, user_ids=matrix.user_ids, items=frame)
    terms = Terms.build(split, items=items, features=known, half_life_days=recipe.half_life_days)
    factors = fit(matrix, hyperparameters=recipe.hyperparameters, seed=SEED)

    def measure(scorer: object) -> RankingMetrics:
        return evaluate(scorer, seen=matrix.weights, held_out=answers, k=benchmark.k)  # type: ignore[arg-type]

    ours, popular = measure(terms.known(factors, recipe.known)), measure(terms.by_popularity())
    table = Table(title=f"{benchmark.name}: {split.protocol}", caption=f"recipe: {recipe.as_dict()}")
    for heading in ("method", f"recall@{benchmark.k}", f"ndcg@{benchmark.k}", f"hit@{benchmark.k}", "from"):
        table.add_column(heading)
    for method, metrics in (("popularity (ours)", popular), ("trainer (ours)", ours)):
        means = [f"{getattr(metrics, name).mean():.4f}" for name in ("recall", "ndcg", "hit")]
        table.add_row(method, *means, "this run")
    for published in benchmark.published:
        figures = [f"{published.figures[name]:.4f}" if name in published.figures else "–"
                   for name in ("recall", "ndcg", "hit")]
        table.add_row(published.method, *figures, published.source)
    console.print(table)
    for metric, interval in paired_differences(ours, popular, seed=SEED).items():
        console.print(f"{metric} over popularity: {interval.mean:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]")
    console.print(f"{len(ours.users)} people judged; {time.monotonic() - started:.0f} s, validation and fit included")


def main(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(LOADERS)}.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the sets; else NEIGHBORCONNECT_DATA.")] = None,
) -> None:
    """Run our trainer on a public data set."""
    folder = data or os.environ.get("NEIGHBORCONNECT_DATA")
    if name not in LOADERS:
        sys.exit(f"There is no set {name!r}: choose one of {', '.join(LOADERS)}.")
    if folder is None:
        sys.exit("Say where the sets are, with --data or NEIGHBORCONNECT_DATA.")
    run(LOADERS[name](Path(folder)), console=Console())


if __name__ == "__main__":
    typer.run(main)
