"""Public social graphs, each with its usual protocol and published results."""

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
from models.matching.evaluate import (
    USERS,
    EdgeSample,
    evaluate_scorers,
    features_of,
    hold_out,
    hold_out_edges,
    labeled_sample,
    sample_negatives,
    train_scorer,
)
from models.matching.pair_features import PairFeatures, with_vectors
from models.matching.social_graph import IntArray, SocialGraph, social_graph_of

SEED = 20_261


@dataclass(frozen=True)
class GraphBenchmark:
    """Graph, held-out pairs to evaluate, and published AUC by method."""

    protocol: str
    graph: SocialGraph
    hidden: EdgeSample
    published: dict[str, float]


def facebook(folder: Path) -> GraphBenchmark:
    """Load ten ego networks of Facebook, and hold out half of the friendships."""
    with gzip.open(folder / "facebook-ego" / "facebook_combined.txt.gz", "rt") as lines:
        follows = np.array([line.split() for line in lines], dtype=np.int64)
    graph, hidden = hold_out_edges(_graph(int(follows.max()) + 1, follows=follows), share=0.5, seed=SEED)
    known = {"common neighbors": 0.974, "Jaccard": 0.971, "Adamic-Adar": 0.975}
    return GraphBenchmark(
        "half of the friendships held out, one left for every user; as many negatives", graph, hidden, known
    )


def new_york(folder: Path) -> GraphBenchmark:
    """Load users in New York with their friendships and check-ins, and hold out the friendships made afterwards."""
    content = scipy.io.loadmat(folder / "lbsn2vec-nyc" / "dataset_connected_NYC.mat")
    old, new = (
        np.unique(np.sort(content[name].astype(np.int64) - 1, axis=1), axis=0)
        for name in ("friendship_old", "friendship_new")
    )
    users = len(content["selected_users_IDs"].ravel())
    known = set(map(tuple, old.tolist()))
    made = np.array([pair for pair in new.tolist() if tuple(pair) not in known], dtype=np.int64)
    venues, place = np.unique(content["selected_checkins"][:, 2], return_inverse=True)
    visits = np.unique(np.stack((content["selected_checkins"][:, 0].astype(np.int64) - 1, place), axis=1), axis=0)
    every, generator = np.concatenate((old, new)), np.random.default_rng(SEED)
    strangers = sample_negatives(len(made), (users, users), taken=every, generator=generator, ordered=False)
    published = {"Adamic-Adar": 0.658, "shared venues": 0.593, "both summed": 0.721}
    graph = _graph(users, follows=old, members=visits, connectors=len(venues))
    return GraphBenchmark("later friendships; as many negatives", graph, labeled_sample(made, strangers), published)


def own_ties(path: Path) -> GraphBenchmark:
    """Load ``person_id`` and ``other_id``, and ``tied_at`` where known.

    A fifth of the pairs is held out: the latest, or a random sample without times.
    Raises ``FileError``, or ``NotEnoughDataError`` when there are too few pairs.
    """
    rows = read_table(path, needed=("person_id", "other_id"))
    rows = rows.filter(pl.col("person_id") != pl.col("other_id"))
    users = sorted({*rows["person_id"], *rows["other_id"]})
    place = {one: number for number, one in enumerate(users)}
    pairs = np.array([(place[one], place[other]) for one, other in rows.select("person_id", "other_id").rows()])
    at = times(rows, "tied_at").dt.epoch("us").to_numpy() if "tied_at" in rows.columns else None
    graph = social_graph_of(users=tuple(users), follows=pairs.reshape(-1, 2), followed_at=at)
    left, hidden = hold_out(graph, USERS, seed=SEED)
    return GraphBenchmark("a fifth of the pairs held out, one left for every user; as many negatives", left, hidden, {})


GRAPH_BENCHMARKS: dict[str, Callable[[Path], GraphBenchmark]] = {
    "facebook-ego": facebook,
    "nyc-friendships": new_york,
    "own-ties": own_ties,
}


def run(name: str, folder: Path, *, console: Console) -> None:
    """Train on the remaining graph, and print the results next to published ones."""
    benchmark = GRAPH_BENCHMARKS[name](folder)
    trained = train_scorer(benchmark.graph, USERS, seed=SEED)
    features = features_of(PairFeatures(with_vectors(benchmark.graph)), benchmark.hidden.pairs, compute=USERS.compute)
    methods = {"trained": trained, "heuristic_baseline": USERS.heuristic}
    report = evaluate_scorers(features, benchmark.hidden.labels, methods=methods, seed=SEED)
    table = Table(title=f"{name}: {benchmark.protocol}; {report.pairs} pairs; seed {SEED}")
    for heading in ("method", "AUC", "from"):
        table.add_column(heading)
    for method, auc in report.auc.items():
        table.add_row(method.replace("_", " "), f"{auc.value:.4f} [{auc.low:.4f}, {auc.high:.4f}]", "this run")
    gain = report.gain
    table.add_row("gain, paired", f"{gain.value:.4f} [{gain.low:.4f}, {gain.high:.4f}]", "this run")
    table.add_row("Brier score, trained", f"{report.brier:.4f}", "this run")
    for method, value in benchmark.published.items():
        table.add_row(method, f"{value:.4f}", "published")
    console.print(table)


def _graph(users: int, *, follows: IntArray, members: IntArray | None = None, connectors: int = 0) -> SocialGraph:
    return social_graph_of(
        users=tuple(map(str, range(users))),
        connectors=tuple(map(str, range(connectors))),
        follows=follows,
        members=members,
    )
