"""What people of the town talk about: categories, each with themes, sentence patterns and words (TOML beside this)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

_SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Theme:
    """A corner of a category that some of its people care for more than others."""

    name: str
    things: tuple[str, ...]
    doings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Category:
    """A subject with its sentence patterns; ``share`` is how common it is as somebody's favourite."""

    name: str
    share: float
    names: tuple[str, ...]
    about: str
    titles: tuple[str, ...]
    openings: tuple[str, ...]
    details: tuple[str, ...]
    asks: tuple[str, ...]
    comments: tuple[str, ...]
    themes: tuple[Theme, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All categories in alphabetical order, and the words they share."""

    categories: tuple[Category, ...]
    homes: tuple[str, ...]
    places: tuple[str, ...]
    occasions: tuple[str, ...]
    invitations: tuple[str, ...]
    times: tuple[str, ...]

    @property
    def themes(self) -> tuple[tuple[Category, Theme], ...]:
        """Every theme with its category, in the order in which themes are numbered."""
        return tuple((category, theme) for category in self.categories for theme in category.themes)


@cache
def load_vocabulary() -> Vocabulary:
    """Read the vocabulary that comes with this package."""
    pages = {
        page.name.removesuffix(".toml"): tomllib.loads(page.read_text(encoding="utf-8"))
        for page in files(__name__).iterdir()
        if page.name.endswith(".toml")
    }
    shared = pages.pop(_SHARED)
    return Vocabulary(
        categories=tuple(_category(name, pages[name]) for name in sorted(pages)),
        **{key: tuple(words) for key, words in shared.items()},
    )


def _category(name: str, page: dict[str, Any]) -> Category:
    return Category(
        name=name,
        share=float(page["share"]),
        about=page["about"],
        themes=tuple(
            Theme(theme, tuple(words["things"]), tuple(words["doings"])) for theme, words in page["themes"].items()
        ),
        **{key: tuple(page[key]) for key in ("names", "titles", "openings", "details", "asks", "comments")},
    )
