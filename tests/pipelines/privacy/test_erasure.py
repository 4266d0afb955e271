"""People who asked for it leave the lake, the warehouse and the feature stores; the others stay."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import polars as pl
import psycopg
import pytest
import redis

from feature_repo.store import apply, build_store, close
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.features import USER_AFFINITY
from neighborconnect.contracts.privacy import PLATFORM_LOCATIONS, ErasureAction, Store
from neighborconnect.contracts.tables import CAPTURED
from neighborconnect.contracts.topics import STREAMS
from pipelines.ingest import erasure_confirmation
from pipelines.ingest.rebuild_log import begin, exclusive_rebuild, finish
from pipelines.privacy import erasure
from pipelines.privacy_api import RequestedErasure
from pipelines.training.interactions import collect_interactions
from tests.pipelines.analytical_stores import AnalyticalStores
from tests.pipelines.ingest.api import request_erasure
from tests.transactional_api.cdc.rows import connect
from transactional_api.governance.privacy.erasures import REQUESTED_LIMIT

pytestmark = pytest.mark.usefixtures("api")
NOW = datetime.now(UTC)
WRITTEN = {"posts", "comments", "events", "marketplace_items", "reviews"}
"""Tables with text that a user wrote."""


def live(stores: AnalyticalStores, user_id: str, *, mark: str) -> None:
    """Let one person do what leaves something in every table: a row for each column that names a user."""
    at = NOW.isoformat()
    stores.put("users", id=user_id, username=mark, personalised=True, is_active=True, created_at=at)
    for table in CAPTURED:
        texts = {column.name: mark for column in table.published if column.is_text}
        for column in table.published:
            if column.references == "users" and table.name != erasure_confirmation.ERASURES:
                stores.put(table.name, **texts, **{column.name: user_id, table.event_time: at})
    stores.click(user_id)


def test_every_table_with_user_ids_is_in_the_data_inventory() -> None:
    columns = {
        (stream.table, column.name) for stream in STREAMS for column in stream.columns if column.references == "users"
    }
    known = {(location.name, location.subject_key) for location in PLATFORM_LOCATIONS if location.store is Store.LAKE}
    made = {("training", "user_id"), ("moderation_feedback", "text"), ("embeddings", "text_hash")}
    assert columns | {("users", "id")} | made == known


def test_only_the_requesting_user_is_erased_in_every_copy(stores: AnalyticalStores) -> None:
    gone_as = request_erasure(stores.settings)
    gone, stays = gone_as[1], str(uuid.uuid4())
    live(stores, gone, mark="goneword")
    live(stores, stays, mark="staysword")
    erasure_id = gone_as[0]
    stores.put("erasures", id=erasure_id, user_id=gone, keeps_words=False, requested_at=NOW.isoformat())
    wanted = [one for one in erasure.read_due_erasures(stores.settings) if one.id == erasure_id]
    assert wanted == [RequestedErasure(erasure_id, gone, keep_words=False)]
    receipts = erasure.erase(stores.settings, wanted)
    assert (stores.lake_has("goneword"), stores.lake_has(gone)) == (set(), {"erasures"})
    # The mirror of the tables follows the product database, whose own erasure empties it.
    assert stores.warehouse_has(gone) <= {"erasures", "users"} | WRITTEN
    assert stores.lake_has(stays) == stores.warehouse_has(stays) == stores.lake_has("") - {"erasures"}
    lines = {str(line["location"]): line["row_count"] for line in receipts.lines(gone)}
    assert set(lines) == {location.label for location in PLATFORM_LOCATIONS}
    assert (lines["lake:interactions.user_id"], lines["lake:follows.followee_id"]) == (1, 1)
    assert lines["kafka:topics.key"] is None
    again = erasure.erase(stores.settings, wanted)
    assert {line["row_count"] for line in again.lines(gone)} == {0, None}


def test_texts_are_retained_on_request(stores: AnalyticalStores) -> None:
    person = str(uuid.uuid4())
    live(stores, person, mark="keptword")
    erasure.erase(stores.settings, [RequestedErasure(str(uuid.uuid4()), person, keep_words=True)])
    assert stores.lake_has("keptword") == WRITTEN


def test_the_redacted_version_of_a_row_stays(stores: AnalyticalStores) -> None:
    person, event = str(uuid.uuid4()), str(uuid.uuid4())
    for title, location in (("Party at goneplace", "goneplace 3"), ("An event", None)):
        stores.put("events", id=event, created_by=person, title=title, location=location, created_at=NOW.isoformat())
    erasure.erase(stores.settings, [RequestedErasure(str(uuid.uuid4()), person, keep_words=False)])
    assert (stores.lake_has("goneplace"), stores.lake_has(event)) == (set(), {"events"})


def test_an_erasure_is_repeated_during_kafka_retention(stores: AnalyticalStores) -> None:
    settings = stores.settings
    many = {request_erasure(settings) for _ in range(REQUESTED_LIMIT + 1)}
    old_id, _ = request_erasure(settings)
    with connect(settings) as connection:
        age = erasure.REPEATED_FOR + timedelta(hours=1)
        connection.execute("UPDATE erasures SET requested_at = now() - %s WHERE id = %s", [age, old_id])
    wanted = [one.id for one in erasure.read_due_erasures(settings)]
    assert len(set(wanted)) == len(wanted)
    assert {one for one, _ in many} <= set(wanted)
    assert old_id not in wanted
    with exclusive_rebuild(settings) as log:
        begin(log, sink="lake")
        assert old_id in {one.id for one in erasure.read_due_erasures(settings)}, "a rebuild is unfinished"
        finish(log, sink="lake")
    assert old_id not in {one.id for one in erasure.read_due_erasures(settings)}


def test_features_of_who_asked_go_offline_and_online(stores: AnalyticalStores) -> None:
    settings, gone, stays = stores.settings, str(uuid.uuid4()), str(uuid.uuid4())
    store = build_store(settings)
    try:
        apply(store)
        rows = pl.DataFrame(
            {
                "user_id": [gone, stays],
                "event_timestamp": [NOW, NOW],
                "categories": [["gardening"]] * 2,
                "weights": [[1.0]] * 2,
                "evidence": [1.0] * 2,
            }
        )
        store.write_to_online_store(USER_AFFINITY, rows.to_pandas())
    finally:
        close(store)
    with psycopg.connect(settings.feast_database_url) as connection:
        connection.cursor().executemany(
            "INSERT INTO offline.user_affinity (user_id, event_timestamp) VALUES (%s, %s)", [(gone, NOW), (stays, NOW)]
        )
    receipts = erasure.erase(settings, [RequestedErasure(str(uuid.uuid4()), gone, keep_words=False)])
    with psycopg.connect(settings.feast_database_url) as connection:
        left = connection.execute(
            "SELECT user_id FROM offline.user_affinity WHERE user_id = ANY(%s)", [[gone, stays]]
        ).fetchall()
    assert left == [(stays,)]
    with redis.Redis.from_url(settings.feast_redis_url) as online:
        keys = [key for key in online.scan_iter() if gone.encode() in key or stays.encode() in key]
    assert len(keys) == 1
    assert stays.encode() in keys[0]
    numbers = {str(line["location"]): line["row_count"] for line in receipts.lines(gone)}
    assert (numbers["features:offline.user_id"], numbers["online_features:redis.key"]) == (1, 1)


def test_training_excludes_users_without_consent(stores: AnalyticalStores) -> None:
    willing, unwilling = str(uuid.uuid4()), str(uuid.uuid4())
    for person in (willing, unwilling):
        stores.put("users", id=person, personalised=True, created_at=NOW.isoformat())
        stores.click(person)
    stores.put("users", id=unwilling, personalised=False, created_at=NOW.isoformat())
    learnt_from = collect_interactions(stores.settings, kind=ItemKind.POST)["user_id"].to_list()
    assert learnt_from == [willing]


def test_the_report_authenticates_with_the_platform_token(
    stores: AnalyticalStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Any, Any]] = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append((str(request.url), json.loads(request.content), request.headers))
        return httpx.Response(204)

    client = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **named: client(**named, transport=httpx.MockTransport(serve)))
    one = RequestedErasure(str(uuid.uuid4()), str(uuid.uuid4()), keep_words=False)
    erasure.report(stores.settings, one, erasure.erase(stores.settings, [one]))
    [(url, body, headers)] = asked
    assert url.endswith(f"/api/v1/privacy/erasures/{one.id}/platform")
    assert headers["X-Platform-Token"] == stores.settings.platform_token.get_secret_value()
    assert {line["action"] for line in body["lines"]} <= set(ErasureAction)
