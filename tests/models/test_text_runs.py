"""A set of texts that is judged in folds: each is learnt and kept for itself, and all are judged together."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from models.benchmarks import text_runs
from models.benchmarks.texts import SEED, TextBenchmark
from models.content.data import labelled

GOOD = ("lovely", "kind", "great", "warm", "fine", "sweet")
BAD = ("awful", "cruel", "bad", "cold", "poor", "sour")


def told(name: str, kept: Path, folds: int) -> str:
    """Return what is printed."""
    out = io.StringIO()
    console = Console(file=out, width=200, force_terminal=False)
    text_runs.run(name, kept.parent, console=console, kept=kept, folds=folds)
    return out.getvalue()


def test_folds_are_kept_one_by_one_and_judged_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(f"What a {word} day", kind) for kind, words in (("good", GOOD), ("bad", BAD)) for word in words]
    folds = tuple(labelled(pairs, classes=("bad", "good")).folds(2, seed=SEED))
    toy = TextBenchmark("toy", folds, "accuracy", "folds", {"somebody": 0.5})
    monkeypatch.setitem(text_runs.TEXT_LOADERS, "toy", lambda _: toy)
    kept = tmp_path / "toy.safetensors"
    first = told("toy", kept, 2)
    assert "2 of 2; 6 train, 12 test" in first
    assert "0.5000" in first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy-2.safetensors", "toy.safetensors"]
    written = kept.read_bytes()
    assert told("toy", kept, 2) == first
    assert kept.read_bytes() == written
