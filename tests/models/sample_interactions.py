"""Synthetic interactions with and without preferences to learn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from models.recommendation.data import INTERACTIONS_SCHEMA

CATEGORIES = ("gardening", "running", "cooking", "music")
_WORDS = {
    "gardening": "tomatoes roses soil compost pruning seeds",
    "running": "trail marathon shoes sprint pace laps",
    "cooking": "soup oven recipe spices bread pasta",
    "music": "guitar concert drums choir vinyl piano",
}
END = datetime(2026, 3, 29, tzinfo=UTC)


def make_items(count: int) -> pl.DataFrame:
    """Return items whose text shows their category; ten texts per category, so that embedding them is quick."""
    generator = np.random.default_rng(1)
    texts = {
        category: [" ".join(generator.choice(words.split(), 4)) for _ in range(10)]
        for category, words in _WORDS.items()
    }
    names = [CATEGORIES[row % 4] for row in range(count)]
    return pl.DataFrame(
        {
            "item_id": [f"item-{row:04d}" for row in range(count)],
            "category": names,
            "text": [texts[name][row % 10] for row, name in enumerate(names)],
        }
    )


def make_themed_interactions(items: pl.DataFrame, *, people: int, each: int, preference: float) -> pl.DataFrame:
    """Everyone takes up items of one theme ``preference`` times as gladly; a theme shows in no text and no category.

    Item ``n`` is of theme ``n // 4 % 5``, so that every category has all themes; person ``n`` is of theme ``n % 5``.
    """
    generator = np.random.default_rng(3)
    theme = np.arange(len(items)) // 4 % 5
    rows = []
    for person in range(people):
        shares = np.where(theme == person % 5, preference, 1.0)
        for row in generator.choice(len(items), each, replace=False, p=shares / shares.sum()):
            at = END - timedelta(days=float(generator.uniform(0, 28)))
            rows.append((f"user-{person:04d}", items["item_id"][int(row)], at, 1.0))
    return pl.DataFrame(rows, schema=INTERACTIONS_SCHEMA, orient="row")


def make_interactions(
    items: pl.DataFrame, *, people: int, each: int, preference: float, theme_preference: float = 1.0
) -> pl.DataFrame:
    """Everyone takes up ``each`` items over four weeks, those of their own category ``preference`` times as gladly.

    Person ``user-0000`` cares for the first category, ``user-0001`` for the second, and so on round. With a
    ``theme_preference`` they care for a theme too, as in ``make_themed_interactions``: only factors can learn that.
    """
    generator = np.random.default_rng(2)
    own = items["category"].to_numpy()
    appeal = generator.zipf(1.8, len(items)).clip(1, 20).astype(float)
    rows = []
    for person in range(people):
        shares = appeal * np.where(own == CATEGORIES[person % 4], preference, 1.0)
        shares = shares * np.where(np.arange(len(items)) // 4 % 5 == person % 5, theme_preference, 1.0)
        for row in generator.choice(len(items), each, replace=False, p=shares / shares.sum()):
            at = END - timedelta(days=float(generator.uniform(0, 28)))
            rows.append((f"user-{person:04d}", items["item_id"][int(row)], at, 1.0))
    return pl.DataFrame(rows, schema=INTERACTIONS_SCHEMA, orient="row")
