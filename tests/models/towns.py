"""Small towns to match in. Not a test: imported by path from those that need one."""

from __future__ import annotations

import h3
import numpy as np

from models.matching.town import Town, town_of

SEED = 3
CIRCLES, PEOPLE_EACH = 8, 25
HOME = h3.latlng_to_cell(40.7, -73.9, 7)


def circles_town(*, seed: int = SEED, mixed: bool = False) -> Town:
    """People in circles: most ties and memberships are within one; with ``mixed`` circles mean nothing."""
    generator, n = np.random.default_rng(seed), CIRCLES * PEOPLE_EACH
    circle = np.repeat(np.arange(CIRCLES), PEOPLE_EACH)
    ties = []
    for person in range(n):
        inside = generator.choice(np.flatnonzero(circle == circle[person]), 6, replace=False)
        others = generator.choice(n, 6 if mixed else 1, replace=False)
        ties += [(person, other) for other in (others if mixed else [*inside, *others]) if other != person]
    members = [
        (person, int(connector))
        for person in range(n)
        for connector in (
            generator.choice(CIRCLES * 3, 2, replace=False)
            if mixed
            else 3 * circle[person] + generator.choice(3, 2, replace=False)
        )
    ]
    return town_of(
        people=tuple(f"p{place}" for place in range(n)),
        connectors=tuple(f"c{place}" for place in range(CIRCLES * 3)),
        ties=np.unique(ties, axis=0),
        members=np.array(members),
    )


def small_town() -> Town:
    """Five who know each other in part; ``eve`` is new."""
    return town_of(
        people=("ada", "ben", "cai", "dee", "eve", "fay"),
        connectors=("garden", "bakers", "secret"),
        interests=("bees", "bread", "boats"),
        ties=np.array([[0, 1], [1, 2], [2, 1], [0, 5]]),
        members=np.array([[0, 0], [3, 0], [1, 1], [3, 2], [0, 0]]),
        likes=np.array([[0, 0], [1, 0], [2, 0], [1, 1], [2, 1], [3, 1], [5, 2]]),
        categories=np.array([0, 1, -1]),
        is_open=np.array([True, True, False]),
        cities=np.array([0, 0, 0, 0, -1, -1]),
        cells=np.array([h3.str_to_int(HOME)] * 2 + [h3.str_to_int(next(iter(h3.grid_ring(HOME, 1))))] + [0] * 3),
    )
