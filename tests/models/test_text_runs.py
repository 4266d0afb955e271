"""Text data sets with folds: every fold is trained and saved by itself, and all are evaluated together."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from models.benchmarks import text_runs
from models.benchmarks.peers import balanced_words
from models.benchmarks.texts import SEED, TEXT_LOADERS, TextBenchmark
from models.content.data import LabeledTexts, labeled_texts
from models.content.encoder import FloatArray

GOOD = ("lovely", "kind", "great", "warm", "fine", "sweet")
BAD = ("awful", "cruel", "bad", "cold", "poor", "sour")


PROGRESS_LINE = re.compile(r" *\d+ s  ")


def told(name: str, stored: Path, folds: int) -> str:
    """Return what is printed."""
    out = io.StringIO()
    console = Console(file=out, width=200, force_terminal=False)
    text_runs.run(name, stored.parent, console=console, path=stored, folds=folds)
    # Only the lines of progress begin with the elapsed time, and a stored result needs no training.
    return "".join(line for line in out.getvalue().splitlines(keepends=True) if not PROGRESS_LINE.match(line))


def test_folds_are_stored_one_by_one_and_judged_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(f"What a {word} day", kind) for kind, words in (("good", GOOD), ("bad", BAD)) for word in words]
    pairs += [(f"Such a {word} evening", "bad") for word in BAD]
    folds = tuple(labeled_texts(pairs, classes=("bad", "good")).folds(2, seed=SEED))

    def always_bad(train: LabeledTexts, test: Sequence[str]) -> FloatArray:
        assert len(train) == 9
        return np.tile(np.array([1, 0], dtype=np.float32), (len(test), 1))

    toy = TextBenchmark("toy", folds, "accuracy", "folds", {"somebody": 0.25}, {"a pessimist": always_bad})
    monkeypatch.setitem(TEXT_LOADERS, "toy", lambda _: toy)
    stored = tmp_path / "toy.safetensors"
    first = told("toy", stored, 2)
    assert "2 of 2; 9 train, 18 test" in first
    assert "0.2500" in first
    pessimist = next(line for line in first.splitlines() if "a pessimist " in line)
    assert "0.6667" in pessimist
    assert "bad 1.000, good 0.000" in pessimist
    assert "over a pessimist" in first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy-2.safetensors", "toy.safetensors"]
    written = stored.read_bytes()
    assert told("toy", stored, 2) == first
    assert stored.read_bytes() == written


def test_the_peer_of_few_words_has_classes_count_alike() -> None:
    generator = np.random.default_rng(SEED)

    def texts(number: int) -> LabeledTexts:
        rare = generator.random(number) < 0.1
        # Half of the common texts have the rare word, too: the most probable class is never the rare one.
        says = rare | (generator.random(number) < 0.5)
        pairs = [
            (f"{'thorn' if said else 'rose'} of @somebody https://example.org/{row}", "rare" if one else "common")
            for row, (one, said) in enumerate(zip(rare.tolist(), says.tolist(), strict=True))
        ]
        return labeled_texts(pairs, classes=("common", "rare", "never seen"))

    train, test = texts(1_000), texts(200)
    found = balanced_words(train, test.texts)
    assert found.shape == (200, 3)
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    assert [found[row].argmax() for row in range(200)] == [int(text.startswith("thorn")) for text in test.texts]
