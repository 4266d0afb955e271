"""Each check finds the fault that is planted for it, and passes what is sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import uuid4

import dagster as dg
import polars as pl
import psycopg
import pytest
from minio import Minio

from feature_repo.offline import ensure_offline_tables
from feature_repo.store import apply, open_store
from neighborconnect.contracts.topics import STREAM_BY_TABLE
from neighborconnect.settings import Settings
from pipelines.asset_keys import LAKE, LATEST, ONLINE, RAW, feature_key, table_key
from pipelines.features import checks as feature_checks
from pipelines.features.materialize import materialize
from pipelines.ingest.schema import lake_schema
from pipelines.ingest.warehouse_tables import create_tables
from pipelines.quality import checks as quality_checks
from pipelines.quality import copy_comparison
from pipelines.quality.copy_comparison import Comparison, compare_mirror_with_lake

DATABASE = "checks"
LONG_AGO = datetime(2026, 11, 1, tzinfo=UTC)
Check = Callable[[dg.AssetKey, str], dg.AssetCheckResult]


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be on its way: what a test plants arrives at once."""
    monkeypatch.setattr(copy_comparison, "SETTLING_SECONDS", 0)


@pytest.fixture
def own(settings: Settings, postgres_admin_url: str) -> Iterator[Settings]:
    """Settings with an empty lake, warehouse and offline store of their own."""
    bucket = f"checks-{uuid4().hex[:8]}"
    address = settings.s3_endpoint_url.removeprefix("http://")
    secret = settings.s3_secret_key.get_secret_value()
    Minio(address, access_key=settings.s3_access_key, secret_key=secret, secure=False).make_bucket(bucket)
    url = postgres_admin_url.rpartition("/")[0] + f"/{DATABASE}"
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(f"drop database if exists {DATABASE} with (force)".encode())
        admin.execute(f"create database {DATABASE}".encode())
        yield settings.model_copy(update={"s3_lake_bucket": bucket, "warehouse_url": url, "feast_database_url": url})
        admin.execute(f"drop database {DATABASE} with (force)".encode())


@pytest.fixture
def run_check(own: Settings) -> Check:
    checks = {key: check for check in [*quality_checks.CHECKS, *feature_checks.CHECKS] for key in check.check_keys}

    def run(asset: dg.AssetKey, name: str) -> dg.AssetCheckResult:
        result = checks[dg.AssetCheckKey(asset, name)](settings=own)
        assert isinstance(result, dg.AssetCheckResult)
        return result

    return run


def land(own: Settings, *event_ids: int, at: datetime = LONG_AGO) -> list[str]:
    """Write likes to the lake; return their ids."""
    rows = [
        {"id": str(uuid4()), "_event_id": event_id, "_op": "c", "_committed_at": at, "_date": at.date()}
        for event_id in event_ids
    ]
    frame = pl.DataFrame(rows, schema=lake_schema(STREAM_BY_TABLE["post_likes"]))
    frame.write_delta(own.lake_path("events", "post_likes"), mode="append", storage_options=own.lake_storage_options)
    return frame["id"].to_list()


def mirror(own: Settings, *rows: tuple[str, int], at: datetime = LONG_AGO) -> None:
    """Write likes to the mirror, by id and event id."""
    with psycopg.connect(own.warehouse_url) as connection:
        create_tables(connection)
        connection.cursor().executemany(
            "insert into raw.post_likes (id, _event_id, _op, _committed_at, _deleted) values (%s, %s, 'c', %s, false)",
            [(*row, at) for row in rows],
        )


def test_a_repeated_event_is_detected(own: Settings, run_check: Check) -> None:
    land(own, 1, 2, 3)
    assert run_check(table_key(LAKE, "post_likes"), "event_ids_are_unique").passed

    land(own, 2)
    result = run_check(table_key(LAKE, "post_likes"), "event_ids_are_unique")
    assert (result.passed, result.metadata["repeated"].value) == (False, 1)


def test_a_lost_row_of_the_mirror_is_detected(own: Settings, run_check: Check) -> None:
    ids = land(own, 1, 2)
    mirror(own, *zip(ids, (1, 2), strict=True))
    assert compare_mirror_with_lake(own, table="post_likes") == Comparison(2, 2, ())
    assert run_check(table_key(RAW, "post_likes"), "matches_lake").passed

    with psycopg.connect(own.warehouse_url) as connection:
        connection.execute("delete from raw.post_likes where id = %s", (ids[0],))
    result = run_check(table_key(RAW, "post_likes"), "matches_lake")
    assert (result.passed, result.metadata["examples"].value) == (False, [ids[0]])


def test_a_missed_change_of_the_mirror_is_detected(own: Settings, run_check: Check) -> None:
    [like] = land(own, 1)
    mirror(own, (like, 0))

    assert not run_check(table_key(RAW, "post_likes"), "matches_lake").passed


def test_a_feature_value_out_of_range_is_detected(own: Settings, run_check: Check) -> None:
    ensure_offline_tables(own.feast_database_url)
    insert = "insert into offline.user_affinity values (%s, now(), %s, %s)"
    with psycopg.connect(own.feast_database_url, autocommit=True) as connection:
        connection.execute(insert, ("ana", ["gardening", "music"], [0.75, 0.25]))
        assert run_check(feature_key(LATEST, "user_affinity"), "values_are_in_range").passed

        connection.execute(insert, ("ben", ["gardening"], [0.5]))
    assert not run_check(feature_key(LATEST, "user_affinity"), "values_are_in_range").passed


def test_an_online_value_unlike_the_history_is_detected(own: Settings, run_check: Check) -> None:
    with open_store(own) as store:
        apply(store)
    user = str(uuid4())
    with psycopg.connect(own.feast_database_url, autocommit=True) as connection:
        connection.execute(
            "insert into offline.user_affinity values (%s, now() - interval '1 minute', %s, %s)",
            (user, ["gardening", "music"], [0.75, 0.25]),
        )
        materialize(own, until=datetime.now(UTC), views=["user_affinity"])
        assert run_check(feature_key(ONLINE, "user_affinity"), "online_equals_offline").passed

        connection.execute("update offline.user_affinity set weights = '{0.5,0.5}' where user_id = %s", (user,))
    result = run_check(feature_key(ONLINE, "user_affinity"), "online_equals_offline")
    assert (result.passed, result.metadata["differing"].value) == (False, [user])
