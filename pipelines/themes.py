"""What the town and its connectors talk about, found in public posts: a table of the lake, and a drawing.

No post is in the table, only words that many share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl
import psycopg
from deltalake import DeltaTable
from matplotlib.figure import Figure

from models.content.discovery import LEAST_TEXTS, Themes, discover, draw
from models.recommendation.content import LakeEmbeddingCache, embed
from neighborconnect.settings import Settings
from pipelines.guards import require_rows, table_rows

SCHEMA: Final[dict[str, pl.DataType]] = {
    "connector_id": pl.String(),
    "place": pl.Int64(),
    "label": pl.String(),
    "posts": pl.Int64(),
    "share": pl.Float64(),
}
TOWN = ""
"""The ``connector_id`` of what the whole town talks about."""
SEED = 20_261
_NEWEST = 3_000
_CONNECTORS = 50
_POSTS = """
    SELECT connector_id::text, text FROM marts.recommendable_items
    WHERE item_kind = 'post' AND btrim(text) <> '' ORDER BY created_at DESC, item_id LIMIT %s
"""


@dataclass(frozen=True)
class Found:
    """The rows of the table, and a drawing of the whole town's themes."""

    rows: pl.DataFrame
    town: Themes
    figure: Figure


def find(settings: Settings) -> Found:
    """Find the themes of the newest public posts: of the town, and of each connector that has enough of them."""
    with psycopg.connect(settings.warehouse_url) as connection:
        posts = pl.DataFrame(
            connection.execute(_POSTS, (_NEWEST,)).fetchall(),
            schema={"connector_id": pl.String, "text": pl.String},
            orient="row",
        ).with_row_index("post")
    vectors = embed(posts["text"].to_list(), cache=LakeEmbeddingCache(settings))
    largest = (
        posts.group_by("connector_id")
        .len()
        .filter(pl.col("len") >= LEAST_TEXTS)
        .sort("len", "connector_id", descending=[True, False])
        .head(_CONNECTORS)
    )
    town = discover(posts["text"].to_list(), vectors, seed=SEED)
    frames = [_rows(TOWN, town, posts=posts.height)]
    for connector_id in largest["connector_id"]:
        of_connector = posts.filter(pl.col("connector_id") == connector_id)
        found = discover(of_connector["text"].to_list(), vectors[of_connector["post"].to_numpy()], seed=SEED)
        frames.append(_rows(connector_id, found, posts=of_connector.height))
    title = f"What the town talks about: {posts.height} public posts, {len(town.themes)} themes"
    return Found(pl.concat(frames), town, draw(town, vectors, title=title, seed=SEED))


def write(settings: Settings, rows: pl.DataFrame) -> str:
    """Write the rows as the table's next version, and return its name.

    Raises:
        EmptyInputError: when there is none any more.
    """
    path = settings.lake_path("themes")
    require_rows(rows.height, replacing=table_rows(settings, path), target="themes")
    rows.write_delta(path, mode="overwrite", storage_options=settings.lake_storage_options)
    table = DeltaTable(path, storage_options=settings.lake_storage_options)
    table.vacuum(retention_hours=24 * 7, dry_run=False)
    return f"themes@{table.version()}"


def _rows(connector_id: str, themes: Themes, *, posts: int) -> pl.DataFrame:
    rows = [
        (connector_id, place, theme.label, theme.texts, theme.texts / posts)
        for place, theme in enumerate(themes.themes)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")
