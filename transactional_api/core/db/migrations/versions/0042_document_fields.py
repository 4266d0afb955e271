"""Give the fields of media documents snake_case names, and durations in seconds.

Documents of a story had a lifetime in hours, documents of a reel a duration as ``m:ss``. Code of the release before
does not know the new fields, so stop it before this migration and start the new one after. Documents in MongoDB are
not part of this database: ``mongosh`` renames their fields with ``$rename``.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

FIELDS = {
    "media": (
        ("ownerId", "owner_id"),
        ("heldUntil", "hold_until"),
        ("hasRoom", "quota_reserved"),
        ("type", "content_type"),
        ("clean", "processed_key"),
        ("seconds", "duration_seconds"),
        ("colours", "colors"),
        ("cancelled", "canceled"),
    ),
    "stories": (
        ("connectorId", "connector_id"),
        ("authorId", "author_id"),
        ("mediaId", "media_id"),
        ("isActive", "is_active"),
        ("views", "view_count"),
    ),
    "reels": (
        ("connectorId", "connector_id"),
        ("authorId", "author_id"),
        ("mediaId", "media_id"),
        ("isActive", "is_active"),
        ("views", "view_count"),
        ("likes", "like_count"),
    ),
}
STORY_SECONDS = """
    UPDATE media_documents
    SET document = document - 'duration'
        || jsonb_build_object('duration_seconds', (document ->> 'duration')::integer * 3600)
    WHERE collection = 'stories' AND document ? 'duration'
"""
REEL_SECONDS = """
    UPDATE media_documents
    SET document = document - 'duration' || jsonb_build_object(
        'duration_seconds',
        split_part(document ->> 'duration', ':', 1)::integer * 60
            + split_part(document ->> 'duration', ':', 2)::integer
    )
    WHERE collection = 'reels' AND document ? 'duration'
"""


def upgrade() -> None:
    bind = op.get_bind()
    rename = sa.text(
        "UPDATE media_documents SET document = document - CAST(:old AS text) "
        "|| jsonb_build_object(CAST(:new AS text), document -> CAST(:old AS text)) "
        "WHERE collection = :collection AND document ? CAST(:old AS text)"
    )
    for collection, fields in FIELDS.items():
        for old, new in fields:
            bind.execute(rename, {"collection": collection, "old": old, "new": new})
    op.execute(STORY_SECONDS)
    op.execute(REEL_SECONDS)
    op.execute("UPDATE procrastinate_jobs SET task_name = 'media.analyze' WHERE task_name = 'media.see'")
    op.execute("UPDATE procrastinate_jobs SET task_name = 'media.expire' WHERE task_name = 'media.forget'")
    op.execute("UPDATE procrastinate_jobs SET task_name = 'moderation.expire' WHERE task_name = 'moderation.end'")
    op.execute(
        "UPDATE procrastinate_jobs SET task_name = 'notifications.send_email' "
        "WHERE task_name = 'notifications.send_letter'"
    )
