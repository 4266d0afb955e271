"""Fine-tuning on public text data sets, evaluated as served, with a baseline and published results."""

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
from models.content.data import IntArray, LabeledTexts
from models.content.encoder import FloatArray
from models.content.evaluate import baseline, classes_of, metric_estimate, paired_difference, span_f1
from models.content.export import export, quantized
from models.content.fine_tuning import FineTuningConfig, fine_tune, fine_tune_tokens
from models.content.predictor import Task
from models.progress import TrainingProgress

ENTITIES = "wnut17"
_PUBLISHED_ENTITIES = {"winner of the task": 0.4186, "bert-base-cased": 0.476}
_PLAIN, _SERVED = "TF-IDF and logistic regression", "MiniLM with LoRA, as served (int8)"
_WHOLE = "the same in 32 bits"
_POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Exponents of the class shares that probabilities are divided by (logit adjustment); 0 is none, 1 full."""
_FEW = 3
"""Up to this number of classes, recall is printed by class, and logit adjustment if shares differ by ``_UNEVEN``."""
_UNEVEN = 2
TEXT_BENCHMARKS = (*TEXT_LOADERS, ENTITIES)


def run(name: str, folder: Path, *, console: Console, path: Path | None, folds: int) -> None:
    """Train on a data set, or read a saved adapter, and print the results next to published ones.

    Args:
        name: name of the data set.
        folder: folder of all data sets.
        console: console to print to.
        path: file of the trained adapter; other folds have their number appended to the name.
        folds: number of folds to evaluate, for data sets with folds; their predictions are pooled.
    """
    if name == ENTITIES:
        _entities(folder, console=console, path=path)
    else:
        _classes(TEXT_LOADERS[name](folder), console=console, path=path, folds=folds)


def _classes(benchmark: TextBenchmark, *, console: Console, path: Path | None, folds: int) -> None:
    sides = benchmark.folds[:folds]
    predictions: dict[str, list[FloatArray]] = defaultdict(list)
    for number, (train, test) in enumerate(sides, start=1):
        place = path if path is None or number == 1 else path.with_stem(f"{path.stem}-{number}")
        adapter = _read(place)
        if adapter is None:
            with TrainingProgress(console) as progress:
                progress.step(f"training on {len(train)} texts, {number} of {len(sides)}")
                config = FineTuningConfig()
                tuned = fine_tune(benchmark.name, train, config=config, seed=SEED, progress=progress.advance)
            adapter = _save(place, tuned)
        with TrainingProgress(console) as progress:
            progress.step("evaluating")
            for method, probabilities in _probabilities(adapter, train, test).items():
                predictions[method].append(probabilities)
            for method, of in benchmark.peers.items():
                predictions[method].append(of(train, test.texts))
    shares = sides[0][0].shares
    with console.status("comparing"):
        console.print(_comparison(benchmark, sides, predictions))
        if len(shares) <= _FEW and max(shares) >= _UNEVEN * min(shares):
            console.print(_logit_adjustment(benchmark, sides, predictions))


def _probabilities(adapter: Adapter, train: LabeledTexts, test: LabeledTexts) -> dict[str, FloatArray]:
    whole = export(adapter, quantize=False)
    tasks = {
        method: Task.load(graph, classes=adapter.classes, threads=2)
        for method, graph in ((_SERVED, quantized(whole)), (_WHOLE, whole))
    }
    return {_PLAIN: baseline(train, test.texts)} | {method: task.run(test.texts) for method, task in tasks.items()}


def _predicted(
    predictions: Sequence[FloatArray], sides: Sequence[tuple[LabeledTexts, LabeledTexts]], *, power: float = 0.0
) -> IntArray:
    """Return the predicted class of each text of all folds."""
    return np.concatenate(
        [classes_of(each, shares=train.shares**power) for each, (train, _) in zip(predictions, sides, strict=True)]
    )


def _truth(sides: Sequence[tuple[LabeledTexts, LabeledTexts]]) -> IntArray:
    return np.concatenate([test.labels for _, test in sides])


def _recalls(truth: IntArray, found: IntArray, classes: Sequence[str]) -> str:
    told = (f"{name} {(found[truth == place] == place).mean():.3f}" for place, name in enumerate(classes))
    return ", ".join(told) if len(classes) <= _FEW else ""


def _comparison(
    benchmark: TextBenchmark,
    sides: Sequence[tuple[LabeledTexts, LabeledTexts]],
    predictions: Mapping[str, Sequence[FloatArray]],
) -> Table:
    train, truth, metric = sides[0][0], _truth(sides), benchmark.metric
    folds = f", {len(sides)} of {len(benchmark.folds)}" if len(benchmark.folds) > 1 else ""
    title = f"{benchmark.name}: {benchmark.protocol}{folds}; {len(train)} train, {len(truth)} test; seed {SEED}"
    table = Table(title=title, min_width=90)
    for heading in ("method", metric, "recalls", "from"):
        table.add_column(heading)
    found = {method: _predicted(each, sides) for method, each in predictions.items()}
    for method, each in found.items():
        told = _recalls(truth, each, train.classes)
        table.add_row(method, str(metric_estimate(metric, truth, each, seed=SEED)), told, "this run")
    gain = paired_difference(metric, truth, found[_SERVED], found[_PLAIN], seed=SEED)
    table.add_row("served over TF-IDF, paired", str(gain), "", "this run")
    table.add_section()
    for method, value in benchmark.published.items():
        table.add_row(method, f"{value:.4f}", "", "published")
    return table


def _logit_adjustment(
    benchmark: TextBenchmark,
    sides: Sequence[tuple[LabeledTexts, LabeledTexts]],
    predictions: Mapping[str, Sequence[FloatArray]],
) -> Table:
    """Return the effect of logit adjustment by exponent, against TF-IDF with the same adjustment and other methods."""
    classes, truth, metric = sides[0][0].classes, _truth(sides), benchmark.metric
    table = Table(title="logit adjustment by exponent of the class shares", min_width=90)
    for heading in (
        "exponent",
        f"served, {metric}",
        "recalls",
        *(f"over {peer}" for peer in (_PLAIN, *benchmark.peers)),
    ):
        table.add_column(heading)
    peers = [_predicted(predictions[peer], sides) for peer in benchmark.peers]
    for power in _POWERS:
        served = _predicted(predictions[_SERVED], sides, power=power)
        plain = _predicted(predictions[_PLAIN], sides, power=power)
        gains = [str(paired_difference(metric, truth, served, other, seed=SEED)) for other in (plain, *peers)]
        told = str(metric_estimate(metric, truth, served, seed=SEED))
        table.add_row(f"{power:.2f}", told, _recalls(truth, served, classes), *gains)
    return table


def _entities(folder: Path, *, console: Console, path: Path | None) -> None:
    train, test, adapter = wnut(folder, *MARKED), wnut(folder, "test"), _read(path)
    if adapter is None:
        with TrainingProgress(console) as progress:
            progress.step(f"training on {len(train.texts)} texts")
            tuned = fine_tune_tokens(
                "entities",
                train.texts,
                train.spans,
                classes=train.classes,
                config=MARKING,
                seed=SEED,
                progress=progress.advance,
            )
        adapter = _save(path, tuned)
    task = Task.load(export(adapter, quantize=True), classes=adapter.classes, threads=2)
    found = [task.spans(text) for text in track(test.texts, "evaluating", console=console)]
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


def _read(path: Path | None) -> Adapter | None:
    return from_bytes(path.read_bytes()) if path is not None and path.exists() else None


def _save(path: Path | None, adapter: Adapter) -> Adapter:
    """Save an adapter if a file is given; return it as it is read back, in half precision."""
    written = to_bytes(adapter)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written)
    return from_bytes(written)
