"""Group recommendation for households (CAMRa 2011, in the split of AGREE) by the scores of their members."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from models.recommendation.als import Hyperparameters, candidates_for, fit
from models.recommendation.data import InteractionMatrix

SEED = 20_261
CUT = 5
_NEGATIVES = 100
_RESAMPLES = 1_000

Scores = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Tested:
    """Test cases: user or group (row), its held-out item, and a hundred negatives to rank it among."""

    rows: IntArray
    items: IntArray
    others: IntArray


@dataclass(frozen=True)
class Households:
    """Choices of users and groups, group memberships, and the test cases of both."""

    people: sp.csr_matrix
    groups: sp.csr_matrix
    members: sp.csr_matrix
    of_people: Tested
    of_groups: Tested


def camra(folder: Path) -> Households:
    """Load the set (class B: for measurements only, not shipped)."""
    path = folder / "camra2011-group"
    chosen = {kind: _numbers(path / f"{kind}RatingTrain.txt.gz")[:, :2] for kind in ("user", "group")}
    tests = {kind: _tested(path, kind) for kind in ("user", "group")}
    items = 1 + max(int(one[:, 1].max()) for one in chosen.values())
    items = max(items, *(1 + int(max(test.items.max(), test.others.max())) for test in tests.values()))
    sizes = {kind: 1 + int(max(chosen[kind][:, 0].max(), tests[kind].rows.max())) for kind in chosen}
    with gzip.open(path / "groupMember.txt.gz", "rt") as lines:
        pairs = np.array([(int(row[0]), int(one)) for row in map(str.split, lines) for one in row[1].split(",")])
    return Households(
        _ones(chosen["user"], (sizes["user"], items)),
        _ones(chosen["group"], (sizes["group"], items)),
        _ones(pairs, (sizes["group"], sizes["user"])),
        tests["user"],
        tests["group"],
    )


def _numbers(path: Path) -> IntArray:
    with gzip.open(path, "rt") as lines:
        return np.array([[int(part) for part in line.split()] for line in lines], dtype=np.int64)


def _tested(path: Path, kind: str) -> Tested:
    asked = _numbers(path / f"{kind}RatingTest.txt.gz")
    with gzip.open(path / f"{kind}RatingNegative.txt.gz", "rt") as lines:
        others = np.array([[int(part) for part in line.split()[1:]] for line in lines], dtype=np.int64)
    return Tested(asked[:, 0], asked[:, 1], others)


def _ones(pairs: IntArray, shape: tuple[int, int]) -> sp.csr_matrix:
    found = sp.csr_matrix((np.ones(len(pairs), dtype=np.float32), (pairs[:, 0], pairs[:, 1])), shape=shape)
    found.sum_duplicates()
    found.data[:] = 1
    return found


def ranks(scores: Scores, test: Tested) -> IntArray:
    """Return the rank of each held-out item among its negatives, 0 the best; equal scores count half."""
    own = scores[test.rows, test.items][:, None]
    others = scores[test.rows[:, None], test.others]
    return np.asarray((others > own).sum(axis=1) + (others == own).sum(axis=1) // 2, dtype=np.int64)


def run(folder: Path, *, console: Console) -> None:
    """Select hyperparameters on one held-out choice per group, and print the results next to published ones."""
    households = camra(folder)
    chosen = _choose(households, console=console)
    people, groups = _scores(households.people, households.groups, chosen)
    together = _mean_of_members(people, households.members)
    popular = np.asarray(households.people.sum(axis=0) + households.groups.sum(axis=0)).ravel()
    table = Table(title=f"camra2011-group: {_NEGATIVES} negatives; factors chosen on hidden choices; seed {SEED}")
    for heading in ("of", "method", f"HR@{CUT}", f"NDCG@{CUT}", "from"):
        table.add_column(heading)
    of_groups, of_people = households.of_groups, households.of_people
    for of, method, scores, test in (
        ("groups", "popularity", np.tile(popular, (groups.shape[0], 1)), of_groups),
        ("groups", "the group's own factors", groups, of_groups),
        ("groups", "mean of its members, as matching serves", together, of_groups),
        ("people", "popularity", np.tile(popular, (people.shape[0], 1)), of_people),
        ("people", "their own factors", people, of_people),
    ):
        table.add_row(of, method, *_figures(ranks(scores, test)), "this run")
    for of, hit, ndcg in (("groups", ".5910", ".4005"), ("people", ".6216", ".4133")):
        table.add_row(of, "AGREE (Cao et al., 2018)", hit, ndcg, "published")
    console.print(table)


def _figures(places: IntArray) -> tuple[str, str]:
    hit = (places < CUT).astype(np.float64)
    gain = np.where(places < CUT, 1 / np.log2(places + 2), 0.0)
    generator = np.random.default_rng(SEED)
    draws = generator.integers(0, len(places), (_RESAMPLES, len(places)))
    told = []
    for values in (hit, gain):
        low, high = np.percentile(values[draws].mean(axis=1), (2.5, 97.5))
        told.append(f"{values.mean():.4f} [{low:.4f}, {high:.4f}]")
    return told[0], told[1]


def _choose(households: Households, *, console: Console) -> Hyperparameters:
    """Hold out one choice per group, with the members' choices of it, and return the best hyperparameters."""
    generator = np.random.default_rng(SEED)
    left, alone, hidden = households.groups.copy().tolil(), households.people.copy().tolil(), []
    for row in range(left.shape[0]):
        mine = households.groups[row].indices
        if len(mine) > 1:
            item = int(generator.choice(mine))
            left[row, item] = 0
            for person in households.members[row].indices:
                alone[person, item] = 0
            others = np.setdiff1d(np.arange(left.shape[1]), mine)
            hidden.append((row, item, generator.choice(others, _NEGATIVES, replace=False)))
    test = Tested(*(np.array([one[place] for one in hidden]) for place in range(3)))
    groups, persons = sp.csr_matrix(left), sp.csr_matrix(alone)
    groups.eliminate_zeros()
    persons.eliminate_zeros()
    best: tuple[float, Hyperparameters] | None = None
    for candidate in candidates_for(_matrix(persons, groups)):
        people, _ = _scores(persons, groups, candidate)
        places = ranks(_mean_of_members(people, households.members), test)
        ndcg = float(np.where(places < CUT, 1 / np.log2(places + 2), 0.0).mean())
        console.print(f"  {candidate.as_dict()}: NDCG@{CUT} {ndcg:.4f} on hidden choices", style="dim")
        if best is None or ndcg > best[0]:
            best = ndcg, candidate
    if best is None:
        raise ValueError("there are no candidates")
    return best[1]


def _matrix(people: sp.csr_matrix, groups: sp.csr_matrix) -> InteractionMatrix:
    weights = sp.csr_matrix(sp.vstack([people, groups]), dtype=np.float32)
    names = tuple(map(str, range(weights.shape[0]))), tuple(map(str, range(weights.shape[1])))
    return InteractionMatrix(*names, weights)


def _scores(people: sp.csr_matrix, groups: sp.csr_matrix, how: Hyperparameters) -> tuple[Scores, Scores]:
    factors = fit(_matrix(people, groups), hyperparameters=how, seed=SEED)
    scores = (factors.users @ factors.items.T).astype(np.float64)
    return scores[: people.shape[0]], scores[people.shape[0] :]


def _mean_of_members(people: Scores, members: sp.csr_matrix) -> Scores:
    sizes = np.maximum(np.asarray(members.sum(axis=1)), 1)
    return np.asarray(members @ people / sizes, dtype=np.float64)
