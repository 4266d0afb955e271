"""Change capture in the database: the outbox, and the triggers that fill it.

Triggers are per statement with transition tables: one ``INSERT … SELECT`` per statement, whatever its size.
Each function lists the columns it publishes, so that the published data can be audited in the database itself.
A migration runs these statements; a later change of ``neighborconnect.contracts.tables`` needs a new migration
that runs ``trigger_statements`` again, and a test compares the live functions with the contract.
"""

from __future__ import annotations

from neighborconnect.contracts.tables import CapturedTable

OUTBOX_TABLES = ("cdc_outbox", "cdc_relay_state")
WAKE_CHANNEL = "cdc_outbox"


def create_statements() -> list[str]:
    """Return the statements that create the outbox and the wake-up of the relay; requires PostgreSQL 15 or later.

    ``cdc_outbox.id`` is the event id. Its sequence must not cache: changes of a row are serialized by the row lock,
    so without a cache a later change has a higher id.
    """
    return [
        # Queue: rows are few and short-lived, so vacuum must not wait for a share of the table to be dead.
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
        # Unlogged: the relay writes it twice per idle period. After a crash it is empty, which reads as idle.
        (
            "CREATE UNLOGGED TABLE cdc_relay_state (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), "
            "idle boolean NOT NULL)"
        ),
        # NOTIFY takes a global lock at commit, so it is sent only to an idle relay.
        f"""
        CREATE FUNCTION cdc_wake_relay() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NOT EXISTS (SELECT FROM public.cdc_relay_state WHERE NOT idle) THEN
                PERFORM pg_notify('{WAKE_CHANNEL}', '');
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
    ]


def trigger_statements(table: CapturedTable) -> list[str]:
    """Return the statements that start or update the capture of ``table``."""
    name = table.name
    return [
        _capture_function(table),
        (
            f"CREATE OR REPLACE TRIGGER cdc_insert AFTER INSERT ON {name} REFERENCING NEW TABLE AS new_rows "
            f"FOR EACH STATEMENT EXECUTE FUNCTION cdc_capture_{name}()"
        ),
        (
            f"CREATE OR REPLACE TRIGGER cdc_update AFTER UPDATE ON {name} REFERENCING OLD TABLE AS old_rows "
            f"NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION cdc_capture_{name}()"
        ),
        (
            f"CREATE OR REPLACE TRIGGER cdc_delete AFTER DELETE ON {name} REFERENCING OLD TABLE AS old_rows "
            f"FOR EACH STATEMENT EXECUTE FUNCTION cdc_capture_{name}()"
        ),
        (
            f"CREATE OR REPLACE TRIGGER cdc_truncate BEFORE TRUNCATE ON {name} "
            "FOR EACH STATEMENT EXECUTE FUNCTION cdc_forbid_truncate()"
        ),
    ]


def image(table: CapturedTable, alias: str) -> str:
    """Return the SQL expression of one row's image: the published columns of ``alias`` only."""
    pairs = ", ".join(f"'{column.name}', {alias}.{column.name}" for column in table.published)
    return f"jsonb_build_object({pairs})"


def _capture_function(table: CapturedTable) -> str:
    def row(alias: str) -> str:
        return "(" + ", ".join(f"{alias}.{column.name}" for column in table.published) + ")"

    # The full join handles a changed primary key (a delete and a create), and cannot be planned as a nested loop:
    # a plan cached for a one-row update would use one for the next update of 100,000 rows.
    return f"""
        CREATE OR REPLACE FUNCTION cdc_capture_{table.name}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'INSERT' THEN
                INSERT INTO public.cdc_outbox (topic, key, op, after)
                SELECT '{table.topic}', n.id::text, 'c', {image(table, "n")}
                FROM new_rows n;
            ELSIF TG_OP = 'UPDATE' THEN
                INSERT INTO public.cdc_outbox (topic, key, op, before, after)
                SELECT '{table.topic}', coalesce(n.id, o.id)::text,
                    CASE WHEN n.id IS NULL THEN 'd' WHEN o.id IS NULL THEN 'c' ELSE 'u' END,
                    CASE WHEN o.id IS NOT NULL THEN {image(table, "o")} END,
                    CASE WHEN n.id IS NOT NULL THEN {image(table, "n")} END
                FROM old_rows o FULL JOIN new_rows n ON n.id = o.id
                WHERE {row("o")} IS DISTINCT FROM {row("n")};
            ELSE
                INSERT INTO public.cdc_outbox (topic, key, op, before)
                SELECT '{table.topic}', o.id::text, 'd', {image(table, "o")}
                FROM old_rows o;
            END IF;
            RETURN NULL;
        END
        $$
        """  # noqa: S608 (names come from the contract, not from people)
