"""The analytical stores' part of people's copies of what is known of them.

The API makes the copies and says which of them lack this part; ``neighborconnect.contracts.privacy`` says what it has.
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
from neighborconnect.contracts.privacy import PLATFORM, Store
from neighborconnect.settings import Settings
from pipelines.ingest.lake import scan_events
from pipelines.ingest.schema import EVENT_TIME
from pipelines.people import tables_of_people
from pipelines.privacy_api import privacy_api

_UPLOAD_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that lacks its part, whose it is, and where the part is to be put."""

    id: str
    user_id: str
    upload_url: str


def waiting(settings: Settings) -> list[Copy]:
    """Ask the API which copies lack their part, the oldest first.

    Raises:
        httpx.HTTPError: when it does not say.
    """
    with privacy_api(settings) as api:
        found = api.get("/platform/exports").raise_for_status().json()["exports"]
    return [Copy(one["id"], one["user_id"], one["upload_url"]) for one in found]


def complete(settings: Settings, copy: Copy) -> int:
    """Put the part of one copy and tell the API; return the part's bytes.

    Raises:
        httpx.HTTPError: when the store or the API does not take it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, rows in part(settings, copy.user_id):
                archive.writestr(name, rows.write_json())
        with path.open("rb") as file:
            httpx.put(copy.upload_url, content=file, timeout=_UPLOAD_SECONDS, trust_env=False).raise_for_status()
        size = path.stat().st_size
    with privacy_api(settings) as api:
        api.post(f"/exports/{copy.id}/platform").raise_for_status()
    return size


def part(settings: Settings, user_id: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the files of a person's part: name, and rows in order of time."""
    for place in PLATFORM:
        if place.exported and place.store is Store.LAKE:
            whose = scan_events(settings, place.name).filter(pl.col(place.person) == user_id)
            rows = whose.sort(EVENT_TIME[place.name]).select(pl.exclude("^_.*$")).collect(engine="streaming")
            yield f"{place.store.value}/{place.name}.json", rows
        elif place.exported and place.store is Store.FEATURES:
            for view, rows in _features(settings, user_id):
                yield f"{place.store.value}/{place.name}.{view}.json", rows


def _features(settings: Settings, user_id: str) -> Iterator[tuple[str, pl.DataFrame]]:
    with psycopg.connect(settings.feast_database_url) as connection:
        for name in tables_of_people(connection):
            statement = sql.SQL("SELECT * FROM {} WHERE user_id = %s ORDER BY event_timestamp")
            found = connection.execute(statement.format(sql.Identifier(OFFLINE_SCHEMA, name)), [user_id])
            columns = [column.name for column in found.description or ()]
            yield name, pl.DataFrame(found.fetchall(), schema=columns, orient="row", infer_schema_length=None)
