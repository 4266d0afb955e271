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
_RULES = {"the likeliest class": False, "the class most spoken for": True}
"""How a class is chosen: whether the shares of the classes are divided out."""
_FEW = 3
"""Classes whose recalls are told one by one."""
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
    found: dict[str, dict[str, list[IntArray]]] = {rule: defaultdict(list) for rule in _RULES}
    for number, (train, test) in enumerate(sides, start=1):
        place = kept if kept is None or number == 1 else kept.with_stem(f"{kept.stem}-{number}")
        adapter = _read(place)
        if adapter is None:
            with console.status(f"training on {len(train)} texts, {number} of {len(sides)}"):
                adapter = _kept(place, tune(benchmark.name, train, settings=Settings(), seed=SEED))
        with console.status("judging"):
            for method, probabilities in _probabilities(adapter, train, test).items():
                for rule, divides in _RULES.items():
                    shares = train.shares if divides else None
                    found[rule][method].append(classes_of(probabilities, shares=shares))
    joined = {
        rule: {method: np.concatenate(parts) for method, parts in methods.items()} for rule, methods in found.items()
    }
    console.print(_told(benchmark, sides, joined))


def _probabilities(adapter: Adapter, train: LabelledTexts, test: LabelledTexts) -> dict[str, FloatArray]:
    tasks = {
        method: Task.load(export(adapter, small=small), classes=adapter.classes, threads=2)
        for method, small in ((_SERVED, True), (_WHOLE, False))
    }
    return {_PLAIN: baseline(train, test.texts)} | {method: task.run(test.texts) for method, task in tasks.items()}


def _told(
    benchmark: TextBenchmark,
    sides: Sequence[tuple[LabelledTexts, LabelledTexts]],
    found: Mapping[str, Mapping[str, IntArray]],
) -> Table:
    train, test = sides[0]
    truth, metric = np.concatenate([judged.labels for _, judged in sides]), benchmark.metric
    folds = f", {len(sides)} of {len(benchmark.folds)}" if len(benchmark.folds) > 1 else ""
    title = f"{benchmark.name}: {benchmark.protocol}{folds}; {len(train)} train, {len(truth)} test; seed {SEED}"
    table = Table(title=title, min_width=90)
    for heading in ("method", metric, "from"):
        table.add_column(heading)
    for rule, methods in found.items():
        table.add_section()
        for method, each in methods.items():
            table.add_row(f"{method}, {rule}", str(figure(metric, truth, each, seed=SEED)), "this run")
        gain = paired(metric, truth, methods[_SERVED], methods[_PLAIN], seed=SEED)
        table.add_row("served over TF-IDF, paired", str(gain), "this run")
        for place, kind in enumerate(test.classes if len(test.classes) <= _FEW else ()):
            recall = float((methods[_SERVED][truth == place] == place).mean())
            table.add_row(f"recall of {kind}, served", f"{recall:.4f}", "this run")
    table.add_section()
    for method, value in benchmark.published.items():
        table.add_row(method, f"{value:.4f}", "published")
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
