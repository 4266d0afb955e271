"""Which posts and connectors a feed shows, before any model ranks: fresh things from what one joined, and the town's.

The choice does not look at preferences, so that what people do with a feed tells something about them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.arrays import Bools, Floats, Groups, Ints, contains, draw_weighted
from simulator.town import Connectors, Memberships, Posts

POSTS_SHOWN, CONNECTORS_SHOWN = 10, 6
_CANDIDATES = 18
_FROM_JOINED = 0.6
_FRESHNESS = 1.5


@dataclass(frozen=True, slots=True)
class Shown:
    """Impressions: row ``asker`` of the requests saw ``item`` at ``position`` (0 is the top)."""

    asker: Ints
    item: Ints
    position: Ints


class PostIndex:
    """All posts so far, found by connector and time."""

    def __init__(self, posts: Posts, *, connectors: int, horizon: float) -> None:
        self._posts = posts
        self._horizon = horizon
        self._all: Ints = np.arange(len(posts))
        order = np.lexsort((posts.created, posts.connector))
        self._by_connector: Ints = order.astype(np.int64)
        self._keys = self._key(posts.connector[order], posts.created[order])
        self._bounds = np.searchsorted(posts.connector[order], np.arange(connectors + 1))

    def _key(self, connector: Ints, at: Floats) -> Floats:
        # Seconds may be negative before the start: twice the horizon keeps connectors apart.
        result: Floats = connector * 4.0 * self._horizon + at
        return result

    def fresh(self, rng: np.random.Generator, connector: Ints, at: Floats) -> Ints:
        """Draw a post of each connector that was there at that time, new ones rather; -1 where there is none."""
        first = self._bounds[connector]
        after = np.searchsorted(self._keys, self._key(connector, at))
        return self._pick(rng, self._by_connector, first, after - first)

    def anywhere(self, rng: np.random.Generator, at: Floats) -> Ints:
        """Draw a post of the whole town that was there at that time; -1 where there is none."""
        known = np.searchsorted(self._posts.created, at)
        return self._pick(rng, self._all, np.zeros_like(known), known)

    def _pick(self, rng: np.random.Generator, numbers: Ints, first: Ints, size: Ints) -> Ints:
        """Draw two and keep the better one, as a feed by popularity would."""
        if not len(numbers):
            return np.full(len(first), -1, dtype=np.int64)
        drawn = [
            numbers[np.clip(first + size - 1 - (size * rng.random(len(size)) ** _FRESHNESS).astype(np.int64), 0, None)]
            for _ in range(2)
        ]
        quality = self._posts.quality
        better = quality[drawn[0]] + rng.gumbel(scale=0.4, size=len(size)) > quality[drawn[1]]
        return np.where(size > 0, np.where(better, drawn[0], drawn[1]), -1)


def show_posts(
    rng: np.random.Generator,
    index: PostIndex,
    posts: Posts,
    joined: Groups,
    *,
    user: Ints,
    at: Floats,
    seen: Ints,
) -> Shown:
    """Fill one feed of posts a request; nobody sees a post of one's own, nor one twice a day or after opening it.

    Args:
        rng: random stream.
        index: the posts so far.
        posts: the same posts.
        joined: connectors by person.
        user: who asks, in order of time.
        at: when.
        seen: sorted ``user * len(posts limit) + post`` keys of what was opened before; see ``pair_key``.
    """
    asker = np.repeat(np.arange(len(user)), _CANDIDATES)
    who, when = user[asker], at[asker]
    connector = joined.draw(rng, who)
    own = (connector >= 0) & (rng.random(len(who)) < _FROM_JOINED)
    post = np.where(own, index.fresh(rng, np.maximum(connector, 0), when), -1)
    post = np.where(post >= 0, post, index.anywhere(rng, when))
    age = np.maximum(when - posts.created[post], 60.0)
    score = posts.quality[post] - 0.25 * np.log(age) + rng.gumbel(scale=0.7, size=len(post))
    valid = (post >= 0) & (posts.author[post] != who) & ~contains(seen, pair_key(who, post))
    return _lay_out(asker, who, post, score, valid, limit=POSTS_SHOWN)


def show_connectors(
    rng: np.random.Generator, connectors: Connectors, memberships: Memberships, *, user: Ints, at: Floats
) -> Shown:
    """Fill one list of connectors a request: half by members, half at random, none that was joined."""
    asker = np.repeat(np.arange(len(user)), _CANDIDATES)
    who, when = user[asker], at[asker]
    members = np.bincount(memberships.connector, minlength=len(connectors)).astype(float)
    popular = draw_weighted(rng, members + 1.0, len(asker))
    chance = rng.integers(0, len(connectors), len(asker))
    connector = np.where(rng.random(len(asker)) < 0.5, popular, chance)  # noqa: PLR2004 (half and half)
    known = np.sort(pair_key(memberships.user, memberships.connector))
    valid = (connectors.created[connector] < when) & ~contains(known, pair_key(who, connector))
    score = np.log(members[connector] + 1.0) * 0.3 + rng.gumbel(scale=1.0, size=len(asker))
    return _lay_out(asker, who, connector, score, valid, limit=CONNECTORS_SHOWN)


def pair_key(user: Ints, item: Ints) -> Ints:
    """Return one number for a person and an item."""
    result: Ints = (user.astype(np.int64) << 32) | item.astype(np.int64)
    return result


def _lay_out(asker: Ints, who: Ints, item: Ints, score: Floats, valid: Bools, *, limit: int) -> Shown:
    """Drop repeats, order each feed by score and cut it."""
    asker, who, item, score = asker[valid], who[valid], item[valid], score[valid]
    order = np.lexsort((-score, asker))
    asker, who, item = asker[order], who[order], item[order]
    _, first = np.unique(pair_key(who, item), return_index=True)
    keep = np.sort(first)
    asker, item = asker[keep], item[keep]
    begins = np.searchsorted(asker, asker)
    position = np.arange(len(asker)) - begins
    shown = position < limit
    return Shown(asker=asker[shown], item=item[shown], position=position[shown])
