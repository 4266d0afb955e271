"""Our trainer of text tasks on a public set, judged as it is served, beside a plain baseline and published figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from models.benchmarks.texts import MARKED, MARKING, SEED, TEXT_LOADERS, TextBenchmark, wnut
from models.content.adapter import Adapter, from_bytes, to_bytes
from models.content.data import IntArray, LabelledTexts
from models.content.encoder import FloatArray
from models.content.evaluate import baseline, classes_of, figure, paired, span_f1
from models.content.export import export
from models.content.predictor import Task
from models.content.tuning import Settings, tune, tune_tokens

ENTITIES = "wnut17"
_PUBLISHED_ENTITIES = {"winner of the task": 0.4186, "bert-base-cased": 0.476}
_PLAIN, _SERVED = "TF-IDF and logistic regression", "MiniLM with LoRA, as served (int8)"
_WHOLE = "the same in 32 bits"
_POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Powers of the classes' shares to divide by: at 0 the likeliest class is found, at 1 the one most spoken for."""
_FEW = 3
"""Classes whose recalls are told one by one, and weighed against each other where one is ``_UNEVEN`` times another."""
_UNEVEN = 2
TEXT_BENCHMARKS = (*TEXT_LOADERS, ENTITIES)


def run(name: str, folder: Path, *, console: Console, kept: Path | None, folds: int) -> None:
    """Train on a set, or read what was kept of an earlier training, and print our figures beside the others'.

    Args:
        name: of the set.
        folder: of all sets.
        console: where to print.
        kept: file of what is trained; further folds are kept beside it, with their number.
        folds: how many folds of a set that has some; what is found in them is judged together.
    """
    if name == ENTITIES:
        _entities(folder, console=console, kept=kept)
    else:
        _classes(TEXT_LOADERS[name](folder), console=console, kept=kept, folds=folds)


def _classes(benchmark: TextBenchmark, *, console: Console, kept: Path | None, folds: int) -> None:
    sides = benchmark.folds[:folds]
    said: dict[str, list[FloatArray]] = defaultdict(list)
    for number, (train, test) in enumerate(sides, start=1):
        place = kept if kept is None or number == 1 else kept.with_stem(f"{kept.stem}-{number}")
        adapter = _read(place)
        if adapter is None:
            with console.status(f"training on {len(train)} texts, {number} of {len(sides)}"):
                adapter = _kept(place, tune(benchmark.name, train, settings=Settings(), seed=SEED))
        with console.status("judging"):
            for method, probabilities in _probabilities(adapter, train, test).items():
                said[method].append(probabilities)
            for method, of in benchmark.peers.items():
                said[method].append(of(train, test.texts))
    shares = sides[0][0].shares
    with console.status("comparing"):
        console.print(_told(benchmark, sides, said))
        if len(shares) <= _FEW and max(shares) >= _UNEVEN * min(shares):
            console.print(_weighed(benchmark, sides, said))


def _probabilities(adapter: Adapter, train: LabelledTexts, test: LabelledTexts) -> dict[str, FloatArray]:
    tasks = {
        method: Task.load(export(adapter, small=small), classes=adapter.classes, threads=2)
        for method, small in ((_SERVED, True), (_WHOLE, False))
    }
    return {_PLAIN: baseline(train, test.texts)} | {method: task.run(test.texts) for method, task in tasks.items()}


def _found(
    said: Sequence[FloatArray], sides: Sequence[tuple[LabelledTexts, LabelledTexts]], *, power: float = 0.0
) -> IntArray:
    """Return the class of each text of all folds."""
    return np.concatenate(
        [classes_of(each, shares=train.shares**power) for each, (train, _) in zip(said, sides, strict=True)]
    )


def _truth(sides: Sequence[tuple[LabelledTexts, LabelledTexts]]) -> IntArray:
    return np.concatenate([test.labels for _, test in sides])


def _recalls(truth: IntArray, found: IntArray, classes: Sequence[str]) -> str:
    told = (f"{name} {(found[truth == place] == place).mean():.3f}" for place, name in enumerate(classes))
    return ", ".join(told) if len(classes) <= _FEW else ""


def _told(
    benchmark: TextBenchmark,
    sides: Sequence[tuple[LabelledTexts, LabelledTexts]],
    said: Mapping[str, Sequence[FloatArray]],
) -> Table:
    train, truth, metric = sides[0][0], _truth(sides), benchmark.metric
    folds = f", {len(sides)} of {len(benchmark.folds)}" if len(benchmark.folds) > 1 else ""
    title = f"{benchmark.name}: {benchmark.protocol}{folds}; {len(train)} train, {len(truth)} test; seed {SEED}"
    table = Table(title=title, min_width=90)
    for heading in ("method", metric, "recalls", "from"):
        table.add_column(heading)
    found = {method: _found(each, sides) for method, each in said.items()}
    for method, each in found.items():
        told = _recalls(truth, each, train.classes)
        table.add_row(method, str(figure(metric, truth, each, seed=SEED)), told, "this run")
    gain = paired(metric, truth, found[_SERVED], found[_PLAIN], seed=SEED)
    table.add_row("served over TF-IDF, paired", str(gain), "", "this run")
    table.add_section()
    for method, value in benchmark.published.items():
        table.add_row(method, f"{value:.4f}", "", "published")
    return table


def _weighed(
    benchmark: TextBenchmark,
    sides: Sequence[tuple[LabelledTexts, LabelledTexts]],
    said: Mapping[str, Sequence[FloatArray]],
) -> Table:
    """Return what is won and lost where rare classes count for more, beside TF-IDF so weighed and peers as they are."""
    classes, truth, metric = sides[0][0].classes, _truth(sides), benchmark.metric
    table = Table(title="by how much of the classes' shares is divided out (their power)", min_width=90)
    for heading in ("power", f"served, {metric}", "recalls", *(f"over {peer}" for peer in (_PLAIN, *benchmark.peers))):
        table.add_column(heading)
    peers = [_found(said[peer], sides) for peer in benchmark.peers]
    for power in _POWERS:
        served = _found(said[_SERVED], sides, power=power)
        plain = _found(said[_PLAIN], sides, power=power)
        gains = [str(paired(metric, truth, served, other, seed=SEED)) for other in (plain, *peers)]
        told = str(figure(metric, truth, served, seed=SEED))
        table.add_row(f"{power:.2f}", told, _recalls(truth, served, classes), *gains)
    return table


def _entities(folder: Path, *, console: Console, kept: Path | None) -> None:
    train, test, adapter = wnut(folder, *MARKED), wnut(folder, "test"), _read(kept)
    if adapter is None:
        with console.status(f"training on {len(train.texts)} texts"):
            tuned = tune_tokens(
                "entities", train.texts, train.spans, classes=train.classes, settings=MARKING, seed=SEED
            )
        adapter = _kept(kept, tuned)
    task = Task.load(export(adapter, small=True), classes=adapter.classes, threads=2)
    found = [task.spans(text) for text in track(test.texts, "judging", console=console)]
    generator = np.random.default_rng(SEED)
    draws = [
        span_f1([test.spans[row] for row in rows], [found[row] for row in rows])[2]
        for rows in (generator.integers(0, len(found), len(found)) for _ in range(500))
    ]
    precision, recall, f1 = span_f1(test.spans, found)
    low, high = np.quantile(draws, (0.025, 0.975))
    table = Table(
        title=f"wnut17: {len(train.texts)} {' and '.join(MARKED)}, {len(test.texts)} test; seed {SEED}", min_width=90
    )
    for heading in ("method", "entity F1", "from"):
        table.add_column(heading)
    told = f"{f1:.4f} [{low:.4f}, {high:.4f}] (precision {precision:.3f}, recall {recall:.3f})"
    table.add_row("MiniLM with LoRA, as served (int8)", told, "this run")
    for method, value in _PUBLISHED_ENTITIES.items():
        table.add_row(method, f"{value:.4f}", "published")
    console.print(table)


def _read(kept: Path | None) -> Adapter | None:
    return from_bytes(kept.read_bytes()) if kept is not None and kept.exists() else None


def _kept(kept: Path | None, adapter: Adapter) -> Adapter:
    """Write a trained task down, where there is a file for it; return it as it is read again, in half precision."""
    written = to_bytes(adapter)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(written)
    return from_bytes(written)
