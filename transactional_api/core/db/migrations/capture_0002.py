"""Statements of change capture as migrations 0002 to 0022 ran them.

Frozen: a migration must do the same on every machine at any time, whatever the code of today is. Never edit this
module; a migration that needs other triggers brings a module of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

OUTBOX_STATEMENTS = (
    # A queue: rows are few and short-lived, so vacuum must not wait for a share of the table to be dead.
    """
    CREATE TABLE cdc_outbox (
        id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
        topic text NOT NULL,
        key text NOT NULL,
        op char(1),
        before jsonb,
        after jsonb,
        payload jsonb,
        txid bigint NOT NULL DEFAULT txid_current(),
        traceparent text DEFAULT nullif(current_setting('neighborconnect.traceparent', true), ''),
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        rejected text,
        CHECK ((payload IS NULL) = (op IS NOT NULL))
    ) WITH (
        autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 1000000,
        autovacuum_vacuum_cost_delay = 0
    )
    """,
    "COMMENT ON COLUMN cdc_outbox.rejected IS 'Why Kafka will never take this message; the relay skips it'",
    "CREATE INDEX cdc_outbox_rejected ON cdc_outbox (id) WHERE rejected IS NOT NULL",
    # Unlogged: the relay writes it twice an idle spell. After a crash it is empty, which reads as asleep.
    (
        "CREATE UNLOGGED TABLE cdc_relay_state (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), "
        "asleep boolean NOT NULL)"
    ),
    # NOTIFY takes a global lock at commit, so it is sent only to a relay that waits for it.
    """
    CREATE FUNCTION cdc_wake_relay() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NOT EXISTS (SELECT FROM public.cdc_relay_state WHERE NOT asleep) THEN
            PERFORM pg_notify('cdc_outbox', '');
        END IF;
        RETURN NULL;
    END
    $$
    """,
    "CREATE TRIGGER cdc_wake_relay AFTER INSERT ON cdc_outbox FOR EACH STATEMENT EXECUTE FUNCTION cdc_wake_relay()",
    """
    CREATE FUNCTION cdc_forbid_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'TRUNCATE of % cannot be captured', TG_TABLE_NAME
            USING ERRCODE = 'feature_not_supported', HINT = 'Use DELETE, so that every row change is published.';
    END
    $$
    """,
)

USERS_0002 = (
    "id",
    "username",
    "neighborhood",
    "city",
    "state",
    "country",
    "interests",
    "verified",
    "reputation",
    "created_at",
    "updated_at",
    "is_active",
)
USERS_0003 = (*USERS_0002, "role")
USERS_0017 = (*USERS_0003, "personalised", "analysed", "erased_at")
USERS_0022 = (*USERS_0017, "home_cell")
CONNECTORS_0002 = (
    "id",
    "name",
    "description",
    "category",
    "image_url",
    "created_by",
    "is_public",
    "member_count",
    "post_count",
    "rules",
    "created_at",
    "updated_at",
    "is_active",
)
CONNECTORS_0006 = (*CONNECTORS_0002, "join_policy", "latitude", "longitude")
ERASURES_0017 = ("id", "user_id", "keeps_words", "requested_at")
MODERATION_DECISIONS_0017 = (
    "id",
    "case_id",
    "outcome",
    "label",
    "rule",
    "until",
    "took_effect",
    "created_at",
    "undone_at",
)
MODERATION_DECISIONS_0022 = (*MODERATION_DECISIONS_0017, "subject_kind", "subject_id")


def capture_statements(table: str, columns: Sequence[str]) -> list[str]:
    """Return the statements that begin, or bring up to date, the capture of these columns of a table."""
    return [
        _capture_function(table, columns),
        (
            f"CREATE OR REPLACE TRIGGER cdc_insert AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows "
            f"FOR EACH STATEMENT EXECUTE FUNCTION cdc_capture_{table}()"
        ),
        (
            f"CREATE OR REPLACE TRIGGER cdc_update AFTER UPDATE ON {table} REFERENCING OLD TABLE AS old_rows "
            f"NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION cdc_capture_{table}()"
        ),
        (
            f"CREATE OR REPLACE TRIGGER cdc_delete AFTER DELETE ON {table} REFERENCING OLD TABLE AS old_rows "
            f"FOR EACH STATEMENT EXECUTE FUNCTION cdc_capture_{table}()"
        ),
        (
            f"CREATE OR REPLACE TRIGGER cdc_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION cdc_forbid_truncate()"
        ),
    ]


def _capture_function(table: str, columns: Sequence[str]) -> str:
    def row(alias: str) -> str:
        return "(" + ", ".join(f"{alias}.{column}" for column in columns) + ")"

    def image(alias: str) -> str:
        return "jsonb_build_object(" + ", ".join(f"'{column}', {alias}.{column}" for column in columns) + ")"

    topic = f"neighborconnect.public.{table}"
    return f"""
        CREATE OR REPLACE FUNCTION cdc_capture_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'INSERT' THEN
                INSERT INTO public.cdc_outbox (topic, key, op, after)
                SELECT '{topic}', n.id::text, 'c', {image("n")}
                FROM new_rows n;
            ELSIF TG_OP = 'UPDATE' THEN
                INSERT INTO public.cdc_outbox (topic, key, op, before, after)
                SELECT '{topic}', coalesce(n.id, o.id)::text,
                    CASE WHEN n.id IS NULL THEN 'd' WHEN o.id IS NULL THEN 'c' ELSE 'u' END,
                    CASE WHEN o.id IS NOT NULL THEN {image("o")} END,
                    CASE WHEN n.id IS NOT NULL THEN {image("n")} END
                FROM old_rows o FULL JOIN new_rows n ON n.id = o.id
                WHERE {row("o")} IS DISTINCT FROM {row("n")};
            ELSE
                INSERT INTO public.cdc_outbox (topic, key, op, before)
                SELECT '{topic}', o.id::text, 'd', {image("o")}
                FROM old_rows o;
            END IF;
            RETURN NULL;
        END
        $$
        """  # noqa: S608 (names come from migrations, not from people)
