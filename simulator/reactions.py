"""What people do with what they are shown: examine, open, stay, like, comment, hide, join."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import Bools, Floats, Ints, contains
from simulator.feeds import Shown, pair_key
from simulator.people import People
from simulator.preferences import Behaviour
from simulator.town import Connectors, Posts

_DISLIKE = -1.0
_LONGEST_STAY_MS = 300_000


@dataclass(frozen=True, slots=True)
class Acts:
    """One entry an impression; a time counts only where its flag is set. ``agreed`` is a like or a join."""

    shown_at: Floats
    clicked: Bools
    clicked_at: Floats
    dwell_ms: NDArray[np.int32]
    left_at: Floats
    agreed: Bools
    commented: Bools
    hidden: Bools
    hidden_at: Floats


@dataclass(frozen=True, slots=True)
class Utility:
    """The true worth of things to people. ``ties`` are sorted pair keys of who follows whom."""

    people: People
    connectors: Connectors
    behaviour: Behaviour
    ties: Ints

    def of_posts(self, posts: Posts, user: Ints, post: Ints) -> Floats:
        """Return the worth of each post to the person in the same place."""
        followed = contains(self.ties, pair_key(user, posts.author[post]))
        result: Floats = (
            self.people.tastes.by_theme[user, posts.theme[post]]
            + self.behaviour.same_home * (self.connectors.home[posts.connector[post]] == self.people.home[user])
            + self.behaviour.follows_author * followed
            + posts.quality[post]
        )
        return result

    def of_connectors(self, user: Ints, connector: Ints) -> Floats:
        """Return the worth of each connector to the person in the same place."""
        result: Floats = (
            self.people.tastes.by_theme[user, self.connectors.theme[connector]]
            + self.behaviour.same_home * (self.connectors.home[connector] == self.people.home[user])
            + self.connectors.appeal[connector]
        )
        return result


def react(rng: np.random.Generator, behaviour: Behaviour, shown: Shown, *, at: Floats, utility: Floats) -> Acts:
    """Draw what happens to each impression. ``at`` is the time of each request, ``utility`` that of each impression."""
    count = len(utility)
    shown_at = at[shown.asker]
    looked = rng.random(count) < behaviour.examined(shown.position)
    clicked = looked & (rng.random(count) < behaviour.click(utility))
    agreed = clicked & (rng.random(count) < behaviour.agree(utility))
    chattiness = np.where(agreed, behaviour.comment_given_like, behaviour.comment_given_click)
    hides = looked & ~clicked & (utility < _DISLIKE) & (rng.random(count) < behaviour.hide_given_dislike)
    dwell_ms = np.minimum(rng.lognormal(np.log(8_000) + 0.4 * utility, 0.8), _LONGEST_STAY_MS).astype(np.int32)
    clicked_at = shown_at + 2.0 + shown.position * 6.0 + rng.random(count) * 4.0
    return Acts(
        shown_at=shown_at,
        clicked=clicked,
        clicked_at=clicked_at,
        dwell_ms=dwell_ms,
        left_at=clicked_at + dwell_ms / 1_000,
        agreed=agreed,
        commented=clicked & (rng.random(count) < chattiness),
        hidden=hides,
        hidden_at=shown_at + 1.0 + shown.position * 2.0,
    )
