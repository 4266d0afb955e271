"""Table versions, and the sensor that reports them as materializations."""

from __future__ import annotations

import uuid
from typing import Any

import dagster as dg
import psycopg
import pytest

from neighborconnect.settings import Settings
from pipelines.asset_keys import LAKE, RAW, table_key
from pipelines.ingest.lake import compact
from pipelines.ingest.sensors import table_versions_sensor
from pipelines.ingest.table_versions import TableVersion, read_table_versions
from pipelines.ingest.warehouse_tables import create_tables
from tests.pipelines.analytical_stores import AnalyticalStores


def versions(settings: Settings) -> dict[str, TableVersion]:
    """Table versions by name, after PostgreSQL has published the statistics of its connections."""
    with psycopg.connect(settings.warehouse_url) as connection:
        connection.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
    return {table.name: table for table in read_table_versions(settings)}


def evaluate(settings: Settings, cursor: str | None) -> dg.SensorResult | dg.SkipReason:
    context = dg.build_sensor_context(resources={"settings": settings}, cursor=cursor)
    result = table_versions_sensor(context)
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def reported(result: dg.SensorResult | dg.SkipReason) -> dict[str, dict[str, Any]]:
    """Metadata of the reported materializations by asset key."""
    assert isinstance(result, dg.SensorResult)
    return {
        event.asset_key.to_user_string(): {name: value.value for name, value in event.metadata.items()}
        for event in result.asset_events
        if isinstance(event, dg.AssetMaterialization)
    }


@pytest.fixture
def empty(fresh: Settings) -> Settings:
    """Settings of a warehouse whose tables exist and are empty, and of an empty lake."""
    with psycopg.connect(fresh.warehouse_url, autocommit=True) as connection:
        create_tables(connection)
    return fresh


class TestTableVersions:
    def test_tables_without_events_have_no_version(self, empty: Settings) -> None:
        assert versions(empty) == {}

    def test_rows_and_bytes_come_from_statistics(self, stores: AnalyticalStores) -> None:
        for _ in range(3):
            stores.click(str(uuid.uuid4()))

        tables = versions(stores.settings)

        assert set(tables) == {"lake/interactions", "raw/interactions"}
        for table in tables.values():
            assert table.metadata["dagster/row_count"] == 3
            assert table.metadata["bytes"] > 0
        assert tables["lake/interactions"].metadata["files"] == 3
        assert [table.key for table in tables.values()] == [
            table_key(LAKE, "interactions"),
            table_key(RAW, "interactions"),
        ]

    def test_a_write_changes_the_version_of_its_table_alone(self, stores: AnalyticalStores) -> None:
        stores.click(str(uuid.uuid4()))
        stores.put("users", username="ana")
        before = versions(stores.settings)

        stores.put("users", username="ben")

        after = versions(stores.settings)
        changed = {name for name in after if after[name].version != before[name].version}
        assert changed == {"lake/users", "raw/users"}


class TestTableVersionsSensor:
    def test_reports_each_changed_table_once(self, stores: AnalyticalStores) -> None:
        settings = stores.settings
        stores.click(str(uuid.uuid4()))
        versions(settings)
        first = evaluate(settings, None)
        assert set(reported(first)) == {"lake/interactions", "raw/interactions"}
        assert reported(first)["lake/interactions"]["dagster/row_count"] == 1
        assert isinstance(first, dg.SensorResult)

        unchanged = evaluate(settings, first.cursor)
        assert isinstance(unchanged, dg.SkipReason)

        stores.put("users", username="ana")
        versions(settings)
        assert set(reported(evaluate(settings, first.cursor))) == {"lake/users", "raw/users"}

    def test_skips_while_there_is_no_event(self, empty: Settings) -> None:
        assert isinstance(evaluate(empty, None), dg.SkipReason)

    def test_a_compaction_is_a_new_version_with_the_same_rows(self, stores: AnalyticalStores) -> None:
        for _ in range(2):
            stores.click(str(uuid.uuid4()))
        versions(stores.settings)
        before = evaluate(stores.settings, None)
        assert isinstance(before, dg.SensorResult)

        compact(stores.settings, "interactions")

        after = reported(evaluate(stores.settings, before.cursor))
        assert set(after) == {"lake/interactions"}
        assert (after["lake/interactions"]["files"], after["lake/interactions"]["dagster/row_count"]) == (1, 2)
