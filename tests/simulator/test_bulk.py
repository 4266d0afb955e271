"""Bulk load of a town into the product database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from argon2 import PasswordHasher
from pymongo import MongoClient

from neighborconnect.contracts.captured.documents import STORIES
from neighborconnect.contracts.events import InteractionEvent
from neighborconnect.contracts.tables import CAPTURED_TABLES
from neighborconnect.contracts.topics import INTERACTIONS_TOPIC
from neighborconnect.file_types import content_type_of
from neighborconnect.settings import Settings
from simulator.bulk import TownError, is_loopback, load
from simulator.columns import draw_ids
from simulator.history import build_town
from simulator.rows import town_rows, town_uploads
from simulator.spec import TownSpec
from simulator.stored_media import DocumentDatabase, store
from simulator.town import Town
from tests.transactional_api.media.mongo import running_mongo

END = datetime(2026, 5, 4, 18, 30, tzinfo=UTC)

PASSWORD_HASH = PasswordHasher(time_cost=1, memory_cost=1024).hash("good-neighbours")


def load_town(connection: psycopg.Connection, town: Town, *, add: bool = False) -> dict[str, int]:
    return load(connection, town_rows(town, draw_ids(town), password_hash=PASSWORD_HASH), add=add)


def number(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_loaded_counters_equal_their_rows(connection: psycopg.Connection, town: Town) -> None:
    loaded = load_town(connection, town)

    assert loaded["cdc_outbox"] == len(town.interactions) + len(town.browsing)
    for table in (
        "users",
        "connectors",
        "connector_members",
        "follows",
        "posts",
        "comments",
        "post_likes",
        "events",
        "event_attendees",
        "marketplace_items",
        "marketplace_purchases",
        "seller_reviews",
        "reviews",
        "uploads",
        "media_documents",
    ):
        assert number(connection, f"SELECT count(*) FROM {table}") == loaded[table] > 0
    for table, counter, child, key in (
        ("connectors", "member_count", "connector_members", "connector_id"),
        ("connectors", "post_count", "posts", "is_active AND connector_id"),
        ("posts", "likes_count", "post_likes", "post_id"),
        ("posts", "comments_count", "comments", "is_active AND post_id"),
        ("comments", "likes_count", "comment_likes", "comment_id"),
        ("marketplace_items", "views_count", "marketplace_item_views", "item_id"),
        ("reviews", "helpful_count", "review_votes", "review_id"),
    ):
        wrong = f"SELECT count(*) FROM {table} t WHERE {counter} <> (SELECT count(*) FROM {child} WHERE {key} = t.id)"
        assert number(connection, wrong) == 0
    party = "SELECT sum(1 + guests) FROM event_attendees WHERE status = 'attending' AND event_id = e.id"
    assert number(connection, f"SELECT count(*) FROM events e WHERE attendee_count <> ({party})") == 0


def test_rows_are_captured_once_and_events_are_valid(connection: psycopg.Connection, town: Town) -> None:
    loaded = load_town(connection, town)

    counts = dict(connection.execute("SELECT topic, count(*) FROM cdc_outbox GROUP BY topic").fetchall())
    assert counts.pop(INTERACTIONS_TOPIC) == loaded.pop("cdc_outbox")
    captured = {table.topic: loaded[table.name] for table in CAPTURED_TABLES if table.name in loaded}
    captured[STORIES.topic] = number(connection, "SELECT count(*) FROM media_documents WHERE collection = 'stories'")
    assert len(captured) > 6
    assert counts == captured
    events = connection.execute(
        "SELECT id, key, payload FROM cdc_outbox WHERE topic = %s ORDER BY id", (INTERACTIONS_TOPIC,)
    ).fetchall()
    last = END.replace(year=2000)
    for event_id, key, payload in events:
        event = InteractionEvent.model_validate({"event_id": event_id, **payload})
        assert str(event.user_id) == key
        assert last <= event.occurred_at <= END
        last = event.occurred_at


def test_planner_statistics_are_current_after_a_load(connection: psycopg.Connection, town: Town) -> None:
    loaded = load_town(connection, town)
    for table in ("users", "posts"):
        assert number(connection, f"SELECT reltuples FROM pg_class WHERE oid = '{table}'::regclass") == loaded[table]


def test_hides_are_stored_as_hidden_items(connection: psycopg.Connection, town: Town) -> None:
    load_town(connection, town)
    missing = """
        SELECT count(*) FROM cdc_outbox o WHERE payload->>'kind' = 'hide' AND NOT EXISTS (
            SELECT FROM hidden_items h WHERE h.user_id::text = o.payload->>'user_id'
            AND h.item_kind = o.payload->>'item_kind' AND h.item_id::text = o.payload->>'item_id')
    """
    assert number(connection, "SELECT count(*) FROM hidden_items") > 0
    assert number(connection, missing) == 0


def test_second_town_is_refused_and_changes_nothing(
    connection: psycopg.Connection,
) -> None:
    first = build_town(TownSpec(users=10, days=1, seed=1, end=END))
    load_town(connection, first)
    events = number(connection, "SELECT count(*) FROM cdc_outbox")

    with pytest.raises(TownError, match="has users already"):
        load_town(connection, first)
    assert number(connection, "SELECT count(*) FROM users") == 10
    assert number(connection, "SELECT count(*) FROM cdc_outbox") == events


def test_second_town_of_the_same_seed_can_be_added(connection: psycopg.Connection) -> None:
    load_town(connection, build_town(TownSpec(users=10, days=1, seed=1, end=END)))
    load_town(connection, build_town(TownSpec(users=10, days=1, seed=1, end=END, first_number=10)), add=True)
    assert number(connection, "SELECT count(DISTINCT username) FROM users") == 20


def test_failed_load_leaves_nothing(connection: psycopg.Connection) -> None:
    town = build_town(TownSpec(users=10, days=1, seed=1, end=END))
    rows = list(town_rows(town, draw_ids(town), password_hash=PASSWORD_HASH))
    broken = [*rows, ("post_likes", pl.DataFrame({"id": ["not a uuid"]}))]
    with pytest.raises(psycopg.DataError):
        load(connection, broken, add=False)
    assert number(connection, "SELECT count(*) FROM users") == 0
    assert number(connection, "SELECT count(*) FROM cdc_outbox") == 0


def test_pictures_of_items_are_uploads_of_their_sellers(connection: psycopg.Connection, town: Town) -> None:
    load_town(connection, town)
    wrong = """
        SELECT count(*) FROM marketplace_items i, jsonb_array_elements_text(i.media_ids) AS m(id)
        LEFT JOIN media_documents d ON d.id::text = m.id AND d.collection = 'media'
        WHERE d.document->>'owner_id' IS DISTINCT FROM i.seller_id::text
    """
    assert number(connection, "SELECT count(*) FROM marketplace_items WHERE media_ids <> '[]'") > 50
    assert number(connection, wrong) == 0
    stored: dict[str, bytes] = {}

    class Bucket:
        def put(self, key: str, data: bytes, *, content_type: str) -> None:
            assert content_type_of(data) == content_type
            stored[key] = data

    list(store(town_uploads(town, draw_ids(town)), Bucket()))
    documents = connection.execute("SELECT document FROM media_documents WHERE collection = 'media'").fetchall()
    referenced = {key for (document,) in documents for key in document["thumbnails"].values()}
    referenced |= {document["processed_key"] for (document,) in documents}
    assert referenced == set(stored)
    assert {document["size"] for (document,) in documents} <= {len(data) for data in stored.values()}


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("postgresql://u:p@127.0.0.1:15432/x", True),
        ("postgresql://u:p@localhost/x", True),
        ("postgresql://u:p@[::1]/x", True),
        ("postgresql://u:p@db.example.org/x", False),
        ("postgresql://u:p@10.0.0.5,127.0.0.1/x", False),
    ],
)
def test_only_this_machine_counts_as_loopback(url: str, *, local: bool) -> None:
    assert is_loopback(url) is local


def test_documents_go_to_mongodb_where_the_platform_uses_it(
    connection: psycopg.Connection, town: Town, settings: Settings, tmp_path: Path
) -> None:
    with running_mongo(tmp_path) as url:
        documents = DocumentDatabase(settings.model_copy(update={"mongo_url": url}))
        rows = town_rows(town, draw_ids(town), password_hash=PASSWORD_HASH)
        loaded = load(connection, documents.divert(rows), add=False)
        with MongoClient[dict[str, Any]](url) as client:
            database = client["neighborconnect"]
            stories = {document["_id"] for document in database["stories"].find()}
            media = database["media"].count_documents({"document.state": "ready"})
            pending = {str(ident) for (ident,) in connection.execute("SELECT document_id FROM document_changes")}
            assert "media_documents" not in loaded
            assert media == loaded["uploads"]
            assert stories == pending
            assert len(stories) == loaded["media_captions"]
            documents.remove_inserted()
            assert database["media"].count_documents({}) == database["stories"].count_documents({}) == 0
