"""Write a town to files: ``python -m simulator.dataset FOLDER``, for evaluation against the ground truth.

Writes the ground truth (``simulator.ground_truth``) and, in Parquet: ``interests`` (stated in profiles), ``follows``,
``items`` and ``interactions`` of all kinds. Read by ``python -m models.benchmarks simulated-town``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import polars as pl
import typer

from neighborconnect.contracts.events import ItemKind
from neighborconnect.feed.eligibility import LONG_DWELL_MS, excludes
from simulator.columns import Ids, draw_ids, times
from simulator.goods import Deal
from simulator.ground_truth import write_ground_truth
from simulator.history import build_town
from simulator.outbox import item_ids, kind_names
from simulator.rows import town_rows
from simulator.spec import TownSpec
from simulator.town import ITEM_KINDS, Item, Kind, Reply, Town

# The weights of pipelines.transforms.training_interactions, which the simulator may not import.
_WEIGHTS: Final = {
    **dict.fromkeys(("like", "comment", "join", "rsvp", "purchase"), 3.0),
    **dict.fromkeys(("click", "dwell", "visit"), 1.0),
}
_TABLES: Final = ("users", "connectors", "posts", "follows", "events", "marketplace_items")
_END: Final = datetime(2026, 3, 1, tzinfo=UTC)


def write_dataset(folder: Path, town: Town) -> None:
    """Write a town as files."""
    ids = draw_ids(town)
    write_ground_truth(folder, town, ids)
    tables: dict[str, list[pl.DataFrame]] = {}
    for table, rows in town_rows(town, ids, password_hash="!"):  # noqa: S106 (not a password)
        # The spam of bad neighbors has no true utility.
        known = rows.filter(pl.col("id").is_in(ids.posts.implode())) if table == "posts" else rows
        if table in _TABLES:
            tables.setdefault(table, []).append(known)
    users, connectors, posts, follows, events, goods = (
        pl.concat(tables[name], how="diagonal_relaxed") for name in _TABLES
    )
    stated = users.select(user_id="id", interest=pl.col("interests").str.json_decode(pl.List(pl.String)))
    stated.explode("interest").drop_nulls().write_parquet(folder / "interests.parquet")
    follows.select("follower_id", "followee_id").write_parquet(folder / "follows.parquet")
    _items(connectors, posts, events, goods).write_parquet(folder / "items.parquet")
    _interactions(town, ids).write_parquet(folder / "interactions.parquet")


def _items(connectors: pl.DataFrame, posts: pl.DataFrame, events: pl.DataFrame, goods: pl.DataFrame) -> pl.DataFrame:
    category = connectors.select(of="category", connector_id="id")
    is_sold = pl.col("status") == "sold"
    described = (
        (ItemKind.CONNECTOR, connectors.with_columns(connector_id="id"), ("name", "category", "description"), None),
        (ItemKind.POST, posts, ("title", "content"), None),
        (ItemKind.EVENT, events, ("title", "description"), pl.col("start_date")),
        (ItemKind.ITEM, goods, ("title", "category", "description"), pl.when(is_sold).then("updated_at")),
    )
    return pl.concat(
        [
            rows.join(category, on="connector_id", maintain_order="left").select(
                pl.lit(kind.value).alias("item_kind"),
                pl.col("id").alias("item_id"),
                pl.concat_str(*columns, separator="\n").alias("text"),
                pl.col("of").alias("category"),
                (pl.lit(None) if closed_at is None else closed_at).cast(pl.Datetime("us", "UTC")).alias("closed_at"),
            )
            for kind, rows, columns, closed_at in described
        ]
    )


def _interactions(town: Town, ids: Ids) -> pl.DataFrame:
    start = town.spec.start
    parts = []
    for acts in (town.interactions, town.browsing):
        is_read = (acts.kind == Kind.DWELL) & (acts.item_kind != Item.CONNECTOR) & (acts.dwell_ms >= LONG_DWELL_MS)
        read = acts.take((acts.kind == Kind.CLICK) | is_read)
        parts.append(
            pl.DataFrame(
                {
                    "user_id": ids.users.gather(read.user),
                    "item_id": item_ids(ids, read),
                    "item_kind": kind_names(ITEM_KINDS).gather(read.item_kind),
                    "occurred_at": times(start, read.at),
                    "act": pl.Series(read.kind == Kind.CLICK).replace_strict({True: "click", False: "dwell"}),
                }
            )
        )
    rsvps = town.rsvps.take(town.rsvps.status != Reply.DECLINED)
    views, purchases = town.marketplace.views, town.marketplace.purchases
    purchases = purchases.take(purchases.status != Deal.CANCELLED)
    for act, kind, users, items, at in (
        ("like", ItemKind.POST, town.likes.user, ids.posts.gather(town.likes.post), town.likes.at),
        ("comment", ItemKind.POST, town.comments.user, ids.posts.gather(town.comments.post), town.comments.at),
        (
            "join",
            ItemKind.CONNECTOR,
            town.memberships.user,
            ids.connectors.gather(town.memberships.connector),
            town.memberships.joined,
        ),
        ("rsvp", ItemKind.EVENT, rsvps.user, ids.events.gather(rsvps.event), rsvps.at),
        ("visit", ItemKind.ITEM, views.user, ids.goods.gather(views.goods), views.at),
        ("purchase", ItemKind.ITEM, purchases.buyer, ids.goods.gather(purchases.goods), purchases.at),
    ):
        parts.append(
            pl.DataFrame(
                {
                    "user_id": ids.users.gather(users),
                    "item_id": items,
                    "item_kind": pl.repeat(kind.value, len(users), eager=True),
                    "occurred_at": times(start, at),
                    "act": pl.repeat(act, len(users), eager=True),
                }
            )
        )
    masks = pl.any_horizontal(
        (pl.col("item_kind") == kind.value) & pl.col("act").is_in([act for act in _WEIGHTS if excludes(kind, act)])
        for kind in ItemKind
    )
    return (
        pl.concat(parts)
        .with_columns(
            weight=pl.col("act").replace_strict(_WEIGHTS, return_dtype=pl.Float32),
            masks=masks,
        )
        .drop("act")
        .sort("occurred_at", "user_id", "item_id")
    )


def main(
    folder: Annotated[Path, typer.Argument(help="Output folder; created if missing.")],
    users: Annotated[int, typer.Option(min=2, help="Number of users at the end.")] = 300,
    days: Annotated[int, typer.Option(min=1, help="Days of interactions.")] = 28,
    seed: Annotated[int, typer.Option(min=0, help="Random seed; the same seed yields the same town.")] = 1,
) -> None:
    """Simulate a town and write it to files."""
    write_dataset(folder, build_town(TownSpec(users=users, days=days, seed=seed, end=_END)))


if __name__ == "__main__":
    typer.run(main)
