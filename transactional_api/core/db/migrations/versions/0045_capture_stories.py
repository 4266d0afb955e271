"""Capture stories and reels: a view of each collection, and triggers on the table of the document store.

The change event is written in the transaction of the document. For documents in MongoDB, ``document_changes`` lists
the changes that may not be published yet (``transactional_api.core.document_capture``). Existing documents are
published with ``python -m transactional_api.cdc snapshot --table stories --table reels``.
"""

from __future__ import annotations

from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

VIEWS = (
    """
    CREATE OR REPLACE VIEW stories AS SELECT
        id,
        (document->>'connector_id')::uuid AS connector_id,
        (document->>'author_id')::uuid AS author_id,
        document->>'title' AS title,
        (document->>'media_id')::uuid AS media_id,
        (document->>'view_count')::integer AS view_count,
        document->>'content' AS content,
        (document->>'duration_seconds')::integer AS duration_seconds,
        created_at,
        expires_at
    FROM media_documents WHERE collection = 'stories'
    """,
    """
    CREATE OR REPLACE VIEW reels AS SELECT
        id,
        (document->>'connector_id')::uuid AS connector_id,
        (document->>'author_id')::uuid AS author_id,
        document->>'title' AS title,
        (document->>'media_id')::uuid AS media_id,
        (document->>'view_count')::integer AS view_count,
        document->>'description' AS description,
        (document->>'duration_seconds')::double precision AS duration_seconds,
        (document->>'like_count')::integer AS like_count,
        created_at
    FROM media_documents WHERE collection = 'reels'
    """,
)
IMAGE = """
    CREATE OR REPLACE FUNCTION cdc_image_media_documents(stored media_documents) RETURNS jsonb LANGUAGE sql STABLE AS $$
        SELECT CASE stored.collection
            WHEN 'stories' THEN jsonb_build_object(
                'id', stored.id, 'connector_id', stored.document->'connector_id',
                'author_id', stored.document->'author_id', 'title', stored.document->'title',
                'media_id', stored.document->'media_id', 'view_count', stored.document->'view_count',
                'content', stored.document->'content', 'duration_seconds', stored.document->'duration_seconds',
                'created_at', stored.created_at, 'expires_at', stored.expires_at)
            WHEN 'reels' THEN jsonb_build_object(
                'id', stored.id, 'connector_id', stored.document->'connector_id',
                'author_id', stored.document->'author_id', 'title', stored.document->'title',
                'media_id', stored.document->'media_id', 'view_count', stored.document->'view_count',
                'description', stored.document->'description',
                'duration_seconds', stored.document->'duration_seconds',
                'like_count', stored.document->'like_count', 'created_at', stored.created_at)
        END
    $$
    """
CAPTURE = """
    CREATE OR REPLACE FUNCTION cdc_capture_media_documents() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            INSERT INTO public.cdc_outbox (topic, key, op, after)
            SELECT 'neighborconnect.public.' || n.collection, n.id::text, 'c', public.cdc_image_media_documents(n)
            FROM new_rows n WHERE n.collection IN ('stories', 'reels');
        ELSIF TG_OP = 'UPDATE' THEN
            INSERT INTO public.cdc_outbox (topic, key, op, before, after)
            SELECT 'neighborconnect.public.' || n.collection, n.id::text, 'u',
                public.cdc_image_media_documents(o), public.cdc_image_media_documents(n)
            FROM old_rows o JOIN new_rows n ON n.id = o.id
            WHERE n.collection IN ('stories', 'reels')
                AND public.cdc_image_media_documents(o) IS DISTINCT FROM public.cdc_image_media_documents(n);
        ELSE
            INSERT INTO public.cdc_outbox (topic, key, op, before)
            SELECT 'neighborconnect.public.' || o.collection, o.id::text, 'd', public.cdc_image_media_documents(o)
            FROM old_rows o WHERE o.collection IN ('stories', 'reels');
        END IF;
        RETURN NULL;
    END
    $$
    """
_EXECUTE = "FOR EACH STATEMENT EXECUTE FUNCTION"
TRIGGERS = (
    f"cdc_insert AFTER INSERT ON media_documents REFERENCING NEW TABLE AS new_rows {_EXECUTE} {{capture}}",
    (
        "cdc_update AFTER UPDATE ON media_documents REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows "
        f"{_EXECUTE} {{capture}}"
    ),
    f"cdc_delete AFTER DELETE ON media_documents REFERENCING OLD TABLE AS old_rows {_EXECUTE} {{capture}}",
    f"cdc_truncate BEFORE TRUNCATE ON media_documents {_EXECUTE} cdc_forbid_truncate()",
)
CHANGES = """
    CREATE TABLE document_changes (
        id uuid NOT NULL DEFAULT gen_random_uuid(),
        collection varchar(50) NOT NULL,
        document_id uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_document_changes PRIMARY KEY (id)
    )
    """


def upgrade() -> None:
    """Create views, functions and triggers, and the list of document changes that may not be published yet."""
    for statement in (*VIEWS, IMAGE, CAPTURE, CHANGES):
        op.execute(statement)
    for trigger in TRIGGERS:
        op.execute(f"CREATE OR REPLACE TRIGGER {trigger.format(capture='cdc_capture_media_documents()')}")
