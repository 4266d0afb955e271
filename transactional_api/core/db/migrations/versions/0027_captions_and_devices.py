"""Create captions for moderation, hidden reviews of sellers, devices of sessions, and notifications of ended access.

Streams and sockets receive ``NOTIFY access_changed`` when a session or account ends.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_FUNCTION = """
CREATE FUNCTION notify_access_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'users' THEN
        PERFORM pg_notify('access_changed', NEW.id::text);
    ELSE
        PERFORM pg_notify('access_changed', OLD.user_id::text);
    END IF;
    RETURN NULL;
END $$
"""
_TRIGGERS = (
    "CREATE TRIGGER access_changed AFTER DELETE ON user_sessions FOR EACH ROW EXECUTE FUNCTION notify_access_changed()",
    (
        "CREATE TRIGGER access_changed AFTER UPDATE OF is_active, suspended_until ON users FOR EACH ROW "
        "WHEN ((OLD.is_active, OLD.suspended_until) IS DISTINCT FROM (NEW.is_active, NEW.suspended_until)) "
        "EXECUTE FUNCTION notify_access_changed()"
    ),
)
_CAPTIONS = """
INSERT INTO media_captions (id, kind, connector_id, author_id, words, created_at, expires_at)
SELECT d.id, CASE d.collection WHEN 'stories' THEN 'story' ELSE 'reel' END, c.id, u.id,
       concat_ws(E'\\n', d.document->>'title', d.document->>'content', d.document->>'description'),
       d.created_at, d.expires_at
FROM media_documents d
JOIN users u ON u.id::text = d.document->>'authorId'
JOIN connectors c ON c.id::text = d.document->>'connectorId'
WHERE d.collection IN ('stories', 'reels')
"""
_SESSIONS = """
UPDATE push_devices d SET session_id = (
    SELECT s.id FROM user_sessions s WHERE s.user_id = d.user_id AND s.app_id IS NULL
    ORDER BY s.last_used_at DESC LIMIT 1
)
"""


def upgrade() -> None:
    op.create_table(
        "media_captions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("connector_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media_captions")),
        sa.ForeignKeyConstraint(
            ["connector_id"],
            ["connectors.id"],
            name=op.f("fk_media_captions_connector_id_connectors"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["author_id"], ["users.id"], name=op.f("fk_media_captions_author_id_users"), ondelete="CASCADE"
        ),
        sa.CheckConstraint("kind IN ('story', 'reel')", name=op.f("ck_media_captions_kind")),
    )
    op.create_index(op.f("ix_media_captions_connector_id"), "media_captions", ["connector_id"])
    op.create_index(op.f("ix_media_captions_author_id"), "media_captions", ["author_id"])
    op.execute(_CAPTIONS)
    op.add_column("seller_reviews", sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("push_devices", sa.Column("session_id", sa.Uuid()))
    op.create_foreign_key(
        op.f("fk_push_devices_session_id_user_sessions"),
        "push_devices",
        "user_sessions",
        ["session_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index(op.f("ix_push_devices_session_id"), "push_devices", ["session_id"])
    op.execute(_SESSIONS)
    op.execute(_FUNCTION)
    for statement in _TRIGGERS:
        op.execute(statement)
