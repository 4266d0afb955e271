"""Moderators' decisions on texts, the labels of the content models: a versioned table of the lake."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import polars as pl
import psycopg
from deltalake import DeltaTable

from models.content.feedback import Feedback
from neighborconnect.settings import Settings
from pipelines.empty_input import count_delta_rows, has_live_rows, require_rows

SCHEMA: Final[dict[str, pl.DataType]] = {
    "decision_id": pl.String(),
    "text": pl.String(),
    "label": pl.String(),
    "decided_at": pl.Datetime("us", "UTC"),
    "author_id": pl.String(),
}
RETENTION: Final = timedelta(days=30)
_NAME: Final = "training/moderation_feedback"
# A reversed decision means that the text was harmless. The rule of a decision names hate.
_DECISIONS = """
    SELECT d.id::text, coalesce(p.content, c.content),
        CASE WHEN d.outcome = 'keep' OR d.undone_at IS NOT NULL THEN 'neither'
            WHEN concat(d.rule, d.label) COLLATE "pg_c_utf8" ILIKE '%%hate%%' THEN 'hate' ELSE 'offensive' END,
        d.created_at, coalesce(p.author_id, c.author_id)::text
    FROM raw.moderation_decisions d
    LEFT JOIN raw.posts p ON d.subject_kind = 'post' AND p.id = d.subject_id AND NOT p._deleted
    LEFT JOIN raw.comments c ON d.subject_kind = 'comment' AND c.id = d.subject_id AND NOT c._deleted
    WHERE NOT d._deleted AND btrim(coalesce(p.content, c.content, '')) <> ''
    ORDER BY d.created_at, d.id
"""


def collect(settings: Settings) -> pl.DataFrame:
    """Return the decisions on posts and comments whose text still exists, by ascending time: ``SCHEMA``."""
    with psycopg.connect(settings.warehouse_url) as connection:
        rows = connection.execute(_DECISIONS).fetchall()
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def write(settings: Settings) -> tuple[pl.DataFrame, str]:
    """Write the current decisions as the next version; return them and the name of the version.

    Raises:
        EmptyInputError: if the mirror has no decision. An empty result because all texts were deleted is no error.
    """
    rows, path = collect(settings), _path(settings)
    if rows.is_empty():
        decisions = int(has_live_rows(settings, "moderation_decisions"))
        require_rows(decisions, replacing=count_delta_rows(settings, path), target=_NAME)
    rows.write_delta(
        path,
        mode="overwrite",
        delta_write_options={"schema_mode": "overwrite"},
        storage_options=settings.lake_storage_options,
    )
    table = DeltaTable(path, storage_options=settings.lake_storage_options)
    table.vacuum(retention_hours=int(RETENTION.total_seconds() // 3600), dry_run=False)
    return rows, f"{_NAME}@{table.version()}"


def read(settings: Settings, *, since: datetime | None = None, until: datetime | None = None) -> tuple[Feedback, str]:
    """Return the decisions of the newest version at or after ``since`` and before ``until``, and the version's name.

    Raises:
        deltalake.exceptions.TableNotFoundError: if no version was written.
    """
    table = DeltaTable(_path(settings), storage_options=settings.lake_storage_options)
    rows = pl.scan_delta(table).collect().sort("decided_at", "decision_id")
    if since is not None:
        rows = rows.filter(pl.col("decided_at") >= since)
    if until is not None:
        rows = rows.filter(pl.col("decided_at") < until)
    feedback = Feedback(
        texts=tuple(rows["text"].to_list()),
        labels=tuple(rows["label"].to_list()),
        sources=tuple(rows["decision_id"].to_list()),
        authors=tuple(rows["author_id"].drop_nulls().to_list()) if "author_id" in rows.columns else (),
    )
    return feedback, f"{_NAME}@{table.version()}"


def _path(settings: Settings) -> str:
    return settings.lake_path("training", "moderation_feedback")
