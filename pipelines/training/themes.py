"""Topics of the public posts, overall and by connector: a table of the lake, and a map of the overall topics.

The table contains no post, only terms that many posts share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl
import psycopg
from deltalake import DeltaTable
from matplotlib.figure import Figure

from models.content.embeddings import LakeEmbeddingCache, embed
from models.content.theme_discovery import MIN_TEXTS, Themes, discover, plot_themes
from neighborconnect.settings import Settings
from pipelines.empty_input import count_delta_rows, require_rows

SCHEMA: Final[dict[str, pl.DataType]] = {
    "connector_id": pl.String(),
    "rank": pl.Int64(),
    "label": pl.String(),
    "posts": pl.Int64(),
    "share": pl.Float64(),
}
OVERALL: Final = ""
"""The ``connector_id`` of the topics of all posts."""
SEED: Final = 20_261
_MAX_POSTS: Final = 3_000
_MAX_CONNECTORS: Final = 50
_POSTS = """
    SELECT connector_id::text, text FROM marts.recommendable_items
    WHERE item_kind = 'post' AND btrim(text) <> '' ORDER BY created_at DESC, item_id LIMIT %s
"""


@dataclass(frozen=True)
class Topics:
    """The rows of the table, the overall topics and their map."""

    rows: pl.DataFrame
    overall: Themes
    figure: Figure


def model_topics(settings: Settings) -> Topics:
    """Model the topics of the newest public posts: overall, and by connector for the largest with enough posts."""
    with psycopg.connect(settings.warehouse_url) as connection:
        posts = pl.DataFrame(
            connection.execute(_POSTS, (_MAX_POSTS,)).fetchall(),
            schema={"connector_id": pl.String, "text": pl.String},
            orient="row",
        ).with_row_index("post")
    vectors = embed(posts["text"].to_list(), cache=LakeEmbeddingCache(settings))
    largest = (
        posts.group_by("connector_id")
        .len()
        .filter(pl.col("len") >= MIN_TEXTS)
        .sort("len", "connector_id", descending=[True, False])
        .head(_MAX_CONNECTORS)
    )
    overall = discover(posts["text"].to_list(), vectors, seed=SEED)
    frames = [_rows(OVERALL, overall, posts=posts.height)]
    for connector_id in largest["connector_id"]:
        of_connector = posts.filter(pl.col("connector_id") == connector_id)
        topics = discover(of_connector["text"].to_list(), vectors[of_connector["post"].to_numpy()], seed=SEED)
        frames.append(_rows(connector_id, topics, posts=of_connector.height))
    title = f"Topics of {posts.height} public posts: {len(overall.themes)}"
    return Topics(pl.concat(frames), overall, plot_themes(overall, vectors, title=title, seed=SEED))


def write(settings: Settings, rows: pl.DataFrame) -> str:
    """Write the rows as the next version of the table; return its name.

    Raises:
        EmptyInputError: if ``rows`` is empty and the table is not.
    """
    path = settings.lake_path("themes")
    require_rows(rows.height, replacing=count_delta_rows(settings, path), target="themes")
    rows.write_delta(
        path,
        mode="overwrite",
        delta_write_options={"schema_mode": "overwrite"},
        storage_options=settings.lake_storage_options,
    )
    table = DeltaTable(path, storage_options=settings.lake_storage_options)
    table.vacuum(retention_hours=24 * 7, dry_run=False)
    return f"themes@{table.version()}"


def _rows(connector_id: str, topics: Themes, *, posts: int) -> pl.DataFrame:
    rows = [
        (connector_id, rank, topic.label, topic.texts, topic.texts / posts) for rank, topic in enumerate(topics.themes)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")
