"""Small worlds with and without something to learn. Not a test: imported by path from those that need one."""

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
    """Items whose text tells their category; ten texts a category, so that embedding them is quick."""
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


def make_interactions(items: pl.DataFrame, *, people: int, each: int, preference: float) -> pl.DataFrame:
    """Everyone takes up ``each`` items over four weeks, those of their own category ``preference`` times as gladly.

    Person ``user-0000`` cares for the first category, ``user-0001`` for the second, and so on round.
    """
    generator = np.random.default_rng(2)
    own = items["category"].to_numpy()
    appeal = generator.zipf(1.8, len(items)).clip(1, 20).astype(float)
    rows = []
    for person in range(people):
        shares = appeal * np.where(own == CATEGORIES[person % 4], preference, 1.0)
        for row in generator.choice(len(items), each, replace=False, p=shares / shares.sum()):
            at = END - timedelta(days=float(generator.uniform(0, 28)))
            rows.append((f"user-{person:04d}", items["item_id"][int(row)], at, 1.0))
    return pl.DataFrame(rows, schema=INTERACTIONS_SCHEMA, orient="row")
