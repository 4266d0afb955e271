"""Social graph for matching: follows, memberships, interests and coarse home locations of users."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

UNKNOWN = -1
"""Row number that stands for an unknown value."""
_NAMES = "names.json"
_VERSION_FORMAT = "%Y%m%dT%H%M%S%f"


class SocialGraphError(ValueError):
    """The file is not a social graph, or its arrays are inconsistent."""


@dataclass(frozen=True)
class SocialGraph:
    """Users, connectors and interests, by their row numbers in the lists of ids and names.

    Attributes:
        users, connectors, interests: (n,), (c,), (k,) distinct ids or names; categories of connectors are interests.
        follows: (e, 2) follower and followee.
        followed_at: (e,) microseconds since the epoch, UTC; all zero when unknown.
        members: (m, 2) user and connector.
        joined_at: (m,) microseconds since the epoch, UTC; all zero when unknown.
        likes: (l, 2) user and interest.
        categories: (c,) interest of each connector's category, or ``UNKNOWN``.
        is_open: (c,) whether every user may discover the connector.
        neighborhoods, cities: (n,) number of the neighborhood and city, or ``UNKNOWN``.
        cells: (n,) H3 cell of the home as an integer, 0 when unknown.
        edge_vectors, membership_vectors: (n, d) embeddings of users by follows and by memberships; without columns
            until ``models.matching.pair_features.with_vectors`` has computed them.
        interest_vectors: (k, d) text embeddings of the interests' names; without columns when not computed.
    """

    users: tuple[str, ...]
    connectors: tuple[str, ...]
    interests: tuple[str, ...]
    follows: IntArray
    followed_at: IntArray
    members: IntArray
    joined_at: IntArray
    likes: IntArray
    categories: IntArray
    is_open: BoolArray
    neighborhoods: IntArray
    cities: IntArray
    cells: IntArray
    edge_vectors: FloatArray
    membership_vectors: FloatArray
    interest_vectors: FloatArray

    def __post_init__(self) -> None:
        """Check that the arrays are consistent; raises ``SocialGraphError``."""
        n, c, k = len(self.users), len(self.connectors), len(self.interests)
        for name, pairs, limits in (
            ("follows", self.follows, (n, n)),
            ("members", self.members, (n, c)),
            ("likes", self.likes, (n, k)),
        ):
            if pairs.shape != (len(pairs), 2) or (len(pairs) and (pairs.min() < 0 or (pairs >= limits).any())):
                raise SocialGraphError(f"{name} has row numbers out of range")
        lengths = {len(getattr(self, name)) for name in ("neighborhoods", "cities", "cells", "edge_vectors")}
        lists = (
            lengths | {len(self.membership_vectors)},
            {len(self.categories), len(self.is_open)},
            {len(self.interest_vectors)},
        )
        if lists != ({n}, {c}, {k}):
            raise SocialGraphError("an array does not have an entry for each user, connector or interest")
        if (len(self.followed_at), len(self.joined_at)) != (len(self.follows), len(self.members)):
            raise SocialGraphError("an array of times does not have an entry for each follow or membership")

    def with_follows(self, follows: IntArray, followed_at: IntArray) -> SocialGraph:
        """Return the graph with other follows, and without edge vectors."""
        return replace(self, follows=follows, followed_at=followed_at, edge_vectors=no_vectors(len(self.users)))

    def with_members(self, members: IntArray, joined_at: IntArray) -> SocialGraph:
        """Return the graph with other memberships, and without membership vectors."""
        return replace(self, members=members, joined_at=joined_at, membership_vectors=no_vectors(len(self.users)))


def version_at(time: datetime) -> str:
    """Return the version of a graph published at ``time``, which has a time zone."""
    return time.astimezone(UTC).strftime(_VERSION_FORMAT)


def published_at(version: str) -> datetime:
    """Return the time at which a version was published; raises ``SocialGraphError`` for any other text."""
    try:
        return datetime.strptime(version, _VERSION_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise SocialGraphError(f"{version!r} is not the version of a social graph") from error


def no_vectors(rows: int) -> FloatArray:
    """Return an array without columns."""
    return np.zeros((rows, 0), dtype=np.float32)


def social_graph_of(
    *,
    users: tuple[str, ...],
    connectors: tuple[str, ...] = (),
    interests: tuple[str, ...] = (),
    follows: IntArray | None = None,
    followed_at: IntArray | None = None,
    members: IntArray | None = None,
    joined_at: IntArray | None = None,
    likes: IntArray | None = None,
    categories: IntArray | None = None,
    is_open: BoolArray | None = None,
    neighborhoods: IntArray | None = None,
    cities: IntArray | None = None,
    cells: IntArray | None = None,
    interest_vectors: FloatArray | None = None,
) -> SocialGraph:
    """Return a graph; arrays that are left out are unknown or empty, and connectors are open."""

    def pairs(given: IntArray | None) -> IntArray:
        return np.zeros((0, 2), dtype=np.int64) if given is None else given

    def each(given: IntArray | None, number: int, otherwise: int) -> IntArray:
        return np.full(number, otherwise, dtype=np.int64) if given is None else given

    n, c, follows, members = len(users), len(connectors), pairs(follows), pairs(members)
    return SocialGraph(
        users=users,
        connectors=connectors,
        interests=interests,
        follows=follows,
        followed_at=each(followed_at, len(follows), 0),
        members=members,
        joined_at=each(joined_at, len(members), 0),
        likes=pairs(likes),
        categories=each(categories, c, UNKNOWN),
        is_open=np.ones(c, dtype=bool) if is_open is None else is_open,
        neighborhoods=each(neighborhoods, n, UNKNOWN),
        cities=each(cities, n, UNKNOWN),
        cells=each(cells, n, 0),
        edge_vectors=no_vectors(n),
        membership_vectors=no_vectors(n),
        interest_vectors=no_vectors(len(interests)) if interest_vectors is None else interest_vectors,
    )


_LISTS = ("users", "connectors", "interests")
_ARRAYS = tuple(field.name for field in fields(SocialGraph) if field.name not in _LISTS)


def to_bytes(graph: SocialGraph) -> bytes:
    """Serialize a graph as one safetensors file."""
    names = json.dumps({name: getattr(graph, name) for name in _LISTS}).encode()
    arrays = {name: np.ascontiguousarray(getattr(graph, name)) for name in _ARRAYS}
    return bytes(save({**arrays, _NAMES: np.frombuffer(names, dtype=np.uint8)}))


def from_bytes(data: bytes) -> SocialGraph:
    """Deserialize the output of ``to_bytes``; raises ``SocialGraphError``."""
    try:
        arrays: dict[str, Any] = load(data)
        names = json.loads(arrays.pop(_NAMES).tobytes())
        lists: dict[str, Any] = {name: tuple(names[name]) for name in _LISTS}
        return SocialGraph(**lists, **arrays)
    except (KeyError, TypeError, OSError, json.JSONDecodeError) as error:
        raise SocialGraphError(f"not a social graph: {error}") from error
    except Exception as error:
        # The library's error type cannot be imported from its NumPy module.
        if type(error).__name__ == "SafetensorError":
            raise SocialGraphError(f"not a social graph: {error}") from error
        raise
