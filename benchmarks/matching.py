"""``python -m benchmarks matching``: how long one person's matches take in a town of 100,000; needs nothing that runs.

The raw limit beside it is the one step that cannot be left out: reading everybody's vectors once.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.report import Row, percentiles
from models.matching.evaluate import CONNECTORS, PEOPLE
from models.matching.graph import Graph, with_vectors
from models.matching.predictor import Matcher
from models.matching.town import Town, town_of
from neighborconnect.contracts.matching import MatchAnswer, MatchKind
from neighborconnect.settings import Settings

INHABITANTS, CONNECTORS_THERE, INTERESTS, PLACES = 100_000, 2_000, 200, 500
TIES_EACH, MEMBERSHIPS_EACH, INTERESTS_EACH = 10, 4, 4
ASKED = 300
LIMIT = 20
SEED = 20261


def run(_settings: Settings) -> list[Row]:
    """Measure every kind of match, one person after another."""
    town = with_vectors(_town())
    matcher = Matcher(Graph(town), PEOPLE.rule_of_thumb, CONNECTORS.rule_of_thumb, "benchmark")
    people = np.random.default_rng(SEED).integers(0, INHABITANTS, ASKED)
    rows: list[Row] = []
    for kind in MatchKind:
        seconds = _seconds(partial(_match, matcher, kind), people)
        rows += percentiles(f"matching {kind.value}, {INHABITANTS:,} people", seconds, note=f"{ASKED} people")
    limit = _seconds(lambda person: town.tie_vectors @ town.tie_vectors[person], people)
    rows += percentiles("raw limit: everybody's vectors, once", limit)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows.append(Row("memory, most at any time", ours=megabytes, unit="MiB", note="making the vectors included"))
    return rows


def _match(matcher: Matcher, kind: MatchKind, person: int) -> MatchAnswer:
    return matcher.match(str(person), kind, limit=LIMIT)


def _seconds(ask: Callable[[int], object], people: np.ndarray) -> list[float]:
    found = []
    for person in people:
        began = time.perf_counter()
        ask(int(person))
        found.append(time.perf_counter() - began)
    return found


def _town() -> Town:
    """Return a town whose ties, memberships and interests are drawn by chance, a few of them much wanted."""
    generator = np.random.default_rng(SEED)

    def pairs(each: int, of: int) -> np.ndarray:
        left = np.repeat(np.arange(INHABITANTS), each)
        wanted = (of * generator.random(len(left)) ** 2).astype(np.int64)
        return np.unique(np.stack((left, wanted), axis=1), axis=0)

    return town_of(
        people=tuple(map(str, range(INHABITANTS))),
        connectors=tuple(map(str, range(CONNECTORS_THERE))),
        interests=tuple(map(str, range(INTERESTS))),
        ties=pairs(TIES_EACH, INHABITANTS),
        members=pairs(MEMBERSHIPS_EACH, CONNECTORS_THERE),
        likes=pairs(INTERESTS_EACH, INTERESTS),
        cities=generator.integers(0, 5, INHABITANTS),
        neighborhoods=generator.integers(0, PLACES, INHABITANTS),
    )
