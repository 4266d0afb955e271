"""Rows that the triggers write, read from the database."""

from __future__ import annotations

import re
import uuid

import psycopg
import pytest

from neighborconnect.contracts.tables import CAPTURED_TABLES, USERS, CapturedTable, ColumnType
from tests.transactional_api.cdc.rows import Connection, add_user, outbox
from transactional_api.cdc.ddl import trigger_statements


def test_insert_update_and_delete_leave_their_images_in_order(database: Connection) -> None:
    user = add_user(database, city="Delft")
    database.execute("UPDATE users SET city = 'Leiden' WHERE id = %s", [user])
    database.execute("DELETE FROM users WHERE id = %s", [user])

    created, updated, deleted = outbox(database, user)
    assert (created["op"], created["before"], created["after"]["city"]) == ("c", None, "Delft")
    assert (updated["op"], updated["before"]["city"], updated["after"]["city"]) == ("u", "Delft", "Leiden")
    assert (deleted["op"], deleted["before"]["city"], deleted["after"]) == ("d", "Leiden", None)
    assert created["topic"] == "neighborconnect.public.users"


def test_no_personal_value_leaves_without_a_named_consumer(database: Connection) -> None:
    marker = f"planted-{uuid.uuid4()}"
    kept_back = [column.name for column in USERS.columns if not column.leaves and column.type is ColumnType.TEXT]
    user = add_user(database, **dict.fromkeys(kept_back, marker[:16]))
    database.execute(f"UPDATE users SET city = 'Delft', {kept_back[0]} = %s WHERE id = %s", [marker, user])
    database.execute("DELETE FROM users WHERE id = %s", [user])

    events = outbox(database, user)
    assert len(events) == 3
    for event in events:
        assert marker[:16] not in repr(event)
        for image in filter(None, (event["before"], event["after"])):
            assert set(image) == {column.name for column in USERS.published}


def test_an_update_of_unpublished_columns_is_not_an_event(database: Connection) -> None:
    user = add_user(database)
    database.execute("UPDATE users SET password_hash = 'y', city = city, last_login = now() WHERE id = %s", [user])
    assert [event["op"] for event in outbox(database, user)] == ["c"]


def test_a_statement_over_many_rows_is_one_event_a_row(database: Connection) -> None:
    people = [add_user(database) for _ in range(20)]
    database.execute("UPDATE users SET reputation = 7 WHERE id = ANY(%s)", [people])
    updates = [event for event in outbox(database, *people) if event["op"] == "u"]
    assert {event["key"] for event in updates} == {str(person) for person in people}
    assert len(updates) == 20


def test_an_upsert_is_a_create_or_an_update_and_never_both(database: Connection) -> None:
    user = add_user(database)
    fresh = uuid.uuid4()
    database.execute(
        "INSERT INTO users (id, email_hash, username, password_hash, first_name, last_name) "
        "SELECT id, id || '@example.org', replace(id::text, '-', ''), 'x', 'a', 'b' FROM unnest(%s::uuid[]) AS t (id) "
        "ON CONFLICT (id) DO UPDATE SET reputation = 3",
        [[user, fresh]],
    )
    assert [event["op"] for event in outbox(database, user)] == ["c", "u"]
    assert [event["op"] for event in outbox(database, fresh)] == ["c"]


def test_a_changed_primary_key_is_a_delete_and_a_create(database: Connection) -> None:
    user, other = add_user(database), uuid.uuid4()
    database.execute("UPDATE users SET id = %s WHERE id = %s", [other, user])
    assert [event["op"] for event in outbox(database, user)] == ["c", "d"]
    assert [event["op"] for event in outbox(database, other)] == ["c"]


def test_a_cascade_captures_every_row_that_goes(database: Connection) -> None:
    user = add_user(database)
    connector, posts = uuid.uuid4(), [uuid.uuid4() for _ in range(3)]
    database.execute(
        "INSERT INTO connectors (id, name, category, created_by) VALUES (%s, 'Gardeners', 'gardening', %s)",
        [connector, user],
    )
    for post in posts:
        database.execute(
            "INSERT INTO posts (id, connector_id, author_id, content) VALUES (%s, %s, %s, 'Tomatoes')",
            [post, connector, user],
        )
        database.execute("INSERT INTO post_likes (post_id, user_id) VALUES (%s, %s)", [post, user])
    database.execute("DELETE FROM connectors WHERE id = %s", [connector])

    gone = outbox(database, connector, *posts)
    assert [event["op"] for event in gone].count("d") == 4
    likes = database.execute(
        "SELECT op FROM cdc_outbox WHERE topic = 'neighborconnect.public.post_likes' "
        "AND coalesce(before, after) ->> 'user_id' = %s ORDER BY id",
        [str(user)],
    ).fetchall()
    assert [event["op"] for event in likes] == ["c"] * 3 + ["d"] * 3


def test_what_is_rolled_back_was_never_an_event(database: Connection) -> None:
    with database.transaction(force_rollback=True):
        user = add_user(database)
        assert len(outbox(database, user)) == 1
    assert outbox(database, user) == []


def test_truncate_is_refused_with_a_hint(database: Connection) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="TRUNCATE of users cannot be captured"):
        database.execute("TRUNCATE users CASCADE")


def test_the_trace_of_the_request_goes_with_the_event(database: Connection) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with database.transaction():
        database.execute("SELECT set_config('neighborconnect.traceparent', %s, true)", [traceparent])
        traced = add_user(database)
    untraced = add_user(database)
    assert outbox(database, traced)[0]["traceparent"] == traceparent
    assert outbox(database, untraced)[0]["traceparent"] is None


@pytest.mark.parametrize("table", CAPTURED_TABLES, ids=lambda table: table.name)
def test_the_live_triggers_are_those_of_the_contract(database: Connection, table: CapturedTable) -> None:
    function, *_ = trigger_statements(table)
    live = database.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [f"cdc_capture_{table.name}"]).fetchall()
    (body,) = re.findall(r"\$\$(.*)\$\$", function, flags=re.DOTALL)
    assert [row["prosrc"].split() for row in live] == [body.split()]

    triggers = database.execute(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname LIKE 'cdc_%%' AND tgenabled = 'O'",
        [table.name],
    ).fetchall()
    assert {row["tgname"] for row in triggers} == {"cdc_insert", "cdc_update", "cdc_delete", "cdc_truncate"}
