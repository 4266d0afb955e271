"""Ground truth of a town, which the platform must infer: tastes, themes, qualities and the choice model.

The files are in the platform's home, never in its tables. They determine every true probability::

    utility(person, post) = taste_<theme> + same_home * [connector.home == person.home]
                            + follows_author * [person follows author] + quality
    utility(person, connector) = taste_<theme> + same_home * [connector.home == person.home] + appeal
    utility(person, event) = utility(person, event's connector) + follows_author * [person follows host] + appeal
    utility(person, item) = taste_<theme> + same_home * [seller.home == person.home]
                            + follows_author * [person follows seller] + appeal
    P(examined) = 1 / (1 + position_decay * position)
    P(click | examined) = sigmoid(click_slope * utility + click_offset)
    P(like, join or reply | click) = sigmoid(agree_slope * utility + agree_offset)
    P(buy | click) = P(like | click) * ``buys``, if nobody bought the item before
    P(come | replied ``attending``) = sigmoid(attend_slope * utility + attend_offset)

The appeal of an item is its quality less ``price_aversion`` times the logarithm of its price relative to the usual one.
A person who replied ``attending`` and did not come is a no-show. No table of the platform records it,
but ``attendance.parquet`` does.
"""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from simulator.columns import Ids, times
from simulator.places import TOWN_WIDE
from simulator.spec import DAY_SECONDS
from simulator.town import Reply, Town


def ground_truth_folder(home: Path, town: Town) -> Path:
    """Return the folder of the ground truth of a town."""
    return home / "ground_truth" / f"seed-{town.spec.seed}-from-{town.spec.first_number}"


def write_ground_truth(folder: Path, town: Town, ids: Ids) -> None:
    """Write the people, connectors, posts, events, attendance and items (Parquet), and ``model.json``."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    themes = [f"{category.name}/{theme.name}" for category, theme in town.vocabulary.themes]
    categories = [category.name for category in town.vocabulary.categories]
    tastes = town.people.tastes
    pl.DataFrame(
        {
            "user_id": ids.users,
            "home": town.people.home,
            "arrived_at": times(town.spec.start, town.people.arrived),
            "activity": town.people.activity,
            **{f"favours_{name}": tastes.favorites[:, index] for index, name in enumerate(categories)},
            **{f"taste_{name}": tastes.by_theme[:, index] for index, name in enumerate(themes)},
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
    _write_events(folder, town, ids)
    _write_items(folder, town, ids, themes)
    model = {"seed": town.spec.seed, "coefficients": town.choice_model.as_dict(), "themes": themes}
    (folder / "model.json").write_text(json.dumps(model, indent=2) + "\n", encoding="utf-8")


def _write_events(folder: Path, town: Town, ids: Ids) -> None:
    events, rsvps = town.events, town.rsvps
    pl.DataFrame(
        {
            "event_id": ids.events,
            "connector_id": ids.connectors.gather(events.connector),
            "host_id": ids.users.gather(events.host),
            "appeal": events.appeal,
        }
    ).drop_nulls("event_id").write_parquet(folder / "events.parquet")
    is_over = events.ends < town.spec.days * DAY_SECONDS
    past = rsvps.take(is_over[rsvps.event] & (rsvps.status == Reply.ATTENDING))
    pl.DataFrame(
        {"event_id": ids.events.gather(past.event), "user_id": ids.users.gather(past.user), "came": past.came}
    ).drop_nulls("event_id").write_parquet(folder / "attendance.parquet")


def _write_items(folder: Path, town: Town, ids: Ids, themes: list[str]) -> None:
    goods = town.marketplace.goods
    pl.DataFrame(
        {
            "item_id": ids.goods,
            "connector_id": ids.connectors.gather(goods.connector),
            "seller_id": ids.users.gather(goods.seller),
            "theme": pl.Series(themes).gather(town.connectors.theme[goods.connector]),
            "quality": goods.quality,
            "appeal": goods.appeal,
        }
    ).drop_nulls("item_id").write_parquet(folder / "marketplace_items.parquet")
