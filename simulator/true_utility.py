"""Ground truth of simulated towns, read back from its files: the true utility of any item to any person.

Follows are read from the database, because people may follow others after the files were written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from neighborconnect.contracts.events import ReportableKind
from simulator.arrays import Floats, Ints
from simulator.bulk import TownError
from simulator.places import TOWN_WIDE
from simulator.preferences import ChoiceModel

KINDS: Final = (ReportableKind.POST, ReportableKind.CONNECTOR, ReportableKind.EVENT, ReportableKind.ITEM)
UNKNOWN_UTILITY: Final = -0.5
"""Utility of an item without ground truth, as ``simulator.api_client`` assumes."""
_FILES = ("people", "connectors", "posts", "events", "marketplace_items")
_TASTE = "taste_"


@dataclass(frozen=True, slots=True)
class Person:
    """Hidden taste of a person: by theme, and their neighborhood number. ``user_id`` decides whom they follow."""

    user_id: str
    taste: Floats
    home: int


@dataclass(frozen=True, slots=True)
class _TrueItems:
    """Causes of the utility of the items of one kind, one entry per item; ``row_of`` finds an item by its id."""

    row_of: dict[str, int]
    theme: Ints
    home: Ints
    author: Sequence[str | None]
    appeal: Floats


class GroundTruth:
    """True utilities by the files of ``simulator.ground_truth``."""

    def __init__(self, tables: dict[str, pl.DataFrame], *, choice_model: ChoiceModel, themes: list[str]) -> None:
        """Index the tables; ``themes`` gives the order of tastes."""
        self.choice_model, self.themes = choice_model, themes
        self.people = tables["people"]
        self._tastes = self.people.select(f"{_TASTE}{theme}" for theme in themes).to_numpy()
        self._row_of = {user_id: row for row, user_id in enumerate(self.people["user_id"])}
        self._items = _index(tables, themes=themes)
        self.follows: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def read(cls, folders: Sequence[Path]) -> GroundTruth:
        """Read the towns of ``folders``, which share one choice model.

        Raises:
            TownError: a file is missing or not readable.
        """
        try:
            models = [json.loads((folder / "model.json").read_text(encoding="utf-8")) for folder in folders]
            tables = {
                name: pl.concat([pl.read_parquet(folder / f"{name}.parquet") for folder in folders]) for name in _FILES
            }
            return cls(tables, choice_model=ChoiceModel(**models[0]["coefficients"]), themes=list(models[0]["themes"]))
        except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
            names = ", ".join(map(str, folders))
            raise TownError(
                f"The ground truth in {names} cannot be read ({error}). `neighborconnect simulate` writes it."
            ) from error

    def person(self, user_id: str) -> Person:
        """Return a person of the town."""
        row = self._row_of[user_id]
        return Person(user_id, self._tastes[row], int(self.people["home"][row]))

    def utility(self, kind: ReportableKind, item_ids: Sequence[str], *, person: Person) -> Floats:
        """Return the true utility of each item to a person; NaN for an item without ground truth."""
        items = self._items[kind]
        rows = np.array([items.row_of.get(item_id, -1) for item_id in item_ids], dtype=np.int64)
        result: Floats = np.full(len(rows), np.nan)
        known = np.flatnonzero(rows >= 0)
        row = rows[known]
        follows = np.array([(person.user_id, items.author[number]) in self.follows for number in row.tolist()], bool)
        result[known] = (
            person.taste[items.theme[row]]
            + self.choice_model.same_home * (items.home[row] == person.home)
            + self.choice_model.follows_author * follows
            + items.appeal[row]
        )
        return result

    def gain(self, utility: Floats) -> Floats:
        """Return the true probability that an examined item is opened and then liked, joined, answered or bought.

        Buying is rarer by a constant factor, which no comparison of rankings depends on. An item without ground truth
        gains nothing.
        """
        gains = self.choice_model.click(utility) * self.choice_model.agree(utility)
        result: Floats = np.where(np.isnan(utility), 0.0, gains)
        return result

    def clicks(self, utility: Floats) -> Floats:
        """Return the true probability that each item is opened once it is examined."""
        return self.choice_model.click(np.where(np.isnan(utility), UNKNOWN_UTILITY, utility))

    def expected_clicks(self, clicks: Floats) -> float:
        """Return the expected clicks on a page, given the probability of each of its items from the top."""
        return float((self.choice_model.examined(np.arange(len(clicks))) * clicks).sum())

    def is_known(self, kind: ReportableKind, item_id: str) -> bool:
        """Return whether an item has ground truth."""
        return item_id in self._items[kind].row_of


def truth_folders(home: Path) -> list[Path]:
    """Return the folders of the ground truth of all towns of a platform's home.

    Raises:
        TownError: there is none.
    """
    folders = sorted(path.parent for path in (home / "ground_truth").glob("*/model.json"))
    if not folders:
        raise TownError(
            f"There is no ground truth in {home / 'ground_truth'}: the town was not simulated on this machine. "
            "Name its folder with --truth, or create a town with `neighborconnect simulate`."
        )
    return folders


def _index(tables: dict[str, pl.DataFrame], *, themes: list[str]) -> dict[ReportableKind, _TrueItems]:
    number = pl.DataFrame({"theme": themes}).with_row_index("theme_number")
    connectors = (
        tables["connectors"]
        .join(number, on="theme", maintain_order="left")
        .select(
            "connector_id",
            "theme_number",
            pl.col("home").fill_null(TOWN_WIDE),
            pl.col("appeal").alias("connector_appeal"),
        )
    )
    homes = tables["people"].select(seller_id="user_id", home="home")
    posts = tables["posts"].join(number, on="theme", maintain_order="left")
    goods = tables["marketplace_items"].join(number, on="theme", maintain_order="left")
    frames = {
        ReportableKind.POST: posts.join(
            connectors.select("connector_id", "home"), on="connector_id", maintain_order="left"
        ).select("theme_number", "home", id="post_id", author="author_id", appeal="quality"),
        ReportableKind.CONNECTOR: connectors.select(
            "theme_number", "home", id="connector_id", author=pl.lit(None, pl.String), appeal="connector_appeal"
        ),
        ReportableKind.EVENT: tables["events"]
        .join(connectors, on="connector_id", maintain_order="left")
        .select(
            "theme_number",
            "home",
            id="event_id",
            author="host_id",
            appeal=pl.col("appeal") + pl.col("connector_appeal"),
        ),
        ReportableKind.ITEM: goods.join(homes, on="seller_id", maintain_order="left").select(
            "theme_number", "home", "appeal", id="item_id", author="seller_id"
        ),
    }
    return {
        kind: _TrueItems(
            row_of={item_id: row for row, item_id in enumerate(frame["id"])},
            theme=frame["theme_number"].to_numpy().astype(np.int64),
            home=frame["home"].to_numpy().astype(np.int64),
            author=frame["author"].to_list(),
            appeal=frame["appeal"].to_numpy(),
        )
        for kind, frame in frames.items()
    }
