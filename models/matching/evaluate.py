"""How well hidden ties and memberships are told from pairs drawn by chance, with intervals, beside a rule of thumb."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import brier_score_loss, roc_auc_score

from models.matching.combination import Combination, fit, rule_of
from models.matching.graph import CONNECTOR_SIGNS, PERSON_SIGNS, Graph, Signs, Weights, with_vectors
from models.matching.town import BoolArray, IntArray, Town

SHARE = 0.2
LEAST_PAIRS = 50
"""Fewer hidden pairs tell nothing."""
MOST_COMPARED = 400_000_000
"""Whoever is asked for is compared with the whole town: a large one is learnt from and judged by some of its pairs."""
_RESAMPLES = 500


class TooLittleError(ValueError):
    """There is too little to learn from, or to judge by."""


@dataclass(frozen=True)
class Pairs:
    """Pairs that are a match, and as many that are not: (p, 2) and (p,)."""

    pairs: IntArray
    labels: IntArray


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % interval over resampled pairs."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Judgement:
    """What a combination is worth on hidden pairs.

    Attributes:
        auc: by method.
        gain: of what was learnt over the rule of thumb, paired.
        brier: mean squared error of the chances; 0.25 is what a coin has.
        chances, labels: for a plot of how true the chances are.
        pairs: how many, half of them matches.
    """

    auc: dict[str, Figure]
    gain: Figure
    brier: float
    chances: Weights
    labels: IntArray
    pairs: int


@dataclass(frozen=True)
class Question:
    """What is to be told: the signs, how they are asked for, how matches are hidden, and what is easily said."""

    signs: tuple[str, ...]
    ask: Callable[[Graph, int], Signs]
    hide: Callable[..., tuple[Town, Pairs]]
    rule_of_thumb: Combination


def hide_ties(town: Town, *, share: float = SHARE, seed: int) -> tuple[Town, Pairs]:
    """Return the town without some ties, and these beside as many pairs of strangers.

    The latest are hidden where times are known, else some drawn by chance; who has one tie left keeps it.
    """
    n, generator = len(town.people), np.random.default_rng(seed)
    undirected, same = np.unique(np.sort(town.ties, axis=1), axis=0, return_inverse=True)
    at = np.full(len(undirected), np.iinfo(np.int64).max)
    np.minimum.at(at, same, town.tied_at)
    hidden = _hidden(undirected, at, share=share, generator=generator, keep=(True, True))
    matches = undirected[hidden]
    left = town.with_ties(town.ties[~hidden[same]], town.tied_at[~hidden[same]])
    strangers = drawn(len(matches), (n, n), taken=undirected, generator=generator, ordered=False)
    return left, beside(matches, strangers)


def hide_members(town: Town, *, share: float = SHARE, seed: int) -> tuple[Town, Pairs]:
    """Return the town without some memberships, and these beside as many pairs that are none; as ``hide_ties``."""
    generator = np.random.default_rng(seed)
    shape = (len(town.people), len(town.connectors))
    hidden = _hidden(town.members, town.joined_at, share=share, generator=generator, keep=(True, False))
    left = town.with_members(town.members[~hidden], town.joined_at[~hidden])
    return left, beside(town.members[hidden], drawn(int(hidden.sum()), shape, taken=town.members, generator=generator))


# Nothing is learnt in the rules of thumb: some signs count as they are.
PEOPLE = Question(
    PERSON_SIGNS,
    Graph.person_signs,
    hide_ties,
    rule_of(PERSON_SIGNS, "adamic_adar", "shared_connectors", "shared_interests", "same_place", "near_cell"),
)
CONNECTORS = Question(
    CONNECTOR_SIGNS,
    Graph.connector_signs,
    hide_members,
    rule_of(CONNECTOR_SIGNS, "ties_inside", "like_mine", "interest"),
)


def hide(town: Town, question: Question, *, seed: int) -> tuple[Town, Pairs]:
    """Hide some matches, and return pairs to ask for; raises ``TooLittleError`` for too few of them or of others."""
    left, hidden = question.hide(town, seed=seed)
    others, matches = np.bincount(hidden.labels, minlength=2)
    if min(matches, others) < LEAST_PAIRS:
        raise TooLittleError(
            f"{matches} matches could be hidden among {others} pairs that are none; {LEAST_PAIRS} of each are needed"
        )
    return left, _some(hidden, most=max(LEAST_PAIRS, MOST_COMPARED // len(town.people) // 2), seed=seed)


def _some(pairs: Pairs, *, most: int, seed: int) -> Pairs:
    """Return at most so many matches and as many strangers, drawn by chance, in their order."""
    generator = np.random.default_rng(seed)
    drawn_of = [generator.permutation(np.flatnonzero(pairs.labels == label))[:most] for label in (0, 1)]
    rows = np.sort(np.concatenate(drawn_of))
    return Pairs(pairs.pairs[rows], pairs.labels[rows])


def learn(town: Town, question: Question, *, seed: int) -> Combination:
    """Learn a combination by hiding a part of what is known.

    Raises:
        TooLittleError: when too little is known.
    """
    left, hidden = hide(town, question, seed=seed)
    signs = signs_of(Graph(with_vectors(left)), hidden.pairs, ask=question.ask)
    return fit(question.signs, signs, hidden.labels)


def signs_of(graph: Graph, pairs: IntArray, *, ask: Callable[[Graph, int], Signs]) -> Signs:
    """Return (p, s) signs of pairs; the first of each is who is asked for."""
    rows: list[Signs] = [np.zeros(0, dtype=np.float32)] * len(pairs)
    order = np.argsort(pairs[:, 0], kind="stable")
    people, begins = np.unique(pairs[order, 0], return_index=True)
    for person, mine in zip(people, np.split(order, begins[1:]), strict=True):
        for row, found in zip(mine, ask(graph, int(person))[pairs[mine, 1]], strict=True):
            rows[row] = found
    return np.stack(rows)


def judge(signs: Signs, labels: IntArray, *, methods: dict[str, Combination], seed: int) -> Judgement:
    """Judge combinations by name, ``learnt`` and ``rule_of_thumb`` among them, on the same pairs."""
    generator = np.random.default_rng(seed)
    chances = {name: method.chance(signs) for name, method in methods.items()}
    draws = [generator.integers(0, len(labels), len(labels)) for _ in range(_RESAMPLES)]
    aucs = {
        name: np.array([roc_auc_score(labels[rows], found[rows]) for rows in draws]) for name, found in chances.items()
    }
    whole = {name: float(roc_auc_score(labels, found)) for name, found in chances.items()}
    return Judgement(
        auc={name: _figure(whole[name], drawn) for name, drawn in aucs.items()},
        gain=_figure(whole["learnt"] - whole["rule_of_thumb"], aucs["learnt"] - aucs["rule_of_thumb"]),
        brier=float(brier_score_loss(labels, chances["learnt"])),
        chances=chances["learnt"],
        labels=labels,
        pairs=len(labels),
    )


def _figure(value: float, drawn: Weights) -> Figure:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Figure(value, float(low), float(high))


def _hidden(
    pairs: IntArray, at: IntArray, *, share: float, generator: np.random.Generator, keep: tuple[bool, bool]
) -> BoolArray:
    """Choose what is hidden so that nobody on a side that is kept is left without any."""
    left = [np.bincount(pairs[:, side]) if len(pairs) else np.zeros(0, dtype=np.int64) for side in (0, 1)]
    if keep == (True, True):  # Ties have people on both sides.
        size = max(map(len, left), default=0)
        total = np.sum([np.pad(counts, (0, size - len(counts))) for counts in left], axis=0)
        left = [total, total]
    shuffled = generator.permutation(len(pairs))
    order = shuffled if not at.any() else shuffled[np.argsort(-at[shuffled], kind="stable")]
    hidden, wanted = np.zeros(len(pairs), dtype=bool), int(len(pairs) * share)
    for row in order:
        if wanted == 0:
            break
        ends = [(left[side], pairs[row, side]) for side in (0, 1) if keep[side]]
        if all(counts[end] > 1 for counts, end in ends):
            for counts, end in ends:
                counts[end] -= 1
            hidden[row], wanted = True, wanted - 1
    return hidden


def drawn(
    number: int, shape: tuple[int, int], *, taken: IntArray, generator: np.random.Generator, ordered: bool = True
) -> IntArray:
    """Draw different pairs by chance that are not among ``taken``; fewer where there are not so many.

    Of pairs that are not ``ordered`` the smaller comes first, in ``taken`` too, and none is of one with itself.
    """
    known = set((taken[:, 0] * shape[1] + taken[:, 1]).tolist())
    possible = shape[0] * shape[1] if ordered else shape[0] * (shape[0] - 1) // 2
    number = min(number, (possible - len(known)) // 4)
    found: dict[int, None] = {}
    while len(found) < number:
        pairs = generator.integers(0, shape, size=(number, 2))
        if not ordered:
            pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
        fresh = (key for key in (pairs[:, 0] * shape[1] + pairs[:, 1]).tolist() if key not in known)
        found |= dict.fromkeys(fresh)
    keys = np.array(list(found)[:number], dtype=np.int64)
    return np.stack((keys // shape[1], keys % shape[1]), axis=1) if number else np.zeros((0, 2), dtype=np.int64)


def beside(matches: IntArray, others: IntArray) -> Pairs:
    """Return pairs that are a match and pairs that are none, with their labels."""
    labels = np.concatenate((np.ones(len(matches), dtype=np.int64), np.zeros(len(others), dtype=np.int64)))
    return Pairs(np.concatenate((matches, others)), labels)
