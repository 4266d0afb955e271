"""The town as matching sees it: who is tied to whom, who is in what, who likes what, who lives where (in cells)."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

UNKNOWN = -1
"""The place in a list of what is not known."""
_NAMES = "names.json"


class TownError(ValueError):
    """The file is not a town, or its parts do not fit each other."""


@dataclass(frozen=True)
class Town:
    """People, connectors and interests by their place in the lists of their names.

    Attributes:
        people, connectors, interests: their ids or names, each once; the categories of connectors are interests too.
        ties: (e, 2) who follows whom.
        tied_at: (e,) when, in microseconds since 1970; all zero where nobody knows.
        members: (m, 2) person and connector.
        joined_at: (m,) when.
        likes: (l, 2) person and interest.
        categories: for each connector the interest that it is about, or ``UNKNOWN``.
        is_open: for each connector whether everybody may find it.
        neighborhoods, cities: (n,) a number a place, or ``UNKNOWN``.
        cells: (n,) the H3 cell of each person's home, 0 where they do not say.
        tie_vectors, member_vectors: (n, d) people near to each other by ties, and by memberships; no columns until
            ``models.matching.graph.with_vectors`` has made them.
        interest_vectors: (k, d) what the interests' names mean; no columns where nobody asked an encoder.
    """

    people: tuple[str, ...]
    connectors: tuple[str, ...]
    interests: tuple[str, ...]
    ties: IntArray
    tied_at: IntArray
    members: IntArray
    joined_at: IntArray
    likes: IntArray
    categories: IntArray
    is_open: BoolArray
    neighborhoods: IntArray
    cities: IntArray
    cells: IntArray
    tie_vectors: FloatArray
    member_vectors: FloatArray
    interest_vectors: FloatArray

    def __post_init__(self) -> None:
        """Hold the parts against each other; raises ``TownError``."""
        n, c, k = len(self.people), len(self.connectors), len(self.interests)
        for name, pairs, limits in (
            ("ties", self.ties, (n, n)),
            ("members", self.members, (n, c)),
            ("likes", self.likes, (n, k)),
        ):
            if pairs.shape != (len(pairs), 2) or (len(pairs) and (pairs.min() < 0 or (pairs >= limits).any())):
                raise TownError(f"{name} name somebody or something that is not there")
        lengths = {len(getattr(self, name)) for name in ("neighborhoods", "cities", "cells", "tie_vectors")}
        lists = (
            lengths | {len(self.member_vectors)},
            {len(self.categories), len(self.is_open)},
            {len(self.interest_vectors)},
        )
        if lists != ({n}, {c}, {k}):
            raise TownError("a list does not have an entry for each person, connector or interest")
        if (len(self.tied_at), len(self.joined_at)) != (len(self.ties), len(self.members)):
            raise TownError("times are missing")

    def with_ties(self, ties: IntArray, tied_at: IntArray) -> Town:
        """Return the town as it were with these ties; vectors are to be made anew."""
        return replace(self, ties=ties, tied_at=tied_at, tie_vectors=no_vectors(len(self.people)))

    def with_members(self, members: IntArray, joined_at: IntArray) -> Town:
        """Return the town as it were with these memberships; vectors are to be made anew."""
        return replace(self, members=members, joined_at=joined_at, member_vectors=no_vectors(len(self.people)))


def no_vectors(rows: int) -> FloatArray:
    """Return vectors without numbers."""
    return np.zeros((rows, 0), dtype=np.float32)


def town_of(
    *,
    people: tuple[str, ...],
    connectors: tuple[str, ...] = (),
    interests: tuple[str, ...] = (),
    ties: IntArray | None = None,
    tied_at: IntArray | None = None,
    members: IntArray | None = None,
    joined_at: IntArray | None = None,
    likes: IntArray | None = None,
    categories: IntArray | None = None,
    is_open: BoolArray | None = None,
    neighborhoods: IntArray | None = None,
    cities: IntArray | None = None,
    cells: IntArray | None = None,
    interest_vectors: FloatArray | None = None,
) -> Town:
    """Make a town of what is known of it; what is left out is unknown, and connectors are open."""

    def pairs(given: IntArray | None) -> IntArray:
        return np.zeros((0, 2), dtype=np.int64) if given is None else given

    def each(given: IntArray | None, number: int, otherwise: int) -> IntArray:
        return np.full(number, otherwise, dtype=np.int64) if given is None else given

    n, c, ties, members = len(people), len(connectors), pairs(ties), pairs(members)
    return Town(
        people=people,
        connectors=connectors,
        interests=interests,
        ties=ties,
        tied_at=each(tied_at, len(ties), 0),
        members=members,
        joined_at=each(joined_at, len(members), 0),
        likes=pairs(likes),
        categories=each(categories, c, UNKNOWN),
        is_open=np.ones(c, dtype=bool) if is_open is None else is_open,
        neighborhoods=each(neighborhoods, n, UNKNOWN),
        cities=each(cities, n, UNKNOWN),
        cells=each(cells, n, 0),
        tie_vectors=no_vectors(n),
        member_vectors=no_vectors(n),
        interest_vectors=no_vectors(len(interests)) if interest_vectors is None else interest_vectors,
    )


_LISTS = ("people", "connectors", "interests")
_ARRAYS = tuple(one.name for one in fields(Town) if one.name not in _LISTS)


def to_bytes(town: Town) -> bytes:
    """Return the town as a safetensors file."""
    names = json.dumps({name: getattr(town, name) for name in _LISTS}).encode()
    arrays = {name: np.ascontiguousarray(getattr(town, name)) for name in _ARRAYS}
    return bytes(save({**arrays, _NAMES: np.frombuffer(names, dtype=np.uint8)}))


def from_bytes(data: bytes) -> Town:
    """Read what ``to_bytes`` wrote; raises ``TownError``."""
    try:
        arrays: dict[str, Any] = load(data)
        names = json.loads(arrays.pop(_NAMES).tobytes())
        lists: dict[str, Any] = {name: tuple(names[name]) for name in _LISTS}
        return Town(**lists, **arrays)
    except (KeyError, TypeError, OSError, json.JSONDecodeError) as error:
        raise TownError(f"not a town: {error}") from error
    except Exception as error:
        # The library's own error type is not importable from its numpy half.
        if type(error).__name__ == "SafetensorError":
            raise TownError(f"not a town: {error}") from error
        raise
