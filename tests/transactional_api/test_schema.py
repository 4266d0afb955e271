"""The database is what the code and the contracts say it is."""

from __future__ import annotations

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text

from neighborconnect.contracts.tables import CAPTURED, CAPTURED_TABLES, NOT_CAPTURED, CapturedTable
from neighborconnect.contracts.topics import STREAMS
from neighborconnect.settings import Settings
from transactional_api.core.db.migrate import migrate, migration_config

# Names in the catalog of the types that the contract knows.
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


def test_every_table_is_captured_or_has_a_reason_why_not(settings: Settings) -> None:
    with psycopg.connect(settings.database_url) as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        ).fetchall()
    captured = [table.name for table in CAPTURED_TABLES]
    assert sorted([*captured, *NOT_CAPTURED]) == sorted(name for (name,) in rows)
    assert [name for name, reason in NOT_CAPTURED.items() if not reason] == []


def test_the_contract_names_the_table_that_a_column_references(settings: Settings) -> None:
    with psycopg.connect(settings.database_url) as connection:
        rows = connection.execute("""
            SELECT c.conrelid::regclass::text, a.attname, c.confrelid::regclass::text FROM pg_constraint c
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] WHERE c.contype = 'f'
        """).fetchall()
    captured = {table.name for table in CAPTURED_TABLES}
    stated = {(table.name, c.name, c.references) for table in CAPTURED_TABLES for c in table.columns if c.references}
    assert stated == {row for row in rows if row[0] in captured}


def test_every_published_column_is_described() -> None:
    undescribed = [
        f"{stream.table}.{column.name}" for stream in STREAMS for column in stream.columns if not column.description
    ]
    assert undescribed == []


@pytest.mark.parametrize("table", CAPTURED, ids=lambda table: table.name)
def test_the_contract_lists_every_column_of_a_captured_table(settings: Settings, table: CapturedTable) -> None:
    with psycopg.connect(settings.database_url) as connection:
        rows = connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = 'public' AND table_name = %s",
            (table.name,),
        ).fetchall()
    stated = [(column.name, column.type.value) for column in table.columns]
    assert sorted((name, TYPES.get(kind, kind)) for name, kind in rows) == sorted(stated)


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
