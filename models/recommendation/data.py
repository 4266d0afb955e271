"""Training data: weighted interactions, split by time (or by another named protocol where a data set has no dates).

An interactions frame has the columns of ``INTERACTIONS_SCHEMA``; its rows are implicit feedback on items of one kind:
acts, and with weight 0 impressions, after which there may be no act. It may also have the column ``masks.MASKS``:
whether the interaction excludes its item from rankings; without the column every interaction does. It may have the
column ``CATEGORY``: the category of the item at the time of the interaction, and the column ``STANDING``: the weight of
the user in what is learnt for others. An items frame has the columns of ``ITEMS_SCHEMA``. Callers load both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Protocol

import numpy as np
import polars as pl
import scipy.sparse as sp
from polars._typing import PolarsDataType

from models.recommendation.masks import MASKS
from models.recommendation.scoring import IntArray

INTERACTIONS_SCHEMA: dict[str, PolarsDataType] = {
    "user_id": pl.String,
    "item_id": pl.String,
    "occurred_at": pl.Datetime("us", "UTC"),
    "weight": pl.Float32,
}
ITEMS_SCHEMA: dict[str, PolarsDataType] = {"item_id": pl.String, "text": pl.String, "category": pl.String}
# Optional columns of an items frame. Re-ranking uses the first three for diversity and age. ``is_open`` is whether an
# item may be recommended now (true if missing), ``closed_at`` the time from which it may not (null for none).
OPTIONAL_ITEMS_SCHEMA: dict[str, PolarsDataType] = {
    "connector_id": pl.String,
    "owner_id": pl.String,
    "created_at": pl.Datetime("us", "UTC"),
    "is_open": pl.Boolean,
    "closed_at": pl.Datetime("us", "UTC"),
}
CATEGORY = "category"
STANDING = "standing"
TEST_SHARE = 0.2


class NotEnoughDataError(ValueError):
    """There is too little data to split, train and evaluate a model on."""


def checked_interactions(interactions: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Return the frame with the columns of ``INTERACTIONS_SCHEMA``, ``MASKS`` and the optional ones that are given.

    The order of rows is deterministic.

    Raises:
        polars.exceptions.PolarsError: when a column is missing or of another type.
    """
    given = interactions.lazy()
    names = given.collect_schema().names()
    masks = pl.col(MASKS) if MASKS in names else pl.lit(value=True).alias(MASKS)
    kinds = {CATEGORY: pl.String, STANDING: pl.Float32}
    optional = [pl.col(name).cast(kind) for name, kind in kinds.items() if name in names]
    frame = given.select(*(pl.col(name).cast(kind) for name, kind in INTERACTIONS_SCHEMA.items()), masks, *optional)
    order = ["occurred_at", "user_id", "item_id", "weight", MASKS]
    return frame.sort(*order, *(column.meta.output_name() for column in optional)).collect()


def acts_of(interactions: pl.DataFrame) -> pl.DataFrame:
    """Return the positive implicit feedback, without impressions."""
    return interactions.filter(pl.col("weight") > 0)


def masking_interactions(interactions: pl.DataFrame) -> pl.DataFrame:
    """Return the interactions that exclude their items from rankings."""
    return interactions.filter(MASKS) if MASKS in interactions.columns else interactions


def of_standing(interactions: pl.DataFrame) -> pl.DataFrame:
    """Return the interactions of users with standing, from whom others' recommendations are learnt.

    All of them where no column says who has, or where nobody who has any acted yet, as in the first days of a
    community.
    """
    if STANDING not in interactions.columns:
        return interactions
    known = interactions.filter(pl.col(STANDING) > 0)
    return interactions if acts_of(known).is_empty() else known


def checked_items(items: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Return one row per item with the columns of both schemas; missing texts and categories become empty strings."""
    given = items.lazy()
    names = given.collect_schema().names()
    frame = given.select(
        *(pl.col(name).cast(kind) for name, kind in ITEMS_SCHEMA.items()),
        *(
            (pl.col(name) if name in names else pl.lit(None)).cast(kind).alias(name)
            for name, kind in OPTIONAL_ITEMS_SCHEMA.items()
        ),
    )
    filled = frame.with_columns(pl.col("text", "category").fill_null(""), pl.col("is_open").fill_null(value=True))
    return filled.unique("item_id").sort("item_id").collect()


@dataclass(frozen=True)
class Split:
    """Training and test side of a split.

    ``train`` has the acts before the cut, and ``seen`` also the impressions; it is None without any. ``test`` has pairs
    of users and items that both occur in ``train`` and are not masked by ``train``: a masked item is never recommended,
    and users or items without history are evaluated separately.
    """

    protocol: str
    train: pl.DataFrame
    test: pl.DataFrame
    cut: datetime | None
    """Every event of ``train`` is before it and none of ``test`` is; None when the split is not by time."""
    closed: frozenset[str] = frozenset()
    """Ids of items that were closed at the cut: nobody is recommended them, and ``test`` has none of them."""
    seen: pl.DataFrame | None = None

    @property
    def interactions(self) -> pl.DataFrame:
        """Training side with its impressions, as ``SplitProtocol.split`` takes it."""
        return self.train if self.seen is None else self.seen

    @cached_property
    def matrix(self) -> InteractionMatrix:
        """Training side as a matrix."""
        return InteractionMatrix.build(self.train)

    @cached_property
    def mask(self) -> sp.csr_matrix:
        """Items (columns of ``matrix``) that are excluded from each user's ranking at the cut."""
        masking = masking_interactions(self.train)
        return self.matrix.weights if len(masking) == len(self.train) else self.matrix.encode(masking)

    @cached_property
    def closed_columns(self) -> IntArray:
        """Columns of ``matrix`` whose items were closed at the cut."""
        if not self.closed:
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero([item_id in self.closed for item_id in self.matrix.item_ids]).astype(np.int64)

    def without_closed(self, items: pl.DataFrame) -> Split:
        """Return the split in which the items that closed before the cut are no candidates.

        Args:
            items: ``checked_items``.

        Raises:
            NotEnoughDataError: when nothing of the test side is left.
        """
        if self.cut is None or not (closed := items.filter(pl.col("closed_at") <= self.cut)["item_id"]).len():
            return self
        test = self.test.filter(~pl.col("item_id").is_in(closed.implode()))
        if test.is_empty():
            raise NotEnoughDataError(f"every item of the test side was closed at {self.cut.isoformat()}")
        return replace(self, test=test, closed=frozenset(closed))


class SplitProtocol(Protocol):
    """Named protocol of holding data out."""

    @property
    def name(self) -> str:
        """Name, as logged with every metric."""
        ...

    def split(self, interactions: pl.DataFrame) -> Split:
        """Split ``interactions``."""
        ...


def new_pairs(held_out: pl.DataFrame, *, train: pl.DataFrame) -> pl.DataFrame:
    """Return the unmasked pairs of ``held_out`` whose user and item occur in ``train``, one row per pair."""
    return (
        held_out.unique(["user_id", "item_id"], keep="first", maintain_order=True)
        .join(train.select("user_id").unique(), on="user_id", how="semi")
        .join(train.select("item_id").unique(), on="item_id", how="semi")
        .join(masking_interactions(train), on=["user_id", "item_id"], how="anti")
        .sort("user_id", "item_id")
    )


@dataclass(frozen=True)
class TimeSplit:
    """Split by time: train on events before the cut, test on events at or after it."""

    test_share: float = TEST_SHARE

    @property
    def name(self) -> str:
        """Name of the protocol, as logged with every metric."""
        return f"time split, last {self.test_share:.0%} of events, new pairs of warm users and items, all items ranked"

    def split(self, interactions: pl.DataFrame) -> Split:
        """Cut at the time that leaves ``test_share`` of the events at or after it.

        Raises:
            NotEnoughDataError: when a side is empty, for example because all events have the same time.
        """
        acts = acts_of(interactions)
        times = acts["occurred_at"].sort()
        if times.is_empty():
            raise NotEnoughDataError("there are no interactions")
        cut: datetime = times[int(len(times) * (1 - self.test_share))]
        train = acts.filter(pl.col("occurred_at") < cut)
        test = new_pairs(acts.filter(pl.col("occurred_at") >= cut), train=train)
        if train.is_empty() or test.is_empty():
            raise NotEnoughDataError(f"a cut at {cut.isoformat()} leaves no training data or no test data")
        has_impressions = len(acts) < len(interactions)
        seen = interactions.filter(pl.col("occurred_at") < cut) if has_impressions else None
        return Split(protocol=self.name, train=train, test=test, cut=cut, seen=seen)


@dataclass(frozen=True)
class LeaveLastOut:
    """Hold out each user's last item; for sequences without dates, whose times give the order only."""

    name: str = "leave last out, order of the file, all items ranked"

    def split(self, interactions: pl.DataFrame) -> Split:
        """Hold out the last event of every user with at least two."""
        ordered = interactions.with_columns(
            pl.len().over("user_id").alias("count"),
            pl.col("occurred_at").rank("ordinal").over("user_id").alias("position"),
        )
        is_last = (pl.col("position") == pl.col("count")) & (pl.col("count") > 1)
        columns = interactions.columns
        train = ordered.filter(~is_last).select(columns)
        return Split(self.name, train, new_pairs(ordered.filter(is_last).select(columns), train=train), None)


@dataclass(frozen=True)
class RandomHoldout:
    """Hold out a random part of the events; only for data sets whose published split has no order."""

    share: float = 0.1
    seed: int = 0

    @property
    def name(self) -> str:
        """Name of the protocol."""
        return f"random hold-out of {self.share:.0%} (the set has no order), all items ranked"

    def split(self, interactions: pl.DataFrame) -> Split:
        """Hold out ``share`` of the events, sampled with ``seed``."""
        held_out = np.random.default_rng(self.seed).random(len(interactions)) < self.share
        train = interactions.filter(~held_out)
        return Split(self.name, train, new_pairs(interactions.filter(held_out), train=train), None)


@dataclass(frozen=True)
class InteractionMatrix:
    """Sparse (users, items) matrix of summed interaction weights; ids are sorted."""

    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    weights: sp.csr_matrix

    @classmethod
    def build(cls, interactions: pl.DataFrame) -> InteractionMatrix:
        """Sum the weights of each pair; impressions are left out."""
        interactions = acts_of(interactions)
        users = interactions["user_id"].unique().sort()
        items = interactions["item_id"].unique().sort()
        rows, columns = positions(interactions["user_id"], among=users), positions(interactions["item_id"], among=items)
        weights = sp.csr_matrix(
            (interactions["weight"].to_numpy(), (rows, columns)), shape=(len(users), len(items)), dtype=np.float32
        )
        weights.sum_duplicates()
        return cls(tuple(users), tuple(items), weights)

    def encode(self, pairs: pl.DataFrame) -> sp.csr_matrix:
        """Return a 0/1 matrix of ``pairs``, whose users and items must all be in this matrix."""
        rows = positions(pairs["user_id"], among=pl.Series(self.user_ids))
        columns = positions(pairs["item_id"], among=pl.Series(self.item_ids))
        encoded = sp.csr_matrix((np.ones(len(pairs), np.float32), (rows, columns)), shape=self.weights.shape)
        encoded.sum_duplicates()
        encoded.data[:] = 1.0
        return encoded


def positions(values: pl.Series, *, among: pl.Series) -> IntArray:
    """Return the position of each value in ``among``, which is unique and contains every value."""
    index = among.rename("id").to_frame().with_row_index("position")
    rows = values.rename("id").to_frame().join(index, on="id", how="left", maintain_order="left")
    return rows["position"].to_numpy().astype(np.int64)
