"""Reviews of connectors by their members, and votes that a review is helpful."""

from __future__ import annotations

import numpy as np

from simulator.arrays import Groups
from simulator.feeds import pair_key
from simulator.goods import Reviews, ReviewVotes
from simulator.reactions import Utility
from simulator.spec import DAY_SECONDS, SHOWN_PEOPLE, TownSpec
from simulator.town import Memberships

_REVIEWS_PER_CONNECTOR, _VOTES_PER_REVIEW = 4.0, 3.0
_MEAN_RATING, _RATING_PER_UTILITY, _RATING_NOISE = 3.4, 0.6, 0.7
_MIN_DAYS = 0.5


def draw_reviews(
    spec: TownSpec, memberships: Memberships, utility: Utility, *, connectors: int
) -> tuple[Reviews, ReviewVotes]:
    """Draw reviews, whose rating follows the utility of the connector to its member, and votes of other members."""
    rng = spec.generator(21)
    end = spec.days * float(DAY_SECONDS)
    earliest = memberships.joined + _MIN_DAYS * DAY_SECONDS
    share = min(0.5, _REVIEWS_PER_CONNECTOR * connectors / max(1, len(memberships)))
    writes = (rng.random(len(memberships)) < share) | (memberships.user < SHOWN_PEOPLE)
    chosen = np.flatnonzero(writes & (earliest < end - 60))
    members = memberships.take(chosen)
    liking = utility.of_connectors(members.user, members.connector)
    rating = _MEAN_RATING + _RATING_PER_UTILITY * liking + rng.normal(0, _RATING_NOISE, len(members))
    reviews = Reviews(
        user=members.user,
        connector=members.connector,
        rating=np.clip(np.round(rating), 1, 5).astype(np.int64),
        at=earliest[chosen] + (end - 60 - earliest[chosen]) * rng.random(len(members)),
    )
    reviews = reviews.take(np.argsort(reviews.at, kind="stable"))
    by_connector = Groups(memberships.connector, np.arange(len(memberships)), groups=connectors)
    review = np.repeat(np.arange(len(reviews)), rng.poisson(_VOTES_PER_REVIEW, len(reviews)))
    voters = memberships.take(by_connector.draw(rng, reviews.connector[review]))
    since = np.maximum(reviews.at[review], voters.joined)
    votes = ReviewVotes(user=voters.user, review=review, at=since + (end - since) * rng.random(len(review)))
    votes = votes.take(voters.user != reviews.user[review])
    _, first = np.unique(pair_key(votes.user, votes.review), return_index=True)
    return reviews, votes.take(np.sort(first))
