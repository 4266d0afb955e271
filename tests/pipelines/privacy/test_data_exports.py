"""The analytical stores' part of a copy: all that is registered, of its person alone."""

from __future__ import annotations

import io
import uuid
import zipfile
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import psycopg
import pytest

from feature_repo.store import apply, build_store, close
from neighborconnect.contracts.privacy import PLATFORM_LOCATIONS
from pipelines.privacy import data_exports
from tests.pipelines.analytical_stores import AnalyticalStores

NOW = datetime.now(UTC)


@pytest.fixture
def feature_tables(stores: AnalyticalStores) -> None:
    store = build_store(stores.settings)
    apply(store)
    close(store)


@pytest.mark.usefixtures("feature_tables")
def test_an_export_has_the_inventory_of_its_user_alone(
    stores: AnalyticalStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, other = str(uuid.uuid4()), str(uuid.uuid4())
    for person in (me, me, other):
        stores.click(person)
    with psycopg.connect(stores.settings.feast_database_url) as connection:
        connection.cursor().executemany(
            "INSERT INTO offline.user_affinity (user_id, event_timestamp, categories) VALUES (%s, %s, %s)",
            [(me, NOW, ["gardening"]), (other, NOW, ["music"])],
        )
    put: list[bytes] = []
    asked: list[tuple[str, str, str]] = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.path, request.headers["X-Platform-Token"]))
        waiting = {"id": "c1", "user_id": me, "upload_url": "http://objects.example.org/part"}
        return httpx.Response(200, json={"exports": [waiting]})

    def take(url: str, *, content: Any, **_: Any) -> httpx.Response:
        put.append(content.read())
        return httpx.Response(200, request=httpx.Request("PUT", url))

    api = httpx.MockTransport(serve)
    client = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **named: client(**named, transport=api))
    monkeypatch.setattr(httpx, "put", take)
    [export] = data_exports.read_incomplete_exports(stores.settings)
    assert data_exports.complete_export(stores.settings, export) == len(put[0])
    archive = zipfile.ZipFile(io.BytesIO(put[0]))
    files = {name: orjson.loads(archive.read(name)) for name in archive.namelist()}
    registered = {f"{location.store.value}/{location.name}" for location in PLATFORM_LOCATIONS if location.is_exported}
    assert {name.partition(".")[0] for name in files} == registered
    assert [row["user_id"] for row in files["lake/interactions.json"]] == [me, me]
    assert [row["categories"] for row in files["features/offline.user_affinity.json"]] == [["gardening"]]
    assert other not in archive.read("features/offline.user_affinity.json").decode()
    token = stores.settings.platform_token.get_secret_value()
    assert asked == [
        ("GET", "/api/v1/privacy/platform/exports", token),
        ("POST", "/api/v1/privacy/exports/c1/platform", token),
    ]
