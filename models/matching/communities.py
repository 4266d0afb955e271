"""Communities of the social graph: users who are connected to each other more than to others."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np
import scipy.sparse as sp
from matplotlib.figure import Figure
from sknetwork.clustering import Louvain, get_modularity

from models.matching.pair_features import PairFeatures
from models.matching.social_graph import IntArray, SocialGraph

MAX_PLOTTED_COMMUNITIES = 12
_MAX_PLOTTED_USERS = 500


@dataclass(frozen=True)
class Communities:
    """Communities of connected users, the largest first.

    Attributes:
        adjacency: (n, n) symmetric 0/1 matrix of connected users.
        members: row numbers of the users of each community.
        modularity: modularity of the partition, from -0.5 to 1.
    """

    adjacency: sp.csr_matrix
    members: tuple[frozenset[int], ...]
    modularity: float


def detect_communities(graph: SocialGraph, *, seed: int) -> Communities:
    """Partition the graph by the Louvain method; users without connections are in no community.

    Blondel, Guillaume, Lambiotte and Lefebvre, "Fast unfolding of communities in large networks", 2008.
    """
    adjacency = PairFeatures(graph).adjacency
    if not adjacency.nnz:
        return Communities(adjacency, (), 0.0)
    label = Louvain(random_state=seed).fit_predict(adjacency)
    connected = np.flatnonzero(np.diff(adjacency.indptr))
    groups = np.split(
        connected[np.argsort(label[connected], kind="stable")], np.cumsum(np.bincount(label[connected]))[:-1]
    )
    members = sorted(
        (frozenset(group.tolist()) for group in groups if len(group)), key=lambda group: (-len(group), min(group))
    )
    return Communities(adjacency, tuple(members), float(get_modularity(adjacency, label)))


def plot_communities(communities: Communities, *, seed: int) -> Figure:
    """Plot users of the largest communities by color, and the size of every community."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    color = {
        user: number
        for number, community in enumerate(communities.members[:MAX_PLOTTED_COMMUNITIES])
        for user in community
    }
    users: IntArray = np.array(sorted(color), dtype=np.int64)
    if len(users) > _MAX_PLOTTED_USERS:
        users = np.random.default_rng(seed).choice(users, _MAX_PLOTTED_USERS, replace=False)
    subgraph = nx.from_scipy_sparse_array(communities.adjacency[users][:, users])
    positions = nx.spring_layout(subgraph, seed=seed, iterations=40)
    nx.draw_networkx_edges(subgraph, positions, ax=left, alpha=0.1)
    nx.draw_networkx_nodes(
        subgraph, positions, ax=left, node_size=18, node_color=[color[user] for user in users.tolist()], cmap="tab20"
    )
    left.set_title(
        f"{len(subgraph)} users of the {min(MAX_PLOTTED_COMMUNITIES, len(communities.members))} largest communities"
    )
    left.set_axis_off()
    right.bar(range(1, len(communities.members) + 1), [len(community) for community in communities.members])
    right.set_title(f"{len(communities.members)} communities, modularity {communities.modularity:.2f}")
    right.set_xlabel("community")
    right.set_ylabel("users")
    return figure
