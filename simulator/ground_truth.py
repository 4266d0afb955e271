"""Keeps what the platform must find out by itself: tastes, themes, qualities and the choice model.

The files lie in the platform's home, never in its tables. With them any true probability can be computed::

    utility(person, post) = taste_<theme> + same_home * [connector.home == person.home]
                            + follows_author * [person follows author] + quality
    utility(person, connector) = taste_<theme> + same_home * [connector.home == person.home] + appeal
    P(examined) = 1 / (1 + position_decay * position)
    P(click | examined) = sigmoid(click_slope * utility + click_offset)
    P(like or join | click) = sigmoid(agree_slope * utility + agree_offset)
"""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from simulator.columns import Ids, times
from simulator.places import TOWN_WIDE
from simulator.town import Town


def ground_truth_folder(home: Path, town: Town) -> Path:
    """Return where the truth about a town is kept."""
    return home / "ground_truth" / f"seed-{town.spec.seed}-from-{town.spec.first_number}"


def write_ground_truth(folder: Path, town: Town, ids: Ids) -> None:
    """Write ``people``, ``connectors`` and ``posts`` (Parquet) and ``model.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    themes = [f"{category.name}/{theme.name}" for category, theme in town.vocabulary.themes]
    categories = [category.name for category in town.vocabulary.categories]
    tastes = town.people.tastes
    pl.DataFrame(
        {
            "user_id": ids.users,
            "home": town.people.home,
            "arrived_at": times(town.spec.start, town.people.arrived),
            "activity": town.people.activity,
            **{f"favours_{name}": tastes.favourites[:, place] for place, name in enumerate(categories)},
            **{f"taste_{name}": tastes.by_theme[:, place] for place, name in enumerate(themes)},
        }
    ).write_parquet(folder / "people.parquet")
    pl.DataFrame(
        {
            "connector_id": ids.connectors,
            "category": pl.Series(categories).gather(town.connectors.category),
            "theme": pl.Series(themes).gather(town.connectors.theme),
            "home": pl.Series(town.connectors.home).replace(TOWN_WIDE, None),
            "appeal": town.connectors.appeal,
        }
    ).write_parquet(folder / "connectors.parquet")
    pl.DataFrame(
        {
            "post_id": ids.posts,
            "connector_id": ids.connectors.gather(town.posts.connector),
            "author_id": ids.users.gather(town.posts.author),
            "theme": pl.Series(themes).gather(town.posts.theme),
            "quality": town.posts.quality,
        }
    ).write_parquet(folder / "posts.parquet")
    model = {"seed": town.spec.seed, "coefficients": town.behaviour.as_dict(), "themes": themes}
    (folder / "model.json").write_text(json.dumps(model, indent=2) + "\n", encoding="utf-8")
