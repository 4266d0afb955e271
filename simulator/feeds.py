"""Selection of the posts and connectors of a feed without a model: recent posts of joined connectors, and others.

The selection is independent of preferences, so that reactions to a feed are informative about them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.arrays import Bools, Floats, Groups, Ints, contains, draw_weighted
from simulator.town import Connectors, Memberships, Posts

POSTS_PER_FEED, CONNECTORS_PER_FEED = 10, 6
_CANDIDATES = 18
_JOINED_SHARE = 0.6
_FRESHNESS = 1.5


@dataclass(frozen=True, slots=True)
class Impressions:
    """Impressions: the feed of request number ``request`` had ``item`` at ``position`` (0 is the top)."""

    request: Ints
    item: Ints
    position: Ints


class PostIndex:
    """Index of all posts so far, by connector and time."""

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
        """Draw a post of each connector that existed at that time, preferring recent ones; -1 if there is none."""
        first = self._bounds[connector]
        after = np.searchsorted(self._keys, self._key(connector, at))
        return self._pick(rng, self._by_connector, first, after - first)

    def anywhere(self, rng: np.random.Generator, at: Floats) -> Ints:
        """Draw a post of the whole town that existed at that time; -1 if there is none."""
        known = np.searchsorted(self._posts.created, at)
        return self._pick(rng, self._all, np.zeros_like(known), known)

    def _pick(self, rng: np.random.Generator, numbers: Ints, first: Ints, size: Ints) -> Ints:
        """Draw two and return the better one, like a feed ranked by popularity."""
        if not len(numbers):
            return np.full(len(first), -1, dtype=np.int64)
        drawn = [
            numbers[np.clip(first + size - 1 - (size * rng.random(len(size)) ** _FRESHNESS).astype(np.int64), 0, None)]
            for _ in range(2)
        ]
        quality = self._posts.quality
        better = quality[drawn[0]] + rng.gumbel(scale=0.4, size=len(size)) > quality[drawn[1]]
        return np.where(size > 0, np.where(better, drawn[0], drawn[1]), -1)


def select_posts(
    rng: np.random.Generator,
    index: PostIndex,
    posts: Posts,
    joined: Groups,
    *,
    user: Ints,
    at: Floats,
    seen: Ints,
) -> Impressions:
    """Draw a feed of posts per request, without own posts, repeats within a day, and opened posts.

    Args:
        rng: random stream.
        index: the posts so far.
        posts: the same posts.
        joined: connectors by person.
        user: person of each request, in temporal order.
        at: time of each request.
        seen: sorted pair keys (``pair_key``) of persons and the posts that they have opened.
    """
    request = np.repeat(np.arange(len(user)), _CANDIDATES)
    who, when = user[request], at[request]
    connector = joined.draw(rng, who)
    own = (connector >= 0) & (rng.random(len(who)) < _JOINED_SHARE)
    post = np.where(own, index.fresh(rng, np.maximum(connector, 0), when), -1)
    post = np.where(post >= 0, post, index.anywhere(rng, when))
    age = np.maximum(when - posts.created[post], 60.0)
    score = posts.quality[post] - 0.25 * np.log(age) + rng.gumbel(scale=0.7, size=len(post))
    valid = (post >= 0) & (posts.author[post] != who) & ~contains(seen, pair_key(who, post))
    return rank_and_cut(request, who, post, score, valid, limit=POSTS_PER_FEED)


def select_connectors(
    rng: np.random.Generator, connectors: Connectors, memberships: Memberships, *, user: Ints, at: Floats
) -> Impressions:
    """Draw a list of connectors per request: half by member count, half uniformly, without joined ones."""
    request = np.repeat(np.arange(len(user)), _CANDIDATES)
    who, when = user[request], at[request]
    members = np.bincount(memberships.connector, minlength=len(connectors)).astype(float)
    popular = draw_weighted(rng, members + 1.0, len(request))
    chance = rng.integers(0, len(connectors), len(request))
    connector = np.where(rng.random(len(request)) < 0.5, popular, chance)  # noqa: PLR2004 (one half each)
    known = np.sort(pair_key(memberships.user, memberships.connector))
    valid = (connectors.created[connector] < when) & ~contains(known, pair_key(who, connector))
    score = np.log(members[connector] + 1.0) * 0.3 + rng.gumbel(scale=1.0, size=len(request))
    return rank_and_cut(request, who, connector, score, valid, limit=CONNECTORS_PER_FEED)


def pair_key(user: Ints, item: Ints) -> Ints:
    """Encode a person and an item as one number."""
    result: Ints = (user.astype(np.int64) << 32) | item.astype(np.int64)
    return result


def rank_and_cut(request: Ints, who: Ints, item: Ints, score: Floats, valid: Bools, *, limit: int) -> Impressions:
    """Drop repeats, sort each feed by score and limit its length."""
    request, who, item, score = request[valid], who[valid], item[valid], score[valid]
    order = np.lexsort((-score, request))
    request, who, item = request[order], who[order], item[order]
    _, first = np.unique(pair_key(who, item), return_index=True)
    keep = np.sort(first)
    request, item = request[keep], item[keep]
    begins = np.searchsorted(request, request)
    position = np.arange(len(request)) - begins
    shown = position < limit
    return Impressions(request=request[shown], item=item[shown], position=position[shown])
