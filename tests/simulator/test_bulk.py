"""What a bulk load leaves in the product database."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import psycopg
import pytest
from argon2 import PasswordHasher

from neighborconnect.contracts.events import InteractionEvent
from neighborconnect.contracts.topics import INTERACTIONS_TOPIC
from simulator.bulk import TownError, is_loopback, load
from simulator.columns import draw_ids
from simulator.history import build_town
from simulator.rows import town_rows
from simulator.spec import TownSpec
from simulator.town import Town

END = datetime(2026, 5, 4, 18, 30, tzinfo=UTC)

PASSWORD_HASH = PasswordHasher(time_cost=1, memory_cost=1024).hash("good-neighbours")


def load_town(connection: psycopg.Connection, town: Town, *, add: bool = False) -> dict[str, int]:
    return load(connection, town_rows(town, draw_ids(town), password_hash=PASSWORD_HASH), add=add)


def number(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_a_town_is_loaded_whole_with_counters_that_equal_their_rows(connection: psycopg.Connection, town: Town) -> None:
    loaded = load_town(connection, town)

    assert loaded["cdc_outbox"] == len(town.interactions)
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
    ):
        assert number(connection, f"SELECT count(*) FROM {table}") == loaded[table] > 0
    for table, counter, child, key in (
        ("connectors", "member_count", "connector_members", "connector_id"),
        ("connectors", "post_count", "posts", "connector_id"),
        ("posts", "likes_count", "post_likes", "post_id"),
        ("posts", "comments_count", "comments", "post_id"),
        ("events", "attendee_count", "event_attendees", "status = 'attending' AND event_id"),
    ):
        wrong = f"SELECT count(*) FROM {table} t WHERE {counter} <> (SELECT count(*) FROM {child} WHERE {key} = t.id)"
        assert number(connection, wrong) == 0


def test_capture_sees_each_row_once_and_each_event_meets_the_contract(
    connection: psycopg.Connection, town: Town
) -> None:
    loaded = load_town(connection, town)

    counts = dict(connection.execute("SELECT topic, count(*) FROM cdc_outbox GROUP BY topic").fetchall())
    assert counts.pop(INTERACTIONS_TOPIC) == loaded.pop("cdc_outbox")
    for not_captured in ("hidden_items", "events", "event_attendees"):
        loaded.pop(not_captured)
    assert {topic.rpartition(".")[2]: count for topic, count in counts.items()} == loaded
    events = connection.execute(
        "SELECT id, key, payload FROM cdc_outbox WHERE topic = %s ORDER BY id", (INTERACTIONS_TOPIC,)
    ).fetchall()
    last = END.replace(year=2000)
    for event_id, key, payload in events:
        event = InteractionEvent.model_validate({"event_id": event_id, **payload})
        assert str(event.user_id) == key
        assert last <= event.occurred_at <= END
        last = event.occurred_at


def test_the_server_knows_at_once_how_large_the_tables_are(connection: psycopg.Connection, town: Town) -> None:
    load_town(connection, town)
    for table, rows in (("users", town.people.count), ("posts", len(town.posts))):
        assert number(connection, f"SELECT reltuples FROM pg_class WHERE oid = '{table}'::regclass") == rows


def test_what_was_hidden_stays_hidden(connection: psycopg.Connection, town: Town) -> None:
    load_town(connection, town)
    missing = """
        SELECT count(*) FROM cdc_outbox o WHERE payload->>'kind' = 'hide' AND NOT EXISTS (
            SELECT FROM hidden_items h WHERE h.user_id::text = o.payload->>'user_id'
            AND h.item_kind = o.payload->>'item_kind' AND h.item_id::text = o.payload->>'item_id')
    """
    assert number(connection, "SELECT count(*) FROM hidden_items") > 0
    assert number(connection, missing) == 0


def test_a_second_town_is_refused_in_one_sentence_and_changes_nothing(
    connection: psycopg.Connection,
) -> None:
    first = build_town(TownSpec(users=10, days=1, seed=1, end=END))
    load_town(connection, first)
    events = number(connection, "SELECT count(*) FROM cdc_outbox")

    with pytest.raises(TownError, match="people in this town already"):
        load_town(connection, first)
    assert number(connection, "SELECT count(*) FROM users") == 10
    assert number(connection, "SELECT count(*) FROM cdc_outbox") == events


def test_a_second_town_of_the_same_seed_can_be_added_beside_the_first(connection: psycopg.Connection) -> None:
    load_town(connection, build_town(TownSpec(users=10, days=1, seed=1, end=END)))
    load_town(connection, build_town(TownSpec(users=10, days=1, seed=1, end=END, first_number=10)), add=True)
    assert number(connection, "SELECT count(DISTINCT username) FROM users") == 20


def test_a_load_that_fails_leaves_nothing(connection: psycopg.Connection) -> None:
    town = build_town(TownSpec(users=10, days=1, seed=1, end=END))
    rows = list(town_rows(town, draw_ids(town), password_hash=PASSWORD_HASH))
    broken = [*rows, ("post_likes", pl.DataFrame({"id": ["not a uuid"]}))]
    with pytest.raises(psycopg.DataError):
        load(connection, broken, add=False)
    assert number(connection, "SELECT count(*) FROM users") == 0
    assert number(connection, "SELECT count(*) FROM cdc_outbox") == 0


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
