"""Public graphs of people, each with the protocol and the figures that it is known by."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import scipy.io
from rich.console import Console
from rich.table import Table

from models.benchmarks.files import read_table, times
from models.matching.evaluate import PEOPLE, Pairs, beside, drawn, hide, hide_ties, judge, learn, signs_of
from models.matching.graph import Graph, with_vectors
from models.matching.town import IntArray, Town, town_of

SEED = 20_261


@dataclass(frozen=True)
class GraphBenchmark:
    """A town, the pairs that it is judged by, and who did how well (AUC)."""

    protocol: str
    town: Town
    hidden: Pairs
    published: dict[str, float]


def facebook(folder: Path) -> GraphBenchmark:
    """Ten circles of friends, half of the ties hidden."""
    with gzip.open(folder / "facebook-ego" / "facebook_combined.txt.gz", "rt") as lines:
        ties = np.array([line.split() for line in lines], dtype=np.int64)
    town, hidden = hide_ties(_town(int(ties.max()) + 1, ties=ties), share=0.5, seed=SEED)
    known = {"common neighbours": 0.974, "Jaccard": 0.971, "Adamic-Adar": 0.975}
    return GraphBenchmark(
        "half of the ties hidden, everybody keeps one; as many pairs of strangers", town, hidden, known
    )


def new_york(folder: Path) -> GraphBenchmark:
    """New Yorkers, their older ties, the venues that they go to, and the ties that they made afterwards."""
    content = scipy.io.loadmat(folder / "lbsn2vec-nyc" / "dataset_connected_NYC.mat")
    old, new = (
        np.unique(np.sort(content[name].astype(np.int64) - 1, axis=1), axis=0)
        for name in ("friendship_old", "friendship_new")
    )
    people = len(content["selected_users_IDs"].ravel())
    known = set(map(tuple, old.tolist()))
    made = np.array([pair for pair in new.tolist() if tuple(pair) not in known], dtype=np.int64)
    venues, place = np.unique(content["selected_checkins"][:, 2], return_inverse=True)
    visits = np.unique(np.stack((content["selected_checkins"][:, 0].astype(np.int64) - 1, place), axis=1), axis=0)
    every, generator = np.concatenate((old, new)), np.random.default_rng(SEED)
    strangers = drawn(len(made), (people, people), taken=every, generator=generator, ordered=False)
    published = {"Adamic-Adar": 0.658, "shared venues": 0.593, "both summed": 0.721}
    town = _town(people, ties=old, members=visits, connectors=len(venues))
    return GraphBenchmark(
        "friendships that are new; as many pairs of strangers", town, beside(made, strangers), published
    )


def own_ties(path: Path) -> GraphBenchmark:
    """Load ``person_id`` and ``other_id``, and ``tied_at`` where known.

    A fifth of the ties is hidden: the latest, or without times some drawn by chance.
    Raises ``FileError``, or ``TooLittleError`` when there is too little to hide.
    """
    rows = read_table(path, needed=("person_id", "other_id"))
    rows = rows.filter(pl.col("person_id") != pl.col("other_id"))
    people = sorted({*rows["person_id"], *rows["other_id"]})
    place = {one: number for number, one in enumerate(people)}
    pairs = np.array([(place[one], place[other]) for one, other in rows.select("person_id", "other_id").rows()])
    at = times(rows, "tied_at").dt.epoch("us").to_numpy() if "tied_at" in rows.columns else None
    town = town_of(people=tuple(people), ties=pairs.reshape(-1, 2), tied_at=at)
    left, hidden = hide(town, PEOPLE, seed=SEED)
    return GraphBenchmark(
        "a fifth of the ties hidden, everybody keeps one; as many pairs of strangers", left, hidden, {}
    )


GRAPH_BENCHMARKS: dict[str, Callable[[Path], GraphBenchmark]] = {
    "facebook-ego": facebook,
    "nyc-friendships": new_york,
    "own-ties": own_ties,
}


def run(name: str, folder: Path, *, console: Console) -> None:
    """Learn on what is not hidden, and print our figures beside the published ones."""
    benchmark = GRAPH_BENCHMARKS[name](folder)
    learnt = learn(benchmark.town, PEOPLE, seed=SEED)
    signs = signs_of(Graph(with_vectors(benchmark.town)), benchmark.hidden.pairs, ask=PEOPLE.ask)
    methods = {"learnt": learnt, "rule_of_thumb": PEOPLE.rule_of_thumb}
    judgement = judge(signs, benchmark.hidden.labels, methods=methods, seed=SEED)
    table = Table(title=f"{name}: {benchmark.protocol}; {judgement.pairs} pairs; seed {SEED}")
    for heading in ("method", "AUC", "from"):
        table.add_column(heading)
    for method, auc in judgement.auc.items():
        table.add_row(method.replace("_", " "), f"{auc.value:.4f} [{auc.low:.4f}, {auc.high:.4f}]", "this run")
    gain = judgement.gain
    table.add_row("gain, paired", f"{gain.value:.4f} [{gain.low:.4f}, {gain.high:.4f}]", "this run")
    table.add_row("Brier score, learnt", f"{judgement.brier:.4f}", "this run")
    for method, value in benchmark.published.items():
        table.add_row(method, f"{value:.4f}", "published")
    console.print(table)


def _town(people: int, *, ties: IntArray, members: IntArray | None = None, connectors: int = 0) -> Town:
    return town_of(
        people=tuple(map(str, range(people))), connectors=tuple(map(str, range(connectors))), ties=ties, members=members
    )
