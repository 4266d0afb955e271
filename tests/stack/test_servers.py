"""The embedded servers do real work with the settings that they hand out."""

from __future__ import annotations

import psycopg
import pytest

from neighborconnect.settings import Settings


@pytest.mark.parametrize(
    "setting", ["database_url", "warehouse_url", "mlflow_database_url", "dagster_database_url", "feast_database_url"]
)
def test_each_database_belongs_to_the_role_of_its_url(settings: Settings, setting: str) -> None:
    with psycopg.connect(getattr(settings, setting)) as connection:
        connection.execute("CREATE TABLE owned (id int)")
        connection.execute("DROP TABLE owned")
