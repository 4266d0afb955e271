"""Hidden preferences, and the choice model that turns them into clicks, likes and joins.

They are never written to the platform's tables; ``simulator.ground_truth`` writes them to files for evaluation.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from simulator.arrays import Bools, Floats, Ints, sigmoid
from simulator.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class ChoiceModel:
    """Coefficients of the choice model; with the tastes they determine every true probability."""

    same_home: float = 0.5
    follows_author: float = 0.6
    click_slope: float = 1.5
    click_offset: float = -0.9
    agree_slope: float = 1.2
    agree_offset: float = -0.9
    join_after_like: float = 0.15
    comment_given_like: float = 0.4
    comment_given_click: float = 0.05
    hide_given_dislike: float = 0.05
    position_decay: float = 0.12
    price_aversion: float = 1.2
    buys: float = 0.15
    attend_slope: float = 0.8
    attend_offset: float = 0.3

    def examined(self, position: Ints) -> Floats:
        """Return the probability that the item at a position (0 is the top) is examined."""
        result: Floats = 1.0 / (1.0 + self.position_decay * position.astype(np.float64))
        return result

    def click(self, utility: Floats) -> Floats:
        """Return the probability of a click on an examined item."""
        return sigmoid(self.click_slope * utility + self.click_offset)

    def agree(self, utility: Floats) -> Floats:
        """Return the probability of accepting an opened item: liking a post, joining a connector."""
        return sigmoid(self.agree_slope * utility + self.agree_offset)

    def attend(self, utility: Floats) -> Floats:
        """Return the probability of coming to an event after replying that one will."""
        return sigmoid(self.attend_slope * utility + self.attend_offset)

    def as_dict(self) -> dict[str, float]:
        """Return the coefficients by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Tastes:
    """``by_theme[person, theme]``: taste of a person for a theme; negative for dislike."""

    by_theme: Floats
    favorites: Bools
    """``favourites[person, category]``: the two to four favorite categories of a person."""


def draw_tastes(rng: np.random.Generator, vocabulary: Vocabulary, *, people: int) -> Tastes:
    """Draw the hidden tastes of ``people`` people."""
    categories = vocabulary.categories
    shares = np.log([category.share for category in categories])
    # Gumbel noise on log shares draws favourites without replacement in proportion to the shares.
    keys = shares + rng.gumbel(size=(people, len(categories)))
    rank = np.argsort(np.argsort(-keys, axis=1), axis=1)
    favorites: Bools = rank < rng.choice([2, 3, 4], size=(people, 1), p=[0.35, 0.45, 0.2])

    owner = np.repeat(np.arange(len(categories)), [len(category.themes) for category in categories])
    warmth = np.where(favorites, rng.normal(1.5, 0.3, size=favorites.shape), rng.normal(-1.5, 0.4, favorites.shape))
    leaning = rng.normal(0.0, 0.7, size=(people, len(owner)))
    return Tastes(by_theme=warmth[:, owner] + leaning * favorites[:, owner], favorites=favorites)
