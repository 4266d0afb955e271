"""Stated interests, normalized for the comparison with categories of connectors, online and offline."""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final, TypeVar

Item = TypeVar("Item", bound=Hashable)

INTERESTING_RUN: Final = 2
"""Items of the stated interests for each other item on a page of the fallback."""


def category_key(category: str) -> str:
    """Return a category or stated interest normalized for comparison; ``search_fold`` does the same in SQL."""
    folded = unicodedata.normalize("NFKC", category).casefold()
    # Turkish writes the letters of one word with and without a dot.
    return folded.replace("i\u0307", "i").replace("\u0131", "i").strip()


def matching_categories(categories: Iterable[str], *, interests: Iterable[str]) -> list[str]:
    """Return the categories that are among the stated interests."""
    stated = {category_key(interest) for interest in interests}
    return [category for category in categories if category_key(category) in stated]


def interleave(interesting: Sequence[Item], others: Sequence[Item]) -> Iterator[Item]:
    """Yield every item once: ``INTERESTING_RUN`` of the interesting ones, then one of the others, and so on."""
    preferred = set(interesting)
    first, second = iter(interesting), (item for item in others if item not in preferred)
    while run := list(chain(islice(first, INTERESTING_RUN), islice(second, 1))):
        yield from run
