"""A town as arrays: people, connectors, content and interactions.

People, connectors and posts are numbered from 0; all other arrays refer to them by number. Times are in seconds after
``spec.start``, negative before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from neighborconnect.contracts.events import InteractionKind, ReportableKind
from simulator.arrays import Bools, Columns, Floats, Ints
from simulator.goods import Marketplace, Reviews, ReviewVotes
from simulator.people import People
from simulator.preferences import ChoiceModel
from simulator.spec import TownSpec
from simulator.vocabulary import Vocabulary

KINDS = (InteractionKind.IMPRESSION, InteractionKind.CLICK, InteractionKind.DWELL, InteractionKind.HIDE)
ITEM_KINDS = (ReportableKind.POST, ReportableKind.CONNECTOR, ReportableKind.EVENT, ReportableKind.ITEM)


class Kind(IntEnum):
    """Numbers of the interaction kinds: indexes into ``KINDS``."""

    IMPRESSION = 0
    CLICK = 1
    DWELL = 2
    HIDE = 3


class Item(IntEnum):
    """Numbers of the item kinds: indexes into ``ITEM_KINDS``."""

    POST = 0
    CONNECTOR = 1
    EVENT = 2
    GOODS = 3


@dataclass(frozen=True, slots=True)
class Connectors(Columns):
    """Connectors; ``home`` is a neighborhood number or ``TOWN_WIDE``, ``location`` is in degrees."""

    category: Ints
    theme: Ints
    home: Ints
    location: Floats
    appeal: Floats
    founder: Ints
    created: Floats


@dataclass(frozen=True, slots=True)
class Memberships(Columns):
    """Memberships; each pair of user and connector is unique."""

    user: Ints
    connector: Ints
    joined: Floats


@dataclass(frozen=True, slots=True)
class Follows(Columns):
    """Follows; each pair is unique, and no one follows themselves."""

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
    """Likes; each pair of user and post is unique."""

    user: Ints
    post: Ints
    at: Floats


@dataclass(frozen=True, slots=True)
class Comments(Columns):
    """Comments in temporal order; ``parent`` is the number of an earlier comment of the same post, or -1."""

    user: Ints
    post: Ints
    at: Floats
    parent: Ints


@dataclass(frozen=True, slots=True)
class Events(Columns):
    """Events of the history and of the two weeks after it; ``capacity`` is 0 for unlimited."""

    connector: Ints
    host: Ints
    location: Floats
    appeal: Floats
    created: Floats
    starts: Floats
    ends: Floats
    capacity: Ints


class Reply(IntEnum):
    """Numbers of the replies to events: indexes into ``REPLIES``."""

    ATTENDING = 0
    MAYBE = 1
    WAITING = 2
    DECLINED = 3


REPLIES = ("attending", "maybe", "waiting", "declined")


@dataclass(frozen=True, slots=True)
class Rsvps(Columns):
    """Replies to events in temporal order within an event; each pair of user and event is unique.

    ``came`` is whether the person came to a past event, which no table of the platform records.
    """

    user: Ints
    event: Ints
    at: Floats
    status: Ints
    guests: Ints
    came: Bools

    def attendee_counts(self, *, events: int) -> Ints:
        """Return the number of people who attend each event, guests included."""
        party = np.where(self.status == Reply.ATTENDING, 1 + self.guests, 0)
        return np.bincount(self.event, weights=party, minlength=events).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Interactions(Columns):
    """Interaction events in temporal order. ``dwell_ms`` is -1 except for dwells; ``request`` is the feed number."""

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
    """A town with its complete history and its causes (``people.tastes``, ``choice_model``).

    ``interactions`` are those with feeds of posts and connectors, ``browsing`` those with lists of events and items.
    """

    spec: TownSpec
    vocabulary: Vocabulary
    choice_model: ChoiceModel
    people: People
    connectors: Connectors
    memberships: Memberships
    follows: Follows
    posts: Posts
    likes: Likes
    comments: Comments
    events: Events
    rsvps: Rsvps
    interactions: Interactions
    requests: int
    marketplace: Marketplace
    reviews: Reviews
    review_votes: ReviewVotes
    browsing: Interactions
    browsing_requests: int
