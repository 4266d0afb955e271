"""Public data sets as interactions and items, each with its usual protocol and published results.

The trainer knows none of these names. Paths come from ``--data`` or ``NEIGHBORCONNECT_DATA``; no data set is shipped.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import scipy.io
import scipy.sparse as sp

from models.benchmarks.files import numbers, read_table, times
from models.recommendation.data import (
    INTERACTIONS_SCHEMA,
    ITEMS_SCHEMA,
    LeaveLastOut,
    RandomHoldout,
    Split,
    SplitProtocol,
    TimeSplit,
)
from models.recommendation.scoring import IntArray

_EPOCH = datetime(2012, 1, 1, tzinfo=UTC)
# The check-ins were collected from Tuesday, 3 April 2012 on; hours of the week count from Monday, one the first.
_NYC_FIRST_MONDAY = datetime(2012, 4, 2, tzinfo=UTC)
_HOURS_A_WEEK = 168
_DESCRIBED = ("text", "category")
# Steps back in the hour of the week of at most this many are late arrivals, not a new week (the file has none
# between 12 and 52).
_NYC_LATE_HOURS = 24


@dataclass(frozen=True)
class Published:
    """A figure that others report on the same split."""

    method: str
    figures: dict[str, float]
    source: str


@dataclass(frozen=True)
class Benchmark:
    """A data set ready to be trained on.

    Attributes:
        split: what is trained on and judged by.
        validation: how the trainer may hide a part of ``split.train`` to choose its settings.
        k: length of the judged list.
    """

    name: str
    split: Split
    items: pl.DataFrame
    validation: SplitProtocol
    k: int
    published: tuple[Published, ...]


def gowalla(folder: Path) -> Benchmark:
    """Gowalla check-ins in the split of NGCF and LightGCN, which has no order and no dates."""
    source = folder / "gowalla-lightgcn"
    adjacency = sp.load_npz(source / "s_adj_mat.npz").tocsr()
    with gzip.open(source / "test.txt.gz", "rt") as lines:
        test = [(int(user), int(item)) for user, *items in map(str.split, lines) for item in items]
    n_users = 1 + max(user for user, _ in test)
    train = adjacency[:n_users, n_users:].tocoo()
    pairs = np.array(test)
    board = "BARS board"
    return Benchmark(
        name="gowalla",
        split=Split(
            "the split of NGCF and LightGCN, all items not in train ranked",
            _undated(train.row, train.col),
            _undated(pairs[:, 0], pairs[:, 1]),
            None,
        ),
        items=_undescribed(train.shape[1]),
        validation=RandomHoldout(),
        k=20,
        published=(
            Published("MF-BPR", {"recall": 0.1627, "ndcg": 0.1378}, board),
            Published("SLIM", {"recall": 0.1699, "ndcg": 0.1382}, board),
            Published("EASE", {"recall": 0.1765, "ndcg": 0.1467}, board),
            Published("LightGCN", {"recall": 0.1820, "ndcg": 0.1547}, board),
            Published("UltraGCN", {"recall": 0.1862, "ndcg": 0.1580}, board),
        ),
    )


def lbsn2vec_nyc(folder: Path) -> Benchmark:
    """New York check-ins. The file has hours of the week in order of time; the weeks are counted back into it."""
    content = scipy.io.loadmat(folder / "lbsn2vec-nyc" / "dataset_connected_NYC.mat")
    users, hours, venues, categories = content["selected_checkins"].astype(np.int64).T
    weeks = np.concatenate(([0], np.cumsum(np.diff(hours) < -_NYC_LATE_HOURS)))
    times = [_NYC_FIRST_MONDAY + timedelta(hours=int(hour)) for hour in weeks * _HOURS_A_WEEK + hours - 1]
    interactions = _interactions(users, venues, times)
    items = pl.DataFrame({"item_id": _ids(venues), "category": _ids(categories), "text": ""}).unique("item_id")
    protocol = TimeSplit()
    return Benchmark(
        name="lbsn2vec-nyc",
        split=protocol.split(interactions.sort("occurred_at", maintain_order=True)),
        items=items.select(list(ITEMS_SCHEMA)),
        validation=protocol,
        k=20,
        published=(),
    )


def s3rec(folder: Path, *, name: str, published: tuple[Published, ...]) -> Benchmark:
    """A sequence set of S3-Rec: one person a line, items in order of time, the last one hidden."""
    with gzip.open(folder / "s3rec-amazon-yelp" / f"{name}.txt.gz", "rt") as lines:
        events = [
            (int(user), int(item), place) for user, *items in map(str.split, lines) for place, item in enumerate(items)
        ]
    users, sequence, places = np.array(events).T
    interactions = _interactions(users, sequence, [_EPOCH + timedelta(days=int(place)) for place in places])
    protocol = LeaveLastOut()
    return Benchmark(
        name=f"s3rec-{name.lower()}",
        split=protocol.split(interactions),
        items=_undescribed(int(sequence.max()) + 1),
        validation=protocol,
        k=10,
        published=published,
    )


def s3rec_beauty(folder: Path) -> Benchmark:
    """Amazon Beauty as S3-Rec has it."""
    paper = "S3-Rec paper"
    return s3rec(
        folder,
        name="Beauty",
        published=(
            Published("PopRec", {"hit": 0.0152, "ndcg": 0.0068}, paper),
            Published("SASRec", {"hit": 0.0605, "ndcg": 0.0318}, paper),
            Published("S3-Rec", {"hit": 0.0647, "ndcg": 0.0327}, paper),
        ),
    )


def s3rec_yelp(folder: Path) -> Benchmark:
    """Yelp as S3-Rec has it."""
    return s3rec(folder, name="Yelp", published=(Published("HGN", {"hit": 0.0326, "ndcg": 0.0159}, "S3-Rec paper"),))


def own_interactions(path: Path) -> Benchmark:
    """Load ``user_id`` and ``item_id``, and where known ``occurred_at``, ``weight``, ``category`` and ``text``.

    With times it is judged by the last fifth of the events, without them by some drawn by chance.
    Raises ``FileError``.
    """
    rows = read_table(path, needed=("user_id", "item_id"))
    known = set(rows.columns)
    protocol = TimeSplit() if "occurred_at" in known else RandomHoldout()
    interactions = rows.select("user_id", "item_id").with_columns(
        times(rows, "occurred_at") if "occurred_at" in known else pl.lit(_EPOCH).alias("occurred_at"),
        numbers(rows, "weight") if "weight" in known else pl.lit(1.0).alias("weight"),
    )
    items = rows.select("item_id", *(pl.col(one) if one in known else pl.lit("").alias(one) for one in _DESCRIBED))
    return Benchmark(
        name=path.name,
        split=protocol.split(
            interactions.select(pl.col(name).cast(kind) for name, kind in INTERACTIONS_SCHEMA.items())
        ),
        items=items.unique("item_id", keep="first", maintain_order=True),
        validation=protocol,
        k=20,
        published=(),
    )


LOADERS: dict[str, Callable[[Path], Benchmark]] = {
    "gowalla": gowalla,
    "lbsn2vec-nyc": lbsn2vec_nyc,
    "s3rec-beauty": s3rec_beauty,
    "s3rec-yelp": s3rec_yelp,
    "own-interactions": own_interactions,
}


def _ids(numbers: IntArray) -> pl.Series:
    return pl.Series(numbers).cast(pl.String)


def _interactions(users: IntArray, items: IntArray, times: list[datetime]) -> pl.DataFrame:
    frame = pl.DataFrame({"user_id": _ids(users), "item_id": _ids(items), "occurred_at": times, "weight": 1.0})
    return frame.select(pl.col(name).cast(kind) for name, kind in INTERACTIONS_SCHEMA.items())


def _undated(users: IntArray, items: IntArray) -> pl.DataFrame:
    return _interactions(users, items, [_EPOCH] * len(users))


def _undescribed(count: int) -> pl.DataFrame:
    return pl.DataFrame({"item_id": _ids(np.arange(count)), "text": "", "category": ""})
