"""`neighborconnect lake` reads the past, and its vacuum removes the bytes of erased rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from minio import Minio
from typer.testing import CliRunner, Result

from neighborconnect.settings import Settings
from pipelines.ingest import lake_cli
from pipelines.ingest.lake import event_table, scan_events
from tests.pipelines.ingest.conftest import empty_stores
from tests.pipelines.transforms.lake_rows import change, lake_frame

NINE = datetime(2026, 11, 16, 9, tzinfo=UTC)
MARKER = "planted-marker-7f3a"


@pytest.fixture(scope="module")
def lake(settings: Settings, postgres_admin_url: str) -> Iterator[Settings]:
    """Two users since nine o'clock, of whom one changes her city at ten and the other is deleted at eleven."""
    with empty_stores(settings, postgres_admin_url) as fresh:
        write(fresh, change("users", id="ana", city="Queens", committed_at=NINE))
        write(fresh, change("users", id="ben", city=MARKER, committed_at=NINE))
        write(fresh, change("users", id="ana", city="Bronx", op="u", committed_at=at(10)))
        write(fresh, change("users", id="ben", city=MARKER, op="d", committed_at=at(11)))
        yield fresh


def at(hour: int) -> datetime:
    return NINE.replace(hour=hour)


def write(settings: Settings, row: dict[str, Any]) -> None:
    lake_frame("users", [row]).write_delta(
        settings.lake_path("events", "users"), mode="append", storage_options=settings.lake_storage_options
    )


def run(settings: Settings, *arguments: str) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lake_cli, "get_settings", lambda: settings)
        return CliRunner().invoke(lake_cli.app, list(arguments))


@pytest.mark.parametrize(
    ("time", "cities"),
    [(at(9), {"ana": "Queens", "ben": MARKER}), (at(10), {"ana": "Bronx", "ben": MARKER}), (at(12), {"ana": "Bronx"})],
)
def test_as_of_returns_the_rows_of_that_time(
    lake: Settings, tmp_path: Path, time: datetime, cities: dict[str, str]
) -> None:
    out = tmp_path / "users.parquet"
    result = run(lake, "as-of", time.isoformat(), "--table", "users", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert dict(pl.read_parquet(out).select("id", "city").iter_rows()) == cities


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("as-of", "2026-11-16T09:00:00"), "has no time zone"),
        (("as-of", "yesterday"), "is not a time"),
        (("as-of", "2020-01-01T00:00:00Z"), "is before the lake begins, at 2026-11-16T09:00:00+00:00"),
        (("as-of", (datetime.now(UTC) + timedelta(days=1)).isoformat()), "is in the future"),
        (("as-of", "2026-11-16T09:00:00Z", "--table", "userss", "--out", "x"), "The lake has no table 'userss'"),
        (("stats", "userss"), "The lake has no table 'userss'"),
        (("vacuum", "users", "userss"), "The lake has no table 'userss'"),
    ],
)
def test_bad_input_fails_with_one_sentence(lake: Settings, arguments: tuple[str, ...], reason: str) -> None:
    result = run(lake, *arguments)
    assert result.exit_code == 1
    assert reason in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_vacuum_removes_the_bytes_of_erased_rows(settings: Settings, postgres_admin_url: str) -> None:
    with empty_stores(settings, postgres_admin_url) as own:
        write(own, change("users", id="ana", city="Queens", committed_at=NINE))
        write(own, change("users", id="ben", city=MARKER, committed_at=NINE))
        table = event_table(own, "users")
        assert table is not None
        table.delete("id = 'ben'")
        assert run(own, "vacuum", "users").exit_code == 0
        assert objects_with_marker(own)

        assert "users: deleted 1 files" in run(own, "vacuum", "users", "--erased").stdout
        assert objects_with_marker(own) == []
        assert scan_events(own, "users").select("id").collect()["id"].to_list() == ["ana"]
        # The table still takes commits.
        write(own, change("users", id="eve", city="Queens", committed_at=NINE))
        assert run(own, "compact", "users").stdout == "users: merged 2 files\n"
        stats = run(own, "stats", "users").stdout
        assert "users" in stats
        assert "2026-11-16" in stats


def objects_with_marker(settings: Settings) -> list[str]:
    """Names of the lake's objects that contain the marker; Parquet of this size is not compressed."""
    client = Minio(
        settings.s3_endpoint_url.removeprefix("http://"),
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=False,
    )
    bucket = settings.s3_lake_bucket
    names = [str(item.object_name) for item in client.list_objects(bucket, recursive=True)]
    return [name for name in names if MARKER.encode() in client.get_object(bucket, name).read()]
