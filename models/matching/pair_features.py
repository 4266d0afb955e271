"""Features of pairs of users, and of users and connectors, from the social graph.

Computed for one user against all others at once: a few sparse rows are summed into one dense row per feature, about a
millisecond for 100,000 users. Training and serving use the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import h3
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from models.matching.social_graph import UNKNOWN, FloatArray, IntArray, SocialGraph

DIMENSIONS = 64
RINGS = 2
"""Number of rings of H3 cells around a home that count as near."""
_WALK_DAMPING = 0.5
_MAX_FRONTIER = 5_000
_MIN_WALK = 1e-4
_ZERO = 1e-6

# Graph features: Liben-Nowell and Kleinberg, "The Link-Prediction Problem for Social Networks", 2007; resource
# allocation: Zhou, Lü and Zhang, "Predicting missing links via local information", 2009.
USER_FEATURES = (
    "common_neighbors",
    "adamic_adar",
    "resource_allocation",
    "random_walk",
    "edge_vectors",
    "popularity",
    "shared_connectors",
    "connector_overlap",
    "membership_vectors",
    "activity",
    "shared_interests",
    "locality",
    "cell_proximity",
)
EMBEDDING_FEATURES = ("edge_vectors", "membership_vectors")
"""Cosine similarities: reading all vectors takes as long as computing all other features."""
CONNECTOR_FEATURES = (
    "followed_members",
    "followed_members_share",
    "co_membership",
    "membership_vectors",
    "category_interest",
    "size",
    "local_members",
)

Weights = npt.NDArray[np.float64]
FeatureMatrix = FloatArray
"""(n, f): one row per user or connector, one column per feature; larger means closer."""


def with_vectors(graph: SocialGraph, *, dimensions: int = DIMENSIONS) -> SocialGraph:
    """Return the graph with the embeddings of users by follows and by memberships."""
    pair_features = PairFeatures(graph)
    return replace(
        graph,
        edge_vectors=_vectors(pair_features.adjacency, dimensions=dimensions),
        membership_vectors=_vectors(pair_features.members, dimensions=dimensions),
    )


def _vectors(matrix: sp.csr_matrix, *, dimensions: int) -> FloatArray:
    """Return (rows, d) unit (or zero) vectors by a truncated SVD of the degree-normalized matrix."""
    rows, columns = (np.asarray(matrix.sum(axis=axis)).ravel() for axis in (1, 0))
    d = min(dimensions, min(matrix.shape) - 1, int(min((rows > 0).sum(), (columns > 0).sum())) - 1)
    if d < 1:
        return np.zeros((matrix.shape[0], 0), dtype=np.float32)
    scaled = sp.diags(1 / np.sqrt(np.maximum(rows, 1))) @ matrix @ sp.diags(1 / np.sqrt(np.maximum(columns, 1)))
    left, strength, _ = svds(scaled.astype(np.float32), k=d, random_state=np.random.default_rng(0))
    vectors = left * np.sqrt(strength)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > _ZERO, vectors / np.maximum(length, _ZERO), 0).astype(np.float32)


def spread(matrix: sp.csr_matrix, rows: IntArray, weights: Weights) -> Weights:
    """Return the weighted sum of ``rows`` of a 0/1 matrix as a dense row."""
    begins = matrix.indptr[rows].astype(np.int64)
    lengths = matrix.indptr[rows + 1] - begins
    before = np.concatenate(([0], np.cumsum(lengths)[:-1])) if len(rows) else begins
    cells = np.repeat(begins - before, lengths) + np.arange(lengths.sum())
    sums = np.bincount(matrix.indices[cells], weights=np.repeat(weights, lengths), minlength=matrix.shape[1])
    return sums.astype(np.float64, copy=False)


def where(weights: Weights) -> IntArray:
    """Return the positions of positive weights, five times as fast as ``flatnonzero`` of 100,000 floats."""
    return np.flatnonzero(weights > 0)


class PairFeatures:
    """Feature computation over one immutable social graph."""

    def __init__(self, graph: SocialGraph) -> None:
        """Build the sparse matrices."""
        n = len(graph.users)
        self.graph = graph
        both = np.concatenate((graph.follows, graph.follows[:, ::-1]))
        self.adjacency = _binary(both[both[:, 0] != both[:, 1]], (n, n))
        self.degrees = np.diff(self.adjacency.indptr)
        self.members = _binary(graph.members, (n, len(graph.connectors)))
        self.members_of = self.members.T.tocsr()
        self.sizes = np.diff(self.members_of.indptr)
        self.likes = _binary(graph.likes, (n, len(graph.interests)))
        self.liked_by = self.likes.T.tocsr()
        self._rare_interest = np.log((n + 1) / (np.diff(self.liked_by.indptr) + 1))
        self._rare_connector = 1 / np.log(np.maximum(self.sizes, 1) + 1)
        self._popularity = np.log1p(self.degrees)
        self._memberships = np.diff(self.members.indptr)
        self._activity = np.log1p(self._memberships)

    def row(self, matrix: sp.csr_matrix, user: int) -> IntArray:
        """Return the nonzero columns of a user's row."""
        columns: IntArray = matrix.indices[matrix.indptr[user] : matrix.indptr[user + 1]]
        return columns

    def user_features(self, user: int) -> FeatureMatrix:
        """Return (n, 13) ``USER_FEATURES`` of all users towards one user."""
        return self.features_of(user, slice(None))

    def features_of(self, user: int, rows: IntArray | slice) -> FeatureMatrix:
        """Return ``user_features`` of ``rows`` only, which is faster."""
        return self.with_embedding_features(user, self.cheap_features(user, rows), rows)

    def with_embedding_features(self, user: int, features: FeatureMatrix, rows: IntArray | slice) -> FeatureMatrix:
        """Fill the ``EMBEDDING_FEATURES`` of ``rows`` into their ``cheap_features``, and return these."""
        for name in EMBEDDING_FEATURES:
            vectors: FloatArray = getattr(self.graph, name)
            features[:, USER_FEATURES.index(name)] = vectors[rows] @ vectors[user]
        return features

    def cheap_features(self, user: int, rows: IntArray | slice = slice(None)) -> FeatureMatrix:
        """Return ``features_of`` with ``EMBEDDING_FEATURES`` of 0."""
        neighbors, joined = self.row(self.adjacency, user), self.row(self.members, user)
        log_degrees = np.log(np.maximum(self.degrees[neighbors], 2))
        shared = spread(self.members_of, joined, np.ones(len(joined)))[rows]
        liked = self.row(self.likes, user)
        union = len(joined) + self._memberships[rows] - shared
        columns = (
            _log1p(spread(self.adjacency, neighbors, np.ones(len(neighbors)))[rows]),
            _log1p(spread(self.adjacency, neighbors, 1 / log_degrees)[rows]),
            _log1p(spread(self.adjacency, neighbors, 10 / self.degrees[neighbors])[rows]),
            _log1p(self._walk(user)[rows] / _MIN_WALK),
            0,
            self._popularity[rows] + self._popularity[user],
            _log1p(spread(self.members_of, joined, self._rare_connector[joined])[rows]),
            shared / np.maximum(union, 1),
            0,
            self._activity[rows] + self._activity[user],
            spread(self.liked_by, liked, self._rare_interest[liked])[rows],
            self.locality(user, rows),
            self.cell_proximity(user, rows),
        )
        return _stack_columns(columns, rows=len(shared))

    def connector_features(self, user: int) -> FeatureMatrix:
        """Return (c, 7) ``CONNECTOR_FEATURES`` of all connectors towards one user."""
        graph, neighbors, joined = self.graph, self.row(self.adjacency, user), self.row(self.members, user)
        roots = np.sqrt(np.maximum(self.sizes, 1))
        followed = spread(self.members, neighbors, np.ones(len(neighbors)))
        others = spread(self.members_of, joined, 1 / roots[joined])
        others[user] = 0
        alike = where(others)
        is_local = self.locality(user) == 1
        is_local[user] = False
        local = np.flatnonzero(is_local)[:_MAX_FRONTIER]
        columns = (
            np.log1p(followed),
            followed / roots,
            np.log1p(spread(self.members, alike, others[alike]) / roots),
            self._connector_vectors @ graph.membership_vectors[user],
            np.isin(graph.categories, self.row(self.likes, user)) & (graph.categories != UNKNOWN),
            np.log1p(self.sizes),
            spread(self.members, local, np.ones(len(local))) / np.maximum(self.sizes, 1),
        )
        return _stack_columns(columns, rows=len(roots))

    def cell_proximity(self, user: int, rows: IntArray | slice = slice(None)) -> Weights:
        """Return 1 for users in the same cell, 1 / (1 + ring) for the rings around it, 0 beyond ``RINGS``."""
        cell, cells = int(self.graph.cells[user]), self._cell_of[rows]
        if not cell:
            return np.zeros(len(cells))
        by_cell = np.zeros(len(self._cells))
        for ring in range(RINGS + 1):
            numbers = (self._cells.get(h3.str_to_int(neighbor)) for neighbor in h3.grid_ring(h3.int_to_str(cell), ring))
            by_cell[[number for number in numbers if number is not None]] = 1 / (1 + ring)
        proximity: Weights = by_cell[cells]
        return proximity

    def locality(self, user: int, rows: IntArray | slice = slice(None)) -> Weights:
        """Return 1 for users of the same neighborhood, 0.5 for users of the same city, 0 for others."""
        graph, found = self.graph, np.zeros(len(self.graph.cities[rows]))
        for places, worth in ((graph.cities, 0.5), (graph.neighborhoods, 1.0)):
            if places[user] != UNKNOWN:
                found = np.maximum(found, worth * (places[rows] == places[user]))
        return found

    @cached_property
    def _cells(self) -> dict[int, int]:
        return {int(cell): column for column, cell in enumerate(np.unique(self.graph.cells))}

    @cached_property
    def _cell_of(self) -> IntArray:
        return np.searchsorted(np.unique(self.graph.cells), self.graph.cells)

    @cached_property
    def _connector_vectors(self) -> FloatArray:
        total = self.members_of @ self.graph.membership_vectors
        lengths = np.linalg.norm(total, axis=1, keepdims=True)
        found: FloatArray = total / np.maximum(lengths, _MIN_WALK)
        return found

    def _walk(self, user: int) -> Weights:
        """Return the probability that a short random walk ends at each user, times the start's degree (symmetric).

        The first three steps of personalized PageRank (Haveliwala, 2002); a step is pruned to its most probable users.
        """
        step = np.zeros(len(self.graph.users))
        step[user] = 1.0
        total = np.zeros_like(step)
        for damping in (_WALK_DAMPING, _WALK_DAMPING**2, _WALK_DAMPING**3):
            rows = where(step)
            if len(rows) > _MAX_FRONTIER:
                rows = rows[np.argpartition(-step[rows], _MAX_FRONTIER)[:_MAX_FRONTIER]]
            step = spread(self.adjacency, rows, step[rows] / np.maximum(self.degrees[rows], 1))
            total += damping * step
        total[user] = 0
        total *= self.degrees[user]
        return total


def _log1p(values: Weights) -> Weights:
    """Return log(1 + value) of nonnegative values that are mostly 0."""
    rows, found = where(values), np.zeros(len(values))
    found[rows] = np.log1p(values[rows])
    return found


def _stack_columns(columns: Sequence[npt.NDArray[Any] | float], *, rows: int) -> FeatureMatrix:
    """Return (rows, f) in column-major order: columns are written and read one at a time."""
    features = np.empty((rows, len(columns)), dtype=np.float32, order="F")
    for number, column in enumerate(columns):
        features[:, number] = column
    return features


def _binary(pairs: IntArray, shape: tuple[int, int]) -> sp.csr_matrix:
    """Return a 0/1 matrix of pairs; duplicates count once."""
    matrix = sp.csr_matrix((np.ones(len(pairs), dtype=np.float32), (pairs[:, 0], pairs[:, 1])), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
