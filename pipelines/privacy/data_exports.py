"""The analytical stores' part of users' data exports.

The API creates the exports and lists those without this part; ``neighborconnect.contracts.privacy`` defines it.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import polars as pl
import psycopg
from psycopg import sql

from neighborconnect.contracts.features import OFFLINE_SCHEMA
from neighborconnect.contracts.privacy import PLATFORM_LOCATIONS, Store
from neighborconnect.settings import Settings
from pipelines.ingest.lake import scan_events
from pipelines.ingest.schema import EVENT_TIME
from pipelines.privacy.user_data import offline_user_columns
from pipelines.privacy_api import privacy_api

_UPLOAD_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class IncompleteExport:
    """A data export without the analytical stores' part, and the presigned URL for its upload."""

    id: str
    user_id: str
    upload_url: str


def read_incomplete_exports(settings: Settings) -> list[IncompleteExport]:
    """Return the exports without the analytical stores' part, the oldest first.

    Raises:
        httpx.HTTPError: if the API is unreachable or responds with an error.
    """
    with privacy_api(settings) as api:
        exports = api.get("/platform/exports").raise_for_status().json()["exports"]
    return [IncompleteExport(export["id"], export["user_id"], export["upload_url"]) for export in exports]


def complete_export(settings: Settings, export: IncompleteExport) -> int:
    """Upload the part of one export and report it to the API; return the size of the part in bytes.

    Raises:
        httpx.HTTPError: if the upload or the report fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, rows in export_files(settings, export.user_id):
                archive.writestr(name, rows.write_json())
        with path.open("rb") as file:
            httpx.put(export.upload_url, content=file, timeout=_UPLOAD_SECONDS, trust_env=False).raise_for_status()
        size = path.stat().st_size
    with privacy_api(settings) as api:
        api.post(f"/exports/{export.id}/platform").raise_for_status()
    return size


def export_files(settings: Settings, user_id: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the files of a user's part: name, and rows by ascending event time."""
    for location in PLATFORM_LOCATIONS:
        if location.is_exported and location.store is Store.LAKE:
            events = scan_events(settings, location.name).filter(pl.col(location.subject_key) == user_id)
            rows = events.sort(EVENT_TIME[location.name]).select(pl.exclude("^_.*$")).collect(engine="streaming")
            yield f"{location.store.value}/{location.name}.json", rows
        elif location.is_exported and location.store is Store.FEATURES:
            for view, rows in _feature_rows(settings, user_id):
                yield f"{location.store.value}/{location.name}.{view}.json", rows


def _feature_rows(settings: Settings, user_id: str) -> Iterator[tuple[str, pl.DataFrame]]:
    with psycopg.connect(settings.feast_database_url) as connection:
        # By the first column only: the second one of a pair would export what others did.
        for name, column in reversed(dict(reversed(offline_user_columns(connection))).items()):
            statement = sql.SQL("SELECT * FROM {} WHERE {} = %s ORDER BY event_timestamp")
            query = statement.format(sql.Identifier(OFFLINE_SCHEMA, name), sql.Identifier(column))
            cursor = connection.execute(query, [user_id])
            columns = [column.name for column in cursor.description or ()]
            yield name, pl.DataFrame(cursor.fetchall(), schema=columns, orient="row", infer_schema_length=None)
