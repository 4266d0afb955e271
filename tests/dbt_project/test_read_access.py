"""People and notebooks read the warehouse by roles that cannot change it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest

if TYPE_CHECKING:
    from tests.dbt_project.conftest import Warehouse


def reader(warehouse: Warehouse, *, role: str) -> psycopg.Connection:
    url = {
        "analyst": warehouse.settings.warehouse_analyst_url,
        "privacy_officer": warehouse.settings.warehouse_privacy_officer_url,
    }[role]
    assert url is not None
    database = urlsplit(warehouse.settings.warehouse_url).path
    return psycopg.connect(urlsplit(url)._replace(path=database).geturl(), autocommit=True)


@pytest.mark.parametrize("role", ["analyst", "privacy_officer"])
def test_readers_cannot_change_a_mart(built: Warehouse, role: str) -> None:
    with reader(built, role=role) as connection:
        # A session may switch the default off; the privileges remain.
        connection.execute("SET default_transaction_read_only = off")
        for statement in (
            "DELETE FROM marts.dim_users",
            "UPDATE marts.dim_users SET city = ''",
            "TRUNCATE marts.dim_users",
            "DROP TABLE marts.dim_users",
            "CREATE TABLE marts.mine (a int)",
            "DELETE FROM raw.users",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
    assert built.sql("select count(*) from marts.dim_users") == [(2,)]


@pytest.mark.parametrize("table", ["staging.stg_users", "marts.dim_users"])
def test_only_the_privacy_officer_reads_personal_columns(built: Warehouse, table: str) -> None:
    with reader(built, role="analyst") as analyst:
        assert len(analyst.execute(f"SELECT user_id, city FROM {table}".encode()).fetchall()) == 2
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            analyst.execute(f"SELECT neighborhood FROM {table}".encode())
    with reader(built, role="privacy_officer") as officer:
        assert len(officer.execute(f"SELECT neighborhood FROM {table}".encode()).fetchall()) == 2
