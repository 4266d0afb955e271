"""Texts of the marketplace and of reviews; the same seed yields the same texts in the same order."""

from __future__ import annotations

import random

from simulator.vocabulary import Product, Theme, Vocabulary


class MarketWriter:
    """Fills the patterns of ``MarketWords``."""

    def __init__(self, vocabulary: Vocabulary, *, seed: int) -> None:
        self._vocabulary, self._market = vocabulary, vocabulary.market
        self._random = random.Random(seed)

    def description(self, product: Product) -> str:
        """Return a description of an item, of two or three sentences."""
        market = self._market
        about = self._random.sample(market.descriptions, self._random.choice((1, 1, 2)))
        return f"{product.name}. {' '.join(about)} {self._random.choice(market.terms).format(**self._places())}"

    def seller_review(self, rating: int) -> str | None:
        """Return a review of a seller; one in five buyers leaves only a rating."""
        if self._random.random() < 0.2:  # noqa: PLR2004 (one in five)
            return None
        return self._random.choice(self._market.seller_reviews[rating])

    def connector_review(self, rating: int, theme: Theme) -> tuple[str, str]:
        """Return a title and a text of a review of a connector."""
        words = {"thing": self._random.choice(theme.things), "doing": self._random.choice(theme.doings)}
        title = self._random.choice(self._market.review_titles[rating])
        return title, self._random.choice(self._market.review_contents[rating]).format(**words)

    def _places(self) -> dict[str, str]:
        return {
            "place": self._random.choice(self._vocabulary.places),
            "time": self._random.choice(self._vocabulary.times),
        }
