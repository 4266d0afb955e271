"""A whole town in arrays: people, connectors, what they wrote and what they did.

People, connectors and posts are numbered from 0; every other array refers to them by number. Times are seconds
after ``spec.start``; what happened before it is negative.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from neighborconnect.contracts.events import InteractionKind, ItemKind
from simulator.arrays import Bools, Floats, Ints
from simulator.people import People
from simulator.preferences import Behaviour
from simulator.spec import TownSpec
from simulator.vocabulary import Vocabulary

KINDS = (InteractionKind.IMPRESSION, InteractionKind.CLICK, InteractionKind.DWELL, InteractionKind.HIDE)
ITEM_KINDS = (ItemKind.POST, ItemKind.CONNECTOR)


class Kind(IntEnum):
    """Numbers of the interaction kinds: places in ``KINDS``."""

    IMPRESSION = 0
    CLICK = 1
    DWELL = 2
    HIDE = 3


class Item(IntEnum):
    """Numbers of the item kinds: places in ``ITEM_KINDS``."""

    POST = 0
    CONNECTOR = 1


class Columns:
    """A table of equally long arrays, one a field of the dataclass that inherits from this."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))  # type: ignore[arg-type]

    def take(self, chosen: Ints | Bools | slice) -> Self:
        """Return the chosen rows."""
        return type(self)(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})  # type: ignore[arg-type]

    @classmethod
    def concatenate(cls, parts: list[Self]) -> Self:
        """Return the rows of all parts, one part after the other."""
        names = [f.name for f in fields(cls)]  # type: ignore[arg-type]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


@dataclass(frozen=True, slots=True)
class Connectors(Columns):
    """Connectors; ``home`` is ``TOWN_WIDE`` where one belongs to no single neighbourhood, ``place`` is in degrees."""

    category: Ints
    theme: Ints
    home: Ints
    place: Floats
    appeal: Floats
    founder: Ints
    created: Floats


@dataclass(frozen=True, slots=True)
class Memberships(Columns):
    """Who joined which connector when; no pair twice."""

    user: Ints
    connector: Ints
    joined: Floats


@dataclass(frozen=True, slots=True)
class Ties(Columns):
    """Who follows whom since when; no pair twice, nobody oneself."""

    follower: Ints
    followee: Ints
    created: Floats


@dataclass(frozen=True, slots=True)
class Posts(Columns):
    """Posts in order of creation."""

    connector: Ints
    author: Ints
    theme: Ints
    quality: Floats
    created: Floats


@dataclass(frozen=True, slots=True)
class Likes(Columns):
    """Who liked which post when; no pair twice."""

    user: Ints
    post: Ints
    at: Floats


@dataclass(frozen=True, slots=True)
class Comments(Columns):
    """Comments in order of time; ``parent`` is the number of an earlier comment of the same post, or -1."""

    user: Ints
    post: Ints
    at: Floats
    parent: Ints


@dataclass(frozen=True, slots=True)
class Events(Columns):
    """What members hold once the history has ended; ``room`` is for how many, 0 for as many as come."""

    connector: Ints
    host: Ints
    place: Floats
    created: Floats
    starts: Floats
    ends: Floats
    room: Ints


@dataclass(frozen=True, slots=True)
class Answers(Columns):
    """Who said when that they come to which event, or that they may; no pair twice."""

    user: Ints
    event: Ints
    at: Floats
    maybe: Bools

    def coming(self, *, events: int) -> Ints:
        """Return how many come to each of that many events; those who only may are not counted."""
        result: Ints = np.bincount(self.event[~self.maybe], minlength=events)
        return result


@dataclass(frozen=True, slots=True)
class Interactions(Columns):
    """Behaviour events in order of time. ``dwell_ms`` is -1 but for dwells; ``request`` numbers the feeds."""

    user: NDArray[np.int32]
    kind: NDArray[np.int8]
    item_kind: NDArray[np.int8]
    item: NDArray[np.int32]
    request: NDArray[np.int32]
    position: NDArray[np.int16]
    dwell_ms: NDArray[np.int32]
    at: Floats


@dataclass(frozen=True, slots=True)
class Town:
    """Everything that ever happened in a town, and why (``people.tastes``, ``behaviour``)."""

    spec: TownSpec
    vocabulary: Vocabulary
    behaviour: Behaviour
    people: People
    connectors: Connectors
    memberships: Memberships
    ties: Ties
    posts: Posts
    likes: Likes
    comments: Comments
    events: Events
    answers: Answers
    interactions: Interactions
    requests: int
