"""What ties, memberships, interests and places say of how near others are to one person.

For one person at a time, all others at once: a few sparse rows are added up into one dense row each, a millisecond for
100,000 people. Training and serving ask through this one place.
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

from models.matching.town import UNKNOWN, FloatArray, IntArray, Town

DIMENSIONS = 64
RINGS = 2
"""Homes so many cells away are near still."""
_WALK_DAMPING = 0.5
_WIDEST_STEP = 5_000
_LEAST = 1e-4
_ZERO = 1e-6

# Liben-Nowell and Kleinberg, "The Link-Prediction Problem for Social Networks", 2007, has those of the ties.
PERSON_SIGNS = (
    "common_ties",
    "adamic_adar",
    "resource_allocation",
    "walk",
    "tie_vectors",
    "popularity",
    "shared_connectors",
    "connector_overlap",
    "member_vectors",
    "activity",
    "shared_interests",
    "same_place",
    "near_cell",
)
VECTOR_SIGNS = ("tie_vectors", "member_vectors")
"""Cosines: reading everybody's vectors takes as long as all other signs together."""
CONNECTOR_SIGNS = ("ties_inside", "ties_inside_share", "like_mine", "member_vectors", "interest", "size", "here")

Weights = npt.NDArray[np.float64]
Signs = FloatArray
"""(n, s) a row for each person or connector, a column for each sign, larger is nearer."""


def with_vectors(town: Town, *, dimensions: int = DIMENSIONS) -> Town:
    """Return the town with people's vectors made: of ties, and of memberships."""
    graph = Graph(town)
    return replace(
        town,
        tie_vectors=_vectors(graph.ties, dimensions=dimensions),
        member_vectors=_vectors(graph.members, dimensions=dimensions),
    )


def _vectors(matrix: sp.csr_matrix, *, dimensions: int) -> FloatArray:
    """Return (rows, d) vectors of length one (or zero) by a truncated SVD of the matrix, scaled by its degrees."""
    rows, columns = (np.asarray(matrix.sum(axis=axis)).ravel() for axis in (1, 0))
    d = min(dimensions, min(matrix.shape) - 1, int(min((rows > 0).sum(), (columns > 0).sum())) - 1)
    if d < 1:
        return np.zeros((matrix.shape[0], 0), dtype=np.float32)
    scaled = sp.diags(1 / np.sqrt(np.maximum(rows, 1))) @ matrix @ sp.diags(1 / np.sqrt(np.maximum(columns, 1)))
    left, strength, _ = svds(scaled.astype(np.float32), k=d, random_state=np.random.default_rng(0))
    found = left * np.sqrt(strength)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return np.where(length > _ZERO, found / np.maximum(length, _ZERO), 0).astype(np.float32)


def spread(matrix: sp.csr_matrix, rows: IntArray, weights: Weights) -> Weights:
    """Return the sum of ``rows`` of a 0-1 matrix, each times its weight, as a dense row."""
    begins = matrix.indptr[rows].astype(np.int64)
    lengths = matrix.indptr[rows + 1] - begins
    before = np.concatenate(([0], np.cumsum(lengths)[:-1])) if len(rows) else begins
    places = np.repeat(begins - before, lengths) + np.arange(lengths.sum())
    found = np.bincount(matrix.indices[places], weights=np.repeat(weights, lengths), minlength=matrix.shape[1])
    return found.astype(np.float64, copy=False)


def where(weights: Weights) -> IntArray:
    """Return where weights are above 0: of 100,000 five times as soon as ``flatnonzero`` of the weights themselves."""
    return np.flatnonzero(weights > 0)


class Graph:
    """A town, ready to be asked about one person at a time; it is not changed afterwards."""

    def __init__(self, town: Town) -> None:
        """Build the matrices."""
        n = len(town.people)
        self.town = town
        both = np.concatenate((town.ties, town.ties[:, ::-1]))
        self.ties = _binary(both[both[:, 0] != both[:, 1]], (n, n))
        self.degrees = np.diff(self.ties.indptr)
        self.members = _binary(town.members, (n, len(town.connectors)))
        self.inside = self.members.T.tocsr()
        self.sizes = np.diff(self.inside.indptr)
        self.likes = _binary(town.likes, (n, len(town.interests)))
        self.liked_by = self.likes.T.tocsr()
        self._rare_interest = np.log((n + 1) / (np.diff(self.liked_by.indptr) + 1))
        self._rare_connector = 1 / np.log(np.maximum(self.sizes, 1) + 1)
        self._popularity = np.log1p(self.degrees)
        self._memberships = np.diff(self.members.indptr)
        self._activity = np.log1p(self._memberships)

    def row(self, matrix: sp.csr_matrix, person: int) -> IntArray:
        """Return where a person's row is not zero."""
        found: IntArray = matrix.indices[matrix.indptr[person] : matrix.indptr[person + 1]]
        return found

    def person_signs(self, person: int) -> Signs:
        """Return ``PERSON_SIGNS`` of everybody towards one person: (n, 13)."""
        return self.signs_of(person, slice(None))

    def signs_of(self, person: int, rows: IntArray | slice) -> Signs:
        """Return ``person_signs`` of those at ``rows`` alone, sooner than everybody's."""
        return self.with_vector_signs(person, self.quick_signs(person, rows), rows)

    def with_vector_signs(self, person: int, signs: Signs, rows: IntArray | slice) -> Signs:
        """Write ``VECTOR_SIGNS`` of those at ``rows`` into their ``quick_signs``, and return these."""
        for name in VECTOR_SIGNS:
            vectors: FloatArray = getattr(self.town, name)
            signs[:, PERSON_SIGNS.index(name)] = vectors[rows] @ vectors[person]
        return signs

    def quick_signs(self, person: int, rows: IntArray | slice = slice(None)) -> Signs:
        """Return ``signs_of``, but that ``VECTOR_SIGNS`` are 0."""
        tied, mine = self.row(self.ties, person), self.row(self.members, person)
        log_degrees = np.log(np.maximum(self.degrees[tied], 2))
        shared = spread(self.inside, mine, np.ones(len(mine)))[rows]
        liked = self.row(self.likes, person)
        union = len(mine) + self._memberships[rows] - shared
        columns = (
            _log1p(spread(self.ties, tied, np.ones(len(tied)))[rows]),
            _log1p(spread(self.ties, tied, 1 / log_degrees)[rows]),
            _log1p(spread(self.ties, tied, 10 / self.degrees[tied])[rows]),
            _log1p(self._walk(person)[rows] / _LEAST),
            0,
            self._popularity[rows] + self._popularity[person],
            _log1p(spread(self.inside, mine, self._rare_connector[mine])[rows]),
            shared / np.maximum(union, 1),
            0,
            self._activity[rows] + self._activity[person],
            spread(self.liked_by, liked, self._rare_interest[liked])[rows],
            self.same_place(person, rows),
            self.near_cells(person, rows),
        )
        return _side_by_side(columns, rows=len(shared))

    def connector_signs(self, person: int) -> Signs:
        """Return ``CONNECTOR_SIGNS`` of every connector towards one person: (c, 7)."""
        town, tied, mine = self.town, self.row(self.ties, person), self.row(self.members, person)
        roots = np.sqrt(np.maximum(self.sizes, 1))
        inside = spread(self.members, tied, np.ones(len(tied)))
        others = spread(self.inside, mine, 1 / roots[mine])
        others[person] = 0
        alike = where(others)
        here = self.same_place(person) == 1
        here[person] = False
        local = np.flatnonzero(here)[:_WIDEST_STEP]
        columns = (
            np.log1p(inside),
            inside / roots,
            np.log1p(spread(self.members, alike, others[alike]) / roots),
            self._connector_vectors @ town.member_vectors[person],
            np.isin(town.categories, self.row(self.likes, person)) & (town.categories != UNKNOWN),
            np.log1p(self.sizes),
            spread(self.members, local, np.ones(len(local))) / np.maximum(self.sizes, 1),
        )
        return _side_by_side(columns, rows=len(roots))

    def near_cells(self, person: int, rows: IntArray | slice = slice(None)) -> Weights:
        """Return 1 for who lives in the person's cell, less with each ring around it, 0 beyond ``RINGS``."""
        cell, cells = int(self.town.cells[person]), self._cell_of[rows]
        if not cell:
            return np.zeros(len(cells))
        by_cell = np.zeros(len(self._cells))
        for ring in range(RINGS + 1):
            known = (self._cells.get(h3.str_to_int(one)) for one in h3.grid_ring(h3.int_to_str(cell), ring))
            by_cell[[place for place in known if place is not None]] = 1 / (1 + ring)
        found: Weights = by_cell[cells]
        return found

    def same_place(self, person: int, rows: IntArray | slice = slice(None)) -> Weights:
        """Return 1 for who says to live in the person's neighbourhood, a half for their city, 0 for others."""
        town, found = self.town, np.zeros(len(self.town.cities[rows]))
        for places, worth in ((town.cities, 0.5), (town.neighborhoods, 1.0)):
            if places[person] != UNKNOWN:
                found = np.maximum(found, worth * (places[rows] == places[person]))
        return found

    @cached_property
    def _cells(self) -> dict[int, int]:
        return {int(cell): place for place, cell in enumerate(np.unique(self.town.cells))}

    @cached_property
    def _cell_of(self) -> IntArray:
        return np.searchsorted(np.unique(self.town.cells), self.town.cells)

    @cached_property
    def _connector_vectors(self) -> FloatArray:
        total = self.inside @ self.town.member_vectors
        lengths = np.linalg.norm(total, axis=1, keepdims=True)
        found: FloatArray = total / np.maximum(lengths, _LEAST)
        return found

    def _walk(self, person: int) -> Weights:
        """Return how likely a short random walk along ties ends at each, times the person's degree (symmetrical).

        The first three steps of personalised PageRank; the widest are cut to the likeliest.
        """
        step = np.zeros(len(self.town.people))
        step[person] = 1.0
        total = np.zeros_like(step)
        for damping in (_WALK_DAMPING, _WALK_DAMPING**2, _WALK_DAMPING**3):
            rows = where(step)
            if len(rows) > _WIDEST_STEP:
                rows = rows[np.argpartition(-step[rows], _WIDEST_STEP)[:_WIDEST_STEP]]
            step = spread(self.ties, rows, step[rows] / np.maximum(self.degrees[rows], 1))
            total += damping * step
        total[person] = 0
        total *= self.degrees[person]
        return total


def _log1p(values: Weights) -> Weights:
    """Return log(1 + value) of values most of which are 0, the others above it."""
    rows, found = where(values), np.zeros(len(values))
    found[rows] = np.log1p(values[rows])
    return found


def _side_by_side(columns: Sequence[npt.NDArray[Any] | float], *, rows: int) -> Signs:
    """Return (rows, s), each column in one piece of memory: it is written, and read again, in one go."""
    signs = np.empty((rows, len(columns)), dtype=np.float32, order="F")
    for place, column in enumerate(columns):
        signs[:, place] = column
    return signs


def _binary(pairs: IntArray, shape: tuple[int, int]) -> sp.csr_matrix:
    """Return a 0-1 matrix; a pair that is named twice counts once."""
    matrix = sp.csr_matrix((np.ones(len(pairs), dtype=np.float32), (pairs[:, 0], pairs[:, 1])), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
