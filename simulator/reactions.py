"""Reactions of people to impressions: examine, open, dwell, like, comment, hide, join."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import Bools, Floats, Ints, contains
from simulator.feeds import Impressions, pair_key
from simulator.goods import Goods
from simulator.people import People
from simulator.preferences import ChoiceModel
from simulator.town import Connectors, Events, Posts

_DISLIKE = -1.0
_MAX_DWELL_MS = 300_000


@dataclass(frozen=True, slots=True)
class Reactions:
    """One entry per impression; a time is valid only if its flag is set. ``accepted`` is a like or a join."""

    shown_at: Floats
    clicked: Bools
    clicked_at: Floats
    dwell_ms: NDArray[np.int32]
    left_at: Floats
    accepted: Bools
    commented: Bools
    hidden: Bools
    hidden_at: Floats


@dataclass(frozen=True, slots=True)
class Utility:
    """True utility of items to people. ``follows`` are sorted pair keys of follower and followee."""

    people: People
    connectors: Connectors
    choice_model: ChoiceModel
    follows: Ints

    def of_posts(self, posts: Posts, user: Ints, post: Ints) -> Floats:
        """Return the utility of each post to the person at the same index."""
        followed = contains(self.follows, pair_key(user, posts.author[post]))
        result: Floats = (
            self.people.tastes.by_theme[user, posts.theme[post]]
            + self.choice_model.same_home * (self.connectors.home[posts.connector[post]] == self.people.home[user])
            + self.choice_model.follows_author * followed
            + posts.quality[post]
        )
        return result

    def of_connectors(self, user: Ints, connector: Ints) -> Floats:
        """Return the utility of each connector to the person at the same index."""
        result: Floats = (
            self.people.tastes.by_theme[user, self.connectors.theme[connector]]
            + self.choice_model.same_home * (self.connectors.home[connector] == self.people.home[user])
            + self.connectors.appeal[connector]
        )
        return result

    def of_events(self, events: Events, user: Ints, event: Ints) -> Floats:
        """Return the utility of each event to the person at the same index."""
        followed = contains(self.follows, pair_key(user, events.host[event]))
        result: Floats = (
            self.of_connectors(user, events.connector[event])
            + self.choice_model.follows_author * followed
            + events.appeal[event]
        )
        return result

    def of_goods(self, goods: Goods, user: Ints, item: Ints) -> Floats:
        """Return the utility of each item for sale to the person at the same index."""
        seller = goods.seller[item]
        result: Floats = (
            self.people.tastes.by_theme[user, self.connectors.theme[goods.connector[item]]]
            + self.choice_model.same_home * (self.people.home[seller] == self.people.home[user])
            + self.choice_model.follows_author * contains(self.follows, pair_key(user, seller))
            + goods.appeal[item]
        )
        return result


def react(
    rng: np.random.Generator, choice_model: ChoiceModel, shown: Impressions, *, at: Floats, utility: Floats
) -> Reactions:
    """Draw the reaction to each impression, given the time of each request and the utility of each impression."""
    count = len(utility)
    shown_at = at[shown.request]
    examined = rng.random(count) < choice_model.examined(shown.position)
    clicked = examined & (rng.random(count) < choice_model.click(utility))
    accepted = clicked & (rng.random(count) < choice_model.agree(utility))
    chattiness = np.where(accepted, choice_model.comment_given_like, choice_model.comment_given_click)
    hidden = examined & ~clicked & (utility < _DISLIKE) & (rng.random(count) < choice_model.hide_given_dislike)
    dwell_ms = np.minimum(rng.lognormal(np.log(8_000) + 0.4 * utility, 0.8), _MAX_DWELL_MS).astype(np.int32)
    clicked_at = shown_at + 2.0 + shown.position * 6.0 + rng.random(count) * 4.0
    return Reactions(
        shown_at=shown_at,
        clicked=clicked,
        clicked_at=clicked_at,
        dwell_ms=dwell_ms,
        left_at=clicked_at + dwell_ms / 1_000,
        accepted=accepted,
        commented=clicked & (rng.random(count) < chattiness),
        hidden=hidden,
        hidden_at=shown_at + 1.0 + shown.position * 2.0,
    )
