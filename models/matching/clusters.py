"""The circles of the town: people who are tied to each other more than to others."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np
import scipy.sparse as sp
from matplotlib.figure import Figure
from sknetwork.clustering import Louvain, get_modularity

from models.matching.graph import Graph
from models.matching.town import IntArray, Town

LARGEST = 12
_DRAWN = 500


@dataclass(frozen=True)
class Circles:
    """The clusters of people with ties, the largest first, and how well they part the town (modularity, -0.5 to 1).

    Attributes:
        ties: (n, n) 1 for each two who are tied.
        members: the people of each circle.
    """

    ties: sp.csr_matrix
    members: tuple[frozenset[int], ...]
    modularity: float


def find_circles(town: Town, *, seed: int) -> Circles:
    """Part the town by Louvain's method (Blondel et al. 2008); people without ties are in no circle."""
    ties = Graph(town).ties
    if not ties.nnz:
        return Circles(ties, (), 0.0)
    circle = Louvain(random_state=seed).fit_predict(ties)
    tied = np.flatnonzero(np.diff(ties.indptr))
    parted = np.split(tied[np.argsort(circle[tied], kind="stable")], np.cumsum(np.bincount(circle[tied]))[:-1])
    found = sorted((frozenset(one.tolist()) for one in parted if len(one)), key=lambda one: (-len(one), min(one)))
    return Circles(ties, tuple(found), float(get_modularity(ties, circle)))


def draw_circles(circles: Circles, *, seed: int) -> Figure:
    """Draw people of the largest circles, a colour each, and how large all are."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    colour = {person: place for place, circle in enumerate(circles.members[:LARGEST]) for person in circle}
    people: IntArray = np.array(sorted(colour), dtype=np.int64)
    if len(people) > _DRAWN:
        people = np.random.default_rng(seed).choice(people, _DRAWN, replace=False)
    part = nx.from_scipy_sparse_array(circles.ties[people][:, people])
    places = nx.spring_layout(part, seed=seed, iterations=40)
    nx.draw_networkx_edges(part, places, ax=left, alpha=0.1)
    nx.draw_networkx_nodes(
        part, places, ax=left, node_size=18, node_color=[colour[person] for person in people.tolist()], cmap="tab20"
    )
    left.set_title(f"{len(part)} people of the {min(LARGEST, len(circles.members))} largest circles")
    left.set_axis_off()
    right.bar(range(1, len(circles.members) + 1), [len(circle) for circle in circles.members])
    right.set_title(f"{len(circles.members)} circles, modularity {circles.modularity:.2f}")
    right.set_xlabel("circle")
    right.set_ylabel("people")
    return figure
