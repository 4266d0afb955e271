"""Own files are trained on like public data sets, in every format; unusable files give a clear message."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from models.benchmarks import __main__ as command
from models.benchmarks.files import FileError, read_table, times
from models.benchmarks.graphs import GRAPH_BENCHMARKS
from models.benchmarks.loaders import LOADERS
from models.benchmarks.texts import TEXT_LOADERS

CHOICES = pl.DataFrame(
    {
        "user_id": [str(number % 7) for number in range(60)],
        "item_id": [f"i{number % 11}" for number in range(60)],
        "occurred_at": [1_700_000_000 + 60 * number for number in range(60)],
        "category": ["", "tools"] * 30,
    }
)


def write(frame: pl.DataFrame, path: Path) -> Path:
    """Write a table in the form that its name says."""
    if path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(frame.write_csv(separator="\t" if ".tsv" in path.name else ",").encode()))
    elif path.suffix == ".parquet":
        frame.write_parquet(path)
    elif path.suffix == ".ndjson":
        frame.write_ndjson(path)
    else:
        frame.write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.tsv.gz", "a.parquet", "a.ndjson"])
def test_choices_are_split_by_their_time(tmp_path: Path, name: str) -> None:
    benchmark = LOADERS["own-interactions"](write(CHOICES, tmp_path / name))
    split = benchmark.split
    assert split.cut is not None
    assert split.train["occurred_at"].max() < split.cut <= split.test["occurred_at"].min()  # type: ignore[operator]
    assert split.cut.timestamp() == 1_700_000_000 + 60 * 48
    assert set(benchmark.items.columns) == {"item_id", "text", "category"}
    assert len(benchmark.items) == 11


@pytest.mark.parametrize(
    "written",
    [
        [
            "2023-11-14",
            "2023-11-14T22:13:20.5",
            "2023-11-14 22:13:21",
            "2023-11-14T23:13:22+01:00",
            "2023-11-14T22:13:23Z",
        ],
        [1_699_920_000, 1_700_000_000.5, 1_700_000_001, 1_700_000_002, 1_700_000_003],
        [
            datetime.fromtimestamp(at, UTC)
            for at in (1_699_920_000, 1_700_000_000.5, *range(1_700_000_001, 1_700_000_004))
        ],
    ],
    ids=["words", "seconds", "times"],
)
def test_times_may_be_written_in_many_ways(tmp_path: Path, written: list[Any]) -> None:
    table = read_table(write(pl.DataFrame({"at": written}, strict=False), tmp_path / "a.parquet"), needed=["at"])
    assert times(table, "at").dt.epoch("ms").to_list() == [
        1_699_920_000_000,
        1_700_000_000_500,
        1_700_000_001_000,
        1_700_000_002_000,
        1_700_000_003_000,
    ]


@pytest.mark.parametrize(
    "written",
    [("5", "inf"), ("5", "nan"), *(("2024-01-01", word) for word in ("soon", "5", "0001-01-01T00:00:00+09:00", ""))],
)
def test_what_is_no_time_is_named_with_its_row(tmp_path: Path, written: tuple[str, str]) -> None:
    frame = pl.DataFrame({"who": ["a", "b"], "at": written})
    with pytest.raises(FileError, match="at of row 2 is not a time"):
        times(read_table(write(frame, tmp_path / "a.parquet"), needed=["who"]), "at")


def test_choices_without_times_are_drawn(tmp_path: Path) -> None:
    split = LOADERS["own-interactions"](write(CHOICES.drop("occurred_at"), tmp_path / "a.csv")).split
    assert split.cut is None
    assert len(split.train) > len(split.test) > 0


def test_texts_are_split_by_class_or_as_the_folder_says(tmp_path: Path) -> None:
    frame = pl.DataFrame({"text": [f"text {n}" for n in range(40)], "label": ["a", "a", "a", "b"] * 10})
    train, test = TEXT_LOADERS["own-texts"](write(frame, tmp_path / "a.csv")).folds[0]
    assert (len(train), len(test), train.classes) == (32, 8, ("a", "b"))
    assert test.shares.tolist() == [0.75, 0.25]
    folder = tmp_path / "parts"
    folder.mkdir()
    write(frame, folder / "train.csv")
    write(frame.head(4), folder / "test.tsv.gz")
    train, test = TEXT_LOADERS["own-texts"](folder).folds[0]
    assert (len(train), len(test)) == (40, 4)


def test_ties_are_hidden_the_latest_first(tmp_path: Path) -> None:
    pairs = np.array([pair for pair in combinations(range(60), 2) if sum(pair) % 3 == 0])
    frame = pl.DataFrame(
        {"person_id": [f"p{n}" for n in pairs[:, 0]], "other_id": [f"p{n}" for n in pairs[:, 1]]}
    ).with_columns(tied_at=pl.int_range(pl.len()))
    benchmark = GRAPH_BENCHMARKS["own-ties"](write(frame, tmp_path / "a.csv"))
    hidden = int(benchmark.hidden.labels.sum())
    assert len(benchmark.graph.follows) + hidden == len(pairs)
    assert hidden == pytest.approx(len(pairs) / 5, abs=1)
    assert benchmark.graph.followed_at.max() < 1_000_000 * (len(pairs) - hidden)


BAD = {
    "no such file": ("own-ties", None, "cannot be read"),
    "another form": ("own-ties", ("a.xlsx", CHOICES), "none of .csv"),
    "other columns": ("own-interactions", ("a.csv", CHOICES.rename({"user_id": "who"})), "no column user_id"),
    "nothing in it": ("own-interactions", ("a.csv", CHOICES.clear()), "no row with"),
    "no time": (
        "own-interactions",
        ("a.csv", CHOICES.with_columns(occurred_at=pl.lit("soon"))),
        "occurred_at of row 1 is not a time: 'soon'",
    ),
    "a class of two": (
        "own-texts",
        ("a.csv", pl.DataFrame({"text": list("abcdefgh"), "label": list("xxxxxxyy")})),
        "'y' is the label of 2 texts",
    ),
    "one class": ("own-texts", ("a.csv", pl.DataFrame({"text": list("abcdef"), "label": ["x"] * 6})), "one label only"),
    "few ties": ("own-ties", ("a.csv", pl.DataFrame({"person_id": ["a", "b"], "other_id": ["b", "c"]})), "are needed"),
    "everybody tied": (
        "own-ties",
        (
            "a.csv",
            pl.DataFrame(list(combinations("abcdefghijklmnop", 2)), schema=["person_id", "other_id"], orient="row"),
        ),
        "with 0 negatives",
    ),
    "happened at once": ("own-interactions", ("a.csv", CHOICES.with_columns(occurred_at=0)), "leaves no training data"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_learnt_from_is_told_in_a_sentence(tmp_path: Path, case: str) -> None:
    name, written, why = BAD[case]
    path = tmp_path / "a.csv" if written is None else tmp_path / written[0]
    if written is not None and path.suffix == ".csv":
        write(written[1], path)
    elif written is not None:
        path.write_bytes(b"PK")
    with pytest.raises(SystemExit) as told:
        command.main(name, data=path)
    assert why in str(told.value)
