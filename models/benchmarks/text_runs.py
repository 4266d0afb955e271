"""Our trainer of text tasks on a public set, judged as it is served, beside a plain baseline and published figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from models.benchmarks.texts import MARKING, SEED, TEXT_LOADERS, TextBenchmark, wnut
from models.content.adapter import Adapter, from_bytes, to_bytes
from models.content.evaluate import baseline, classes_of, figure, paired, span_f1
from models.content.export import export
from models.content.predictor import Task
from models.content.tuning import Settings, tune, tune_tokens

ENTITIES = "wnut17"
_PUBLISHED_ENTITIES = {"winner of the task": 0.4186, "bert-base-cased": 0.476}
_PLAIN, _SERVED = "TF-IDF and logistic regression", "MiniLM with LoRA, as served (int8)"
_FEW = 3
"""Classes whose recalls are told one by one."""
TEXT_BENCHMARKS = (*TEXT_LOADERS, ENTITIES)


def run(name: str, folder: Path, *, console: Console, kept: Path | None) -> None:
    """Train on a set, or read what was kept of an earlier training, and print our figures beside the others'."""
    if name == ENTITIES:
        _entities(folder, console=console, kept=kept)
    else:
        _classes(TEXT_LOADERS[name](folder), console=console, kept=kept)


def _classes(benchmark: TextBenchmark, *, console: Console, kept: Path | None) -> None:
    adapter = _read(kept)
    if adapter is None:
        with console.status(f"training on {len(benchmark.train)} texts"):
            adapter = tune(benchmark.name, benchmark.train, settings=Settings(), seed=SEED)
        _keep(kept, adapter)
    truth, texts, shares = benchmark.test.labels, benchmark.test.texts, benchmark.train.shares
    with console.status("judging"):
        probabilities = {
            _PLAIN: baseline(benchmark.train, texts),
            _SERVED: Task.load(export(adapter, small=True), classes=adapter.classes, threads=2).run(texts),
            "the same in 32 bits": Task.load(export(adapter, small=False), classes=adapter.classes, threads=2).run(
                texts
            ),
        }
    metric = benchmark.metric
    title = f"{benchmark.name}: {benchmark.protocol}; {len(benchmark.train)} train, {len(truth)} test; seed {SEED}"
    table = Table(title=title, min_width=90)
    for heading in ("method", metric, "from"):
        table.add_column(heading)
    for rule, divided_out in (("the likeliest class", None), ("the class most spoken for", shares)):
        table.add_section()
        found = {name: classes_of(each, shares=divided_out) for name, each in probabilities.items()}
        for name, each in found.items():
            table.add_row(f"{name}, {rule}", str(figure(metric, truth, each, seed=SEED)), "this run")
        gain = paired(metric, truth, found[_SERVED], found[_PLAIN], seed=SEED)
        table.add_row("served over TF-IDF, paired", str(gain), "this run")
        for place, kind in enumerate(benchmark.test.classes if len(benchmark.test.classes) <= _FEW else ()):
            recall = float((found[_SERVED][truth == place] == place).mean())
            table.add_row(f"recall of {kind}, served", f"{recall:.4f}", "this run")
    table.add_section()
    for method, value in benchmark.published.items():
        table.add_row(method, f"{value:.4f}", "published")
    console.print(table)


def _entities(folder: Path, *, console: Console, kept: Path | None) -> None:
    train, test, adapter = wnut(folder, "train"), wnut(folder, "test"), _read(kept)
    if adapter is None:
        with console.status(f"training on {len(train.texts)} texts"):
            adapter = tune_tokens(
                "entities", train.texts, train.spans, classes=train.classes, settings=MARKING, seed=SEED
            )
        _keep(kept, adapter)
    task = Task.load(export(adapter, small=True), classes=adapter.classes, threads=2)
    found = [task.spans(text) for text in track(test.texts, "judging", console=console)]
    generator = np.random.default_rng(SEED)
    draws = [
        span_f1([test.spans[row] for row in rows], [found[row] for row in rows])[2]
        for rows in (generator.integers(0, len(found), len(found)) for _ in range(500))
    ]
    precision, recall, f1 = span_f1(test.spans, found)
    low, high = np.quantile(draws, (0.025, 0.975))
    table = Table(title=f"wnut17: {len(train.texts)} train, {len(test.texts)} test; seed {SEED}", min_width=90)
    for heading in ("method", "entity F1", "from"):
        table.add_column(heading)
    told = f"{f1:.4f} [{low:.4f}, {high:.4f}] (precision {precision:.3f}, recall {recall:.3f})"
    table.add_row("MiniLM with LoRA, as served (int8)", told, "this run")
    for method, value in _PUBLISHED_ENTITIES.items():
        table.add_row(method, f"{value:.4f}", "published")
    console.print(table)


def _read(kept: Path | None) -> Adapter | None:
    return from_bytes(kept.read_bytes()) if kept is not None and kept.exists() else None


def _keep(kept: Path | None, adapter: Adapter) -> None:
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(to_bytes(adapter))
