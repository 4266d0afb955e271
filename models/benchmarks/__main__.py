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

import typer
from rich.console import Console

from models.benchmarks import graphs, groups, moderation, rankings, text_runs, themes, town
from models.benchmarks.files import FileError
from models.benchmarks.graphs import GRAPH_BENCHMARKS
from models.benchmarks.loaders import LOADERS
from models.benchmarks.pictures import PICTURE_BENCHMARKS
from models.benchmarks.rankings import Method, methods_of
from models.benchmarks.text_runs import TEXT_BENCHMARKS
from models.matching.evaluate import NotEnoughDataError as TooFewPairsError
from models.recommendation.data import NotEnoughDataError

_OTHERS: dict[str, Callable[..., None]] = {
    **PICTURE_BENCHMARKS,
    "banking77-themes": themes.run,
    "camra2011-group": groups.run,
    "simulated-town": town.run,
}
NAMES = (*LOADERS, *TEXT_BENCHMARKS, *GRAPH_BENCHMARKS, *_OTHERS, moderation.NAME)


def main(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(NAMES)}.")],
    *,
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
    method: Annotated[
        list[Method] | None,
        typer.Option(help="Interactions: a method to run, given once or several times; default all that apply."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Interactions in order: number of trainings of the sequence model.")
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
        _run(name, Path(folder), path=keep, folds=folds, methods=method, seeds=seeds)
    except (FileError, NotEnoughDataError, TooFewPairsError) as error:
        sys.exit(str(error))


def _run(name: str, folder: Path, *, path: Path | None, folds: int, methods: list[Method] | None, seeds: int) -> None:
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
    possible = methods_of(benchmark)
    if unknown := [method for method in methods or () if method not in possible]:
        sys.exit(f"{name} has no order of acts, which the method {unknown[0]} needs.")
    rankings.run(benchmark, methods=methods or possible, seeds=seeds, console=console)
    console.print(f"{time.monotonic() - started:.0f} s including loading")


if __name__ == "__main__":
    typer.run(main)
