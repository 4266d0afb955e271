"""What moderators decided about texts, as the content models learn from it: a versioned table of the lake."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import polars as pl
import psycopg
from deltalake import DeltaTable

from models.content.feedback import Feedback
from neighborconnect.settings import Settings
from pipelines.guards import mirror_rows, require_rows, table_rows

SCHEMA: Final[dict[str, pl.DataType]] = {
    "decision_id": pl.String(),
    "text": pl.String(),
    "label": pl.String(),
    "decided_at": pl.Datetime("us", "UTC"),
}
KEPT_FOR = timedelta(days=30)
# A decision that was taken back says that the text was harmless. What was hidden for hate says so in its rule.
_DECISIONS = """
    SELECT d.id::text, coalesce(p.content, c.content),
        CASE WHEN d.outcome = 'keep' OR d.undone_at IS NOT NULL THEN 'neither'
            WHEN concat(d.rule, d.label) ILIKE '%%hate%%' THEN 'hate' ELSE 'offensive' END,
        d.created_at
    FROM raw.moderation_decisions d
    LEFT JOIN raw.posts p ON d.subject_kind = 'post' AND p.id = d.subject_id AND NOT p._deleted
    LEFT JOIN raw.comments c ON d.subject_kind = 'comment' AND c.id = d.subject_id AND NOT c._deleted
    WHERE NOT d._deleted AND btrim(coalesce(p.content, c.content, '')) <> ''
    ORDER BY d.created_at, d.id
"""


def collect(settings: Settings) -> pl.DataFrame:
    """Return the decisions about posts and comments whose words are still there, in order of time: ``SCHEMA``."""
    with psycopg.connect(settings.warehouse_url) as connection:
        rows = connection.execute(_DECISIONS).fetchall()
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def write(settings: Settings) -> tuple[pl.DataFrame, str]:
    """Write the decisions as of now as the table's next version; return them and the version's name.

    Raises:
        EmptyInputError: when the mirror has no decision any more. That the words are gone is no error.
    """
    rows, path = collect(settings), settings.lake_path("training", "moderation_feedback")
    if rows.is_empty():
        decisions = mirror_rows(settings, "moderation_decisions")
        require_rows(decisions, replacing=table_rows(settings, path), target="training/moderation_feedback")
    rows.write_delta(path, mode="overwrite", storage_options=settings.lake_storage_options)
    table = DeltaTable(path, storage_options=settings.lake_storage_options)
    table.vacuum(retention_hours=int(KEPT_FOR.total_seconds() // 3600), dry_run=False)
    return rows, f"training/moderation_feedback@{table.version()}"


def read(settings: Settings) -> tuple[Feedback, str]:
    """Return the newest version, as it is learnt from, and its name.

    Raises:
        deltalake.exceptions.TableNotFoundError: when none has been written.
    """
    path = settings.lake_path("training", "moderation_feedback")
    table = DeltaTable(path, storage_options=settings.lake_storage_options)
    rows = pl.scan_delta(table).collect().sort("decided_at", "decision_id")
    feedback = Feedback(
        texts=tuple(rows["text"].to_list()),
        labels=tuple(rows["label"].to_list()),
        sources=tuple(rows["decision_id"].to_list()),
    )
    return feedback, f"training/moderation_feedback@{table.version()}"
