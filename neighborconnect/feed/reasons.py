"""Reasons of recommended items: their codes, and their texts in each language (``reasons.toml``)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final

from pydantic import ConfigDict, RootModel, model_validator

from neighborconnect.localization import Language, Text, parameters_of

MAX_REASONS: Final = 3
"""Most reasons of one item."""
MIN_SHARE: Final = 0.15
"""Least share of an item's score that makes a reason."""


class ReasonCode(StrEnum):
    """Codes of reasons; each has a text in ``reasons.toml``."""

    BECAUSE_YOU_LIKED = "because_you_liked"
    SIMILAR_TO_READ = "similar_to_read"
    SIMILAR_TO_CHOSEN = "similar_to_chosen"
    SIMILAR_TO_JOINED = "similar_to_joined"
    SIMILAR_TO_YOURS = "similar_to_yours"
    CATEGORY_YOU_LIKE = "category_you_like"
    OF_YOUR_INTERESTS = "of_your_interests"
    ALSO_LIKED = "also_liked"
    ALSO_JOINED = "also_joined"
    NEIGHBORS_LIKE_YOU = "neighbors_like_you"
    RESEMBLES_NEIGHBORS_LIKES = "resembles_neighbors_likes"
    POPULAR = "popular"
    NEW_FOR_YOU = "new_for_you"
    POPULAR_IN_YOUR_NEIGHBORHOOD = "popular_in_your_neighborhood"
    POPULAR_IN_YOUR_CITY = "popular_in_your_city"
    LARGE = "large"
    IN_YOUR_CONNECTORS = "in_your_connectors"
    NEW_IN_YOUR_CONNECTORS = "new_in_your_connectors"
    NEW_OF_YOUR_INTERESTS = "new_of_your_interests"
    NEW = "new"
    EARLIER = "earlier"
    SHOWN_BEFORE = "shown_before"
    SOON = "soon"
    FREE_PLACES = "free_places"
    PEOPLE_YOU_FOLLOW_GOING = "people_you_follow_going"
    YOU_FOLLOW_THE_SELLER = "you_follow_the_seller"


class Entry(Text):
    """Texts of one code, and the code that is used where a parameter is missing."""

    instead: ReasonCode | None = None


class Catalog(RootModel[dict[ReasonCode, Entry]]):
    """All texts. Every code has an entry, and every chain of ``instead`` ends with a text without parameters."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _is_complete(self) -> Catalog:
        if missing := set(ReasonCode) - set(self.root):
            raise ValueError(f"codes without a text: {', '.join(sorted(missing))}")
        for code, entry in self.root.items():
            if entry.instead is None and any(parameters_of(text) for text in entry.variants()):
                raise ValueError(f"{code} has parameters, and no code for where they are missing")
        return self


@cache
def catalog() -> Catalog:
    """Return the published texts.

    Raises:
        pydantic.ValidationError: a text is missing, or a code is unknown.
    """
    text = (files("neighborconnect.feed") / "reasons.toml").read_text("utf-8")
    return Catalog.model_validate(tomllib.loads(text))


def render(code: str, *, language: Language, values: Mapping[str, object]) -> tuple[ReasonCode, str] | None:
    """Return the text of a reason, with the code that it is of; None for a code that this release does not have.

    Args:
        code: a code, from this or from another release.
        language: language of the text.
        values: parameters; those that are None or empty are missing.
    """
    known = {name: value for name, value in values.items() if value not in (None, "")}
    try:
        current: ReasonCode | None = ReasonCode(code)
    except ValueError:
        return None
    while current is not None:
        entry = catalog().root[current]
        text = entry.text(language, count=known.get("count"))
        if parameters_of(text) <= set(known):
            return current, text.format_map(known)
        current = entry.instead
    return None
