"""Vocabulary of the town: categories with themes, sentence patterns and words, from the TOML files of this package."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

_SHARED, _MARKET, _DRAWINGS, _TALK = "shared", "market", "drawings", "talk"


@dataclass(frozen=True, slots=True)
class Theme:
    """Subtopic of a category, with its words."""

    name: str
    things: tuple[str, ...]
    doings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Category:
    """Category with its sentence patterns; ``share`` is its relative frequency as a favorite."""

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
class Product:
    """Item for sale, with its typical price in dollars and the drawing that shows it."""

    name: str
    price: float
    drawing: str


@dataclass(frozen=True, slots=True)
class Shape:
    """Shape of a drawing: ``points`` are x, y pairs on a canvas of 100 by 75 units."""

    kind: str
    color: str
    width: float
    points: tuple[float, ...]


Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MarketWords:
    """Words of the marketplace and of reviews; products and names of item categories by taste category."""

    category_names: dict[str, str]
    products: dict[str, tuple[Product, ...]]
    descriptions: Words
    terms: Words
    seller_reviews: dict[int, Words]
    review_titles: dict[int, Words]
    review_contents: dict[int, Words]
    questions: Words
    answers: Words
    closings: Words
    thanks: Words


@dataclass(frozen=True, slots=True)
class TalkWords:
    """Scripts of conversations by turns, captions of stories, and texts of bad neighbors and of reports about them."""

    direct: tuple[Words, ...]
    group: tuple[Words, ...]
    stories: Words
    captions: Words
    spam: dict[str, Words]
    insults: Words
    report_details: Words
    rules: dict[str, str]
    appeals: Words


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All categories in alphabetical order, their shared words, the words of marketplace and talk, and the drawings."""

    categories: tuple[Category, ...]
    market: MarketWords
    talk: TalkWords
    drawings: dict[str, tuple[Shape, ...]]
    homes: tuple[str, ...]
    places: tuple[str, ...]
    occasions: tuple[str, ...]
    invitations: tuple[str, ...]
    times: tuple[str, ...]

    @property
    def themes(self) -> tuple[tuple[Category, Theme], ...]:
        """Every theme with its category, in the order of theme numbers."""
        return tuple((category, theme) for category in self.categories for theme in category.themes)


@cache
def load_vocabulary() -> Vocabulary:
    """Read the vocabulary of this package."""
    pages = {
        page.name.removesuffix(".toml"): tomllib.loads(page.read_text(encoding="utf-8"))
        for page in files(__name__).iterdir()
        if page.name.endswith(".toml")
    }
    shared, market, drawings, talk = (pages.pop(name) for name in (_SHARED, _MARKET, _DRAWINGS, _TALK))
    return Vocabulary(
        categories=tuple(_category(name, pages[name]) for name in sorted(pages)),
        market=_market(market),
        talk=_talk(talk),
        drawings={
            name: tuple(Shape(kind, color, width, tuple(points)) for kind, color, width, *points in shapes)
            for name, shapes in drawings.items()
        },
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


def _market(page: dict[str, Any]) -> MarketWords:
    reviews = page["connector_reviews"]
    return MarketWords(
        category_names=page["category_names"],
        products={
            category: tuple(Product(name, float(price), drawing) for name, price, drawing in products)
            for category, products in page["products"].items()
        },
        seller_reviews=_by_rating(page["seller_reviews"]),
        review_titles=_by_rating(reviews["titles"]),
        review_contents=_by_rating(reviews["contents"]),
        **{key: tuple(page[key]) for key in ("descriptions", "terms", "questions", "answers", "closings", "thanks")},
    )


def _by_rating(page: dict[str, Any]) -> dict[int, Words]:
    return {int(rating): tuple(words) for rating, words in page.items()}


def _talk(page: dict[str, Any]) -> TalkWords:
    return TalkWords(
        direct=tuple(map(tuple, page["direct"])),
        group=tuple(map(tuple, page["group"])),
        stories=tuple(page["stories"]),
        captions=tuple(page["captions"]),
        spam={name: tuple(words) for name, words in page["spam"].items()},
        insults=tuple(page["insults"]["comments"]),
        report_details=tuple(page["reports"]["details"]),
        rules=page["reports"]["rules"],
        appeals=tuple(page["reports"]["appeals"]),
    )
