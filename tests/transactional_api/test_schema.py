"""The database is what the code and the contracts say it is."""

from __future__ import annotations

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text

from neighborconnect.contracts.tables import CAPTURED_TABLES, CapturedTable
from neighborconnect.settings import Settings
from transactional_api.db.migrate import migrate, migration_config

# What the catalogue calls the types that the contract knows.
TYPES = {"character varying": "text", "timestamp with time zone": "timestamptz"}


def test_the_tables_in_code_are_those_of_the_migrations(settings: Settings) -> None:
    with migration_config(settings.database_url) as config:
        command.check(config)


def test_migrating_again_changes_nothing(settings: Settings) -> None:
    migrate(settings.database_url)
    with migration_config(settings.database_url) as config:
        head = ScriptDirectory.from_config(config).get_current_head()
        version = config.attributes["connection"].execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    assert version == head


@pytest.mark.parametrize("table", CAPTURED_TABLES, ids=lambda table: table.name)
def test_the_contract_lists_every_column_of_a_captured_table(settings: Settings, table: CapturedTable) -> None:
    with psycopg.connect(settings.database_url) as connection:
        rows = connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position",
            (table.name,),
        ).fetchall()
    assert [(name, TYPES.get(kind, kind)) for name, kind in rows] == [(c.name, c.type.value) for c in table.columns]


@pytest.mark.parametrize("table", CAPTURED_TABLES, ids=lambda table: table.name)
def test_every_captured_table_has_its_triggers(settings: Settings, table: CapturedTable) -> None:
    with psycopg.connect(settings.database_url) as connection:
        rows = connection.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal", (table.name,)
        ).fetchall()
    assert {"cdc_insert", "cdc_update", "cdc_delete"} <= {name for (name,) in rows}


def test_every_foreign_key_has_an_index_that_begins_with_it(settings: Settings) -> None:
    with psycopg.connect(settings.database_url) as connection:
        rows = connection.execute("""
            SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint c
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
            WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace AND NOT EXISTS (
                SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])
        """).fetchall()
    assert rows == []
