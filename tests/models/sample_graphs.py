"""Small social graphs for tests."""

from __future__ import annotations

import h3
import numpy as np

from models.matching.social_graph import SocialGraph, social_graph_of

SEED = 3
COMMUNITIES, USERS_EACH = 8, 25
HOME = h3.latlng_to_cell(40.7, -73.9, 7)


def community_graph(*, seed: int = SEED, mixed: bool = False) -> SocialGraph:
    """Return a graph with planted communities; with ``mixed`` follows and memberships are random."""
    generator, n = np.random.default_rng(seed), COMMUNITIES * USERS_EACH
    circle = np.repeat(np.arange(COMMUNITIES), USERS_EACH)
    follows = []
    for person in range(n):
        inside = generator.choice(np.flatnonzero(circle == circle[person]), 6, replace=False)
        others = generator.choice(n, 6 if mixed else 1, replace=False)
        follows += [(person, other) for other in (others if mixed else [*inside, *others]) if other != person]
    members = [
        (person, int(connector))
        for person in range(n)
        for connector in (
            generator.choice(COMMUNITIES * 3, 2, replace=False)
            if mixed
            else 3 * circle[person] + generator.choice(3, 2, replace=False)
        )
    ]
    return social_graph_of(
        users=tuple(f"p{place}" for place in range(n)),
        connectors=tuple(f"c{place}" for place in range(COMMUNITIES * 3)),
        follows=np.unique(follows, axis=0),
        members=np.array(members),
    )


def small_graph() -> SocialGraph:
    """Return a graph of six users, of whom ``eve`` has no data."""
    return social_graph_of(
        users=("ada", "ben", "cai", "dee", "eve", "fay"),
        connectors=("garden", "bakers", "secret"),
        interests=("bees", "bread", "boats"),
        follows=np.array([[0, 1], [1, 2], [2, 1], [0, 5]]),
        members=np.array([[0, 0], [3, 0], [1, 1], [3, 2], [0, 0]]),
        likes=np.array([[0, 0], [1, 0], [2, 0], [1, 1], [2, 1], [3, 1], [5, 2]]),
        categories=np.array([0, 1, -1]),
        is_open=np.array([True, True, False]),
        cities=np.array([0, 0, 0, 0, -1, -1]),
        cells=np.array([h3.str_to_int(HOME)] * 2 + [h3.str_to_int(next(iter(h3.grid_ring(HOME, 1))))] + [0] * 3),
    )
