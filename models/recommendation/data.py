"""Training data: interactions with weights, split by time (or by a named stand-in where a set has no dates).

An interactions frame has the columns of ``INTERACTIONS_SCHEMA``; its rows are positive signs of interest of one
item kind. An items frame has the columns of ``ITEMS_SCHEMA``. Both come from outside: this module knows neither
lake nor data set.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol

import numpy as np
import polars as pl
import scipy.sparse as sp
from polars._typing import PolarsDataType

from models.recommendation.scoring import IntArray

INTERACTIONS_SCHEMA: dict[str, PolarsDataType] = {
    "user_id": pl.String,
    "item_id": pl.String,
    "occurred_at": pl.Datetime("us", "UTC"),
    "weight": pl.Float32,
}
ITEMS_SCHEMA: dict[str, PolarsDataType] = {"item_id": pl.String, "text": pl.String, "category": pl.String}
TEST_SHARE = 0.2


class NotEnoughDataError(ValueError):
    """There is too little to split, train and judge a model on."""


def checked_interactions(interactions: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Return the frame with the columns of ``INTERACTIONS_SCHEMA``, in a fixed order of rows.

    Raises:
        polars.exceptions.PolarsError: when a column is missing or of another type.
    """
    frame = interactions.lazy().select(pl.col(name).cast(kind) for name, kind in INTERACTIONS_SCHEMA.items())
    return frame.sort("occurred_at", "user_id", "item_id", "weight").collect()


def checked_items(items: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Return one row an item with the columns of ``ITEMS_SCHEMA``; missing texts and categories become empty."""
    frame = items.lazy().select(pl.col(name).cast(kind) for name, kind in ITEMS_SCHEMA.items())
    return frame.with_columns(pl.col("text", "category").fill_null("")).unique("item_id").sort("item_id").collect()


@dataclass(frozen=True)
class Split:
    """What a model may learn from, and what it is then judged by.

    ``test`` holds pairs of people and items that both occur in ``train``, but not together: a neighbour is not
    recommended what they have, and what nobody could know is judged apart.
    """

    protocol: str
    train: pl.DataFrame
    test: pl.DataFrame
    cut: datetime | None
    """Every event of ``train`` is before it, none of ``test`` is; None where the split is not by time."""

    @cached_property
    def matrix(self) -> InteractionMatrix:
        """The training part as a matrix."""
        return InteractionMatrix.build(self.train)


class SplitProtocol(Protocol):
    """A named way to hide a part of the data."""

    @property
    def name(self) -> str:
        """Name, as logged with every metric."""
        ...

    def split(self, interactions: pl.DataFrame) -> Split:
        """Split ``interactions``."""
        ...


def new_pairs(held_out: pl.DataFrame, *, train: pl.DataFrame) -> pl.DataFrame:
    """Keep of ``held_out`` one row a pair, of people and items that ``train`` knows but not as a pair."""
    return (
        held_out.unique(["user_id", "item_id"], keep="first", maintain_order=True)
        .join(train.select("user_id").unique(), on="user_id", how="semi")
        .join(train.select("item_id").unique(), on="item_id", how="semi")
        .join(train, on=["user_id", "item_id"], how="anti")
        .sort("user_id", "item_id")
    )


@dataclass(frozen=True)
class TimeSplit:
    """Learn from what was before the cut, be judged by what came at or after it."""

    test_share: float = TEST_SHARE

    @property
    def name(self) -> str:
        """Name of the protocol, as logged with every metric."""
        return f"time split, last {self.test_share:.0%} of events, new pairs of known people and items, all ranked"

    def split(self, interactions: pl.DataFrame) -> Split:
        """Cut at the time that leaves ``test_share`` of the events at or after it.

        Raises:
            NotEnoughDataError: when a side is empty, for instance because everything happened at once.
        """
        times = interactions["occurred_at"].sort()
        if times.is_empty():
            raise NotEnoughDataError("no interactions to learn from")
        cut: datetime = times[int(len(times) * (1 - self.test_share))]
        train = interactions.filter(pl.col("occurred_at") < cut)
        test = new_pairs(interactions.filter(pl.col("occurred_at") >= cut), train=train)
        if train.is_empty() or test.is_empty():
            raise NotEnoughDataError(f"a cut at {cut.isoformat()} leaves nothing to learn from or nothing to judge by")
        return Split(protocol=self.name, train=train, test=test, cut=cut)


@dataclass(frozen=True)
class LeaveLastOut:
    """Hide each person's last item; for sequences without dates, whose times only say the order."""

    name: str = "leave last out, order of the file, all items ranked"

    def split(self, interactions: pl.DataFrame) -> Split:
        """Hide the last event of everyone who has at least two."""
        ordered = interactions.with_columns(
            pl.len().over("user_id").alias("count"),
            pl.col("occurred_at").rank("ordinal").over("user_id").alias("place"),
        )
        is_last = (pl.col("place") == pl.col("count")) & (pl.col("count") > 1)
        columns = list(INTERACTIONS_SCHEMA)
        train = ordered.filter(~is_last).select(columns)
        return Split(self.name, train, new_pairs(ordered.filter(is_last).select(columns), train=train), None)


@dataclass(frozen=True)
class RandomHoldout:
    """Hide a random part of each person's items; only for sets whose own split has lost the order."""

    share: float = 0.1
    seed: int = 0

    @property
    def name(self) -> str:
        """Name of the protocol."""
        return f"random hold-out of {self.share:.0%} (the set has no order), all items ranked"

    def split(self, interactions: pl.DataFrame) -> Split:
        """Hide ``share`` of the events, drawn with ``seed``."""
        hidden = np.random.default_rng(self.seed).random(len(interactions)) < self.share
        train = interactions.filter(~hidden)
        return Split(self.name, train, new_pairs(interactions.filter(hidden), train=train), None)


@dataclass(frozen=True)
class InteractionMatrix:
    """People in rows, items in columns, the summed weight of what they did in the cells; ids sorted."""

    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    weights: sp.csr_matrix

    @classmethod
    def build(cls, interactions: pl.DataFrame) -> InteractionMatrix:
        """Sum the weights of each pair."""
        users = interactions["user_id"].unique().sort()
        items = interactions["item_id"].unique().sort()
        rows, columns = positions(interactions["user_id"], among=users), positions(interactions["item_id"], among=items)
        weights = sp.csr_matrix(
            (interactions["weight"].to_numpy(), (rows, columns)), shape=(len(users), len(items)), dtype=np.float32
        )
        weights.sum_duplicates()
        return cls(tuple(users), tuple(items), weights)

    def encode(self, pairs: pl.DataFrame) -> sp.csr_matrix:
        """Return a 0/1 matrix of ``pairs``, all of whose people and items this matrix knows."""
        rows = positions(pairs["user_id"], among=pl.Series(self.user_ids))
        columns = positions(pairs["item_id"], among=pl.Series(self.item_ids))
        encoded = sp.csr_matrix((np.ones(len(pairs), np.float32), (rows, columns)), shape=self.weights.shape)
        encoded.sum_duplicates()
        encoded.data[:] = 1.0
        return encoded


def positions(values: pl.Series, *, among: pl.Series) -> IntArray:
    """Return where each value stands in ``among``, which is unique and holds every one of them."""
    places = among.rename("id").to_frame().with_row_index("place")
    found = values.rename("id").to_frame().join(places, on="id", how="left", maintain_order="left")
    return found["place"].to_numpy().astype(np.int64)
