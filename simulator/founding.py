"""Initial state of a town: connectors, first memberships and follows."""

from __future__ import annotations

import numpy as np

from simulator.arrays import Groups, Ints, draw_weighted
from simulator.people import People
from simulator.places import TOWN_WIDE, points
from simulator.spec import DAY_SECONDS, FOUNDING_DAYS, TownSpec
from simulator.town import Connectors, Follows, Memberships
from simulator.vocabulary import Vocabulary

_FOUNDED_EARLY_SHARE = 0.85
_TOWN_WIDE_SHARE = 0.4
_CANDIDATES = 24
_FIRST_JOINS = np.array([2, 3, 4, 4, 5, 6])
_FOLLOWS_PER_PERSON = 6


def draw_connectors(spec: TownSpec, vocabulary: Vocabulary, people: People) -> Connectors:
    """Draw the connectors, each founded by a resident of that time with a taste for its theme."""
    rng = spec.generator(2)
    count = spec.connectors
    shares = np.array([category.share for category in vocabulary.categories])
    owner = np.repeat(np.arange(len(shares)), [len(category.themes) for category in vocabulary.categories])
    # Every theme gets a connector before any gets a second one, the common ones first.
    keys = np.concatenate([rng.gumbel(size=len(owner)) + np.log(shares[owner]) - turn * 9 for turn in range(2)])
    first = np.argsort(-keys) % len(owner)
    theme = np.concatenate([first, draw_weighted(rng, shares[owner], max(0, count - len(first)))])[:count]

    early = -(1 - rng.random(count) * 0.8) * FOUNDING_DAYS * DAY_SECONDS
    late = rng.random(count) * (spec.days - 0.2) * DAY_SECONDS
    created = np.where(rng.random(count) < _FOUNDED_EARLY_SHARE, early, late)
    residents = np.maximum(1, np.searchsorted(people.arrived, created))
    candidates = (rng.random((count, _CANDIDATES)) * residents[:, None]).astype(np.int64)
    taste = people.tastes.by_theme[candidates, theme[:, None]]
    founder = candidates[np.arange(count), np.argmax(taste, axis=1)]
    home = np.where(rng.random(count) < _TOWN_WIDE_SHARE, TOWN_WIDE, people.home[founder])
    return Connectors(
        category=owner[theme],
        theme=theme,
        home=home,
        location=points(spec.generator(13), home),
        appeal=rng.normal(0.0, 0.35, count),
        founder=founder,
        created=np.maximum(created, people.arrived[founder] + 60.0),
    )


def draw_first_memberships(spec: TownSpec, people: People, connectors: Connectors) -> Memberships:
    """Draw memberships: founders join their connectors, and everyone joins two to six soon after arrival."""
    rng = spec.generator(3)
    shown = draw_weighted(rng, np.exp(connectors.appeal), people.count * _CANDIDATES).reshape(people.count, -1)
    utility = (
        people.tastes.by_theme[np.arange(people.count)[:, None], connectors.theme[shown]]
        + (connectors.home[shown] == people.home[:, None])
        + connectors.appeal[shown]
        + rng.gumbel(scale=0.5, size=shown.shape)
    )
    order = np.argsort(-utility, axis=1)
    best = np.take_along_axis(shown, order, axis=1)
    join_counts = rng.choice(_FIRST_JOINS, size=people.count)
    user, rank = np.nonzero(np.arange(_CANDIDATES) < join_counts[:, None])
    connector = best[user, rank]
    since = np.maximum(people.arrived[user], connectors.created[connector])
    joined = since + rng.exponential(DAY_SECONDS / 2, len(user)) + 60.0
    everyone = Memberships(
        user=np.concatenate([connectors.founder, user]),
        connector=np.concatenate([np.arange(len(connectors)), connector]),
        joined=np.concatenate([connectors.created, joined]),
    )
    _, first = np.unique(everyone.user * len(connectors) + everyone.connector, return_index=True)
    distinct = everyone.take(np.sort(first))
    return distinct.take(distinct.joined < spec.days * DAY_SECONDS - 1)


def draw_follows(spec: TownSpec, people: People, memberships: Memberships, *, connectors: int) -> Follows:
    """Draw follows of like-minded people from the same neighborhood or connector; some follow back."""
    rng = spec.generator(4)
    follower = np.repeat(np.arange(people.count), rng.poisson(_FOLLOWS_PER_PERSON, people.count))
    near = Groups(people.home, np.arange(people.count), groups=int(people.home.max()) + 1)
    joined_connectors = Groups(memberships.user, memberships.connector, groups=people.count)
    members = Groups(memberships.connector, memberships.user, groups=connectors)

    def meet() -> Ints:
        shared = joined_connectors.draw(rng, follower)
        fellow = np.where(shared >= 0, members.draw(rng, np.maximum(shared, 0)), -1)
        neighbor = near.draw(rng, people.home[follower])
        return np.where((fellow >= 0) & (rng.random(len(follower)) < 0.6), fellow, neighbor)  # noqa: PLR2004

    met = np.stack([meet() for _ in range(3)], axis=1)
    likeness = np.stack(
        [
            np.einsum("ij,ij->i", people.tastes.by_theme[follower], people.tastes.by_theme[met[:, nth]])
            for nth in range(met.shape[1])
        ],
        axis=1,
    )
    followee = met[np.arange(len(follower)), np.argmax(likeness, axis=1)]
    back = rng.random(len(follower)) < 0.4  # noqa: PLR2004 (two in five follow back)
    pairs = np.stack([np.concatenate([follower, followee[back]]), np.concatenate([followee, follower[back]])], axis=1)
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    since = people.arrived[pairs].max(axis=1)
    end = spec.days * DAY_SECONDS
    return Follows(
        follower=pairs[:, 0],
        followee=pairs[:, 1],
        created=since + (end - since) * rng.random(len(pairs)) ** 2,
    )
