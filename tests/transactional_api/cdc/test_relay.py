"""From the outbox to Kafka: envelope, order, one relay at a time, and no loss when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import orjson

from benchmarks.scratch import scratch_topic
from neighborconnect.contracts.events import ChangeEvent
from neighborconnect.contracts.health import read_health
from neighborconnect.contracts.tables import USERS
from neighborconnect.contracts.topics import INTERACTIONS_TOPIC
from neighborconnect.settings import Settings
from tests.transactional_api.cdc.rows import (
    Connection,
    Topic,
    add_user,
    connect,
    is_drained,
    outbox,
    running_relay,
    wait_for,
)
from transactional_api.cdc.relay import BACKLOG, COUNTED_BACKLOG, Relay
from transactional_api.cdc.snapshot import snapshot

TopicOpener = Callable[[str], Topic]
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def by_key(records: list[Any]) -> dict[str, list[ChangeEvent]]:
    """Change events by row id, in the order of their partition."""
    events: defaultdict[str, list[ChangeEvent]] = defaultdict(list)
    for record in records:
        events[orjson.loads(record.key)["id"]].append(ChangeEvent.model_validate_json(record.value))
    return events


def test_a_change_arrives_in_an_envelope_and_leaves_the_outbox(
    captured: Settings, database: Connection, topic: TopicOpener
) -> None:
    users = topic(USERS.topic)
    with database.transaction():
        database.execute("SELECT set_config('neighborconnect.traceparent', %s, true)", [TRACEPARENT])
        user = add_user(database, city="Delft")
    (row,) = outbox(database, user)
    with running_relay(captured):
        wait_for(lambda: is_drained(database))

    (record,) = [record for record in users.read() if orjson.loads(record.key) == {"id": str(user)}]
    event = ChangeEvent.model_validate_json(record.value)
    assert (event.op, event.before, event.after) == ("c", None, row["after"])
    assert (event.source.lsn, event.source.table, event.source.transaction_id) == (row["id"], "users", row["txid"])
    assert dict(record.headers) == {"event-id": str(row["id"]).encode(), "traceparent": TRACEPARENT.encode()}
    # The database rounds microseconds to milliseconds its own way.
    assert record.timestamp == event.source.ts_ms
    assert abs(event.source.ts_ms - row["created_at"].timestamp() * 1000) <= 1


def test_counting_the_outbox_does_not_read_published_rows(captured: Settings, database: Connection) -> None:
    database.execute(
        "INSERT INTO cdc_outbox (topic, key, payload) SELECT %s, 'nobody', '{}' FROM generate_series(1, 20000)",
        [INTERACTIONS_TOPIC],
    )
    database.execute("DELETE FROM cdc_outbox WHERE key = 'nobody'")
    database.execute("VACUUM (TRUNCATE FALSE, ANALYZE) cdc_outbox")
    try:
        plan = database.execute(f"EXPLAIN {BACKLOG}", {"few": COUNTED_BACKLOG, "low_watermark": 0}).fetchall()
    finally:
        database.execute("VACUUM (ANALYZE) cdc_outbox")
    assert "Seq Scan" not in str(plan)


def test_a_sudden_crowd_is_taken_along_the_index(captured: Settings, database: Connection) -> None:
    """The planner statistics say that the outbox is empty, and that it is best read whole."""
    crowd = 40_000
    read = "SELECT seq_tup_read AS rows FROM pg_stat_user_tables WHERE relname = 'cdc_outbox'"
    database.execute("VACUUM (ANALYZE) cdc_outbox")
    with scratch_topic(captured) as topic, running_relay(captured):
        for _ in range(10):
            add_user(database)
            wait_for(lambda: is_drained(database))
        before = database.execute(read).fetchall()[0]["rows"]
        database.execute(
            "INSERT INTO cdc_outbox (topic, key, payload) SELECT %s, gen_random_uuid(), '{}' "
            "FROM generate_series(1, %s)",
            [topic, crowd],
        )
        wait_for(lambda: is_drained(database))
    after = database.execute(read).fetchall()[0]["rows"]
    database.execute("VACUUM (ANALYZE) cdc_outbox")
    assert after - before < crowd


def test_an_event_of_the_api_arrives_with_its_id_and_key(
    captured: Settings, database: Connection, topic: TopicOpener
) -> None:
    interactions, user = topic(INTERACTIONS_TOPIC), uuid.uuid4()
    database.execute(
        'INSERT INTO cdc_outbox (topic, key, payload) VALUES (%s, %s, \'{"kind": "click"}\')',
        [INTERACTIONS_TOPIC, str(user)],
    )
    (row,) = outbox(database, user)
    with running_relay(captured):
        wait_for(lambda: is_drained(database))
    (record,) = [record for record in interactions.read() if record.key == str(user).encode()]
    assert orjson.loads(record.value) == {"event_id": row["id"], "kind": "click"}


def test_a_sleeping_relay_hears_of_new_events(captured: Settings, database: Connection) -> None:
    with running_relay(captured):
        wait_for(lambda: _is_idle(database) is True)
        user = add_user(database)
        wait_for(lambda: outbox(database, user) == [])
        wait_for(lambda: _is_idle(database) is True)


def _is_idle(database: Connection) -> bool | None:
    row = database.execute("SELECT idle FROM cdc_relay_state").fetchone()
    return bool(row["idle"]) if row else None


def test_a_second_relay_waits_and_takes_over(captured: Settings, database: Connection) -> None:
    first, second = threading.Event(), threading.Event()
    threads = [threading.Thread(target=Relay(captured, stop=stop).run) for stop in (first, second)]
    threads[0].start()
    wait_for(lambda: _leaders(database) == 1)
    threads[1].start()
    add_user(database)
    wait_for(lambda: is_drained(database))
    assert _leaders(database) == 1
    first.set()
    threads[0].join(30)
    user = add_user(database)
    wait_for(lambda: outbox(database, user) == [])
    second.set()
    threads[1].join(30)
    assert not any(thread.is_alive() for thread in threads)


def _leaders(database: Connection) -> int:
    return len(
        database.execute("SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 7235002 AND granted").fetchall()
    )


def test_a_message_that_kafka_refuses_is_parked_and_others_go_on(captured: Settings, database: Connection) -> None:
    huge, small = uuid.uuid4(), uuid.uuid4()
    for key, text in ((huge, "x" * 1_200_000), (small, "x")):
        database.execute(
            "INSERT INTO cdc_outbox (topic, key, payload) VALUES (%s, %s, jsonb_build_object('text', %s::text))",
            [INTERACTIONS_TOPIC, str(key), text],
        )
    with running_relay(captured):
        wait_for(lambda: is_drained(database))
        wait_for(lambda: "1 rejected" in (health.detail if (health := read_health("relay")) else ""))
    (row,) = outbox(database, huge, small)
    assert row["key"] == str(huge)
    assert "bytes" in row["rejected"]
    database.execute("DELETE FROM cdc_outbox WHERE id = %s", [row["id"]])


def test_a_relay_killed_under_load_loses_nothing_and_keeps_order(
    captured: Settings, database: Connection, topic: TopicOpener
) -> None:
    users = topic(USERS.topic)
    people = [add_user(database) for _ in range(200)]
    for reputation in range(1, 11):
        database.execute("UPDATE users SET reputation = %s WHERE id = ANY(%s)", [reputation, people])
    written = outbox(database, *people)
    # Locked rows stop the relay between its publication of a batch and the deletion of that batch.
    with connect(captured, autocommit=False) as lock:
        lock.execute("SELECT FROM cdc_outbox WHERE id = %s FOR UPDATE", [written[-1]["id"]])
        relay = subprocess.Popen(
            [sys.executable, "-m", "transactional_api.cdc"], stdout=subprocess.DEVNULL, env=os.environ
        )
        wait_for(lambda: _is_deleting(captured))
        relay.send_signal(signal.SIGKILL)
        relay.wait()
        # The server notices only at the end of a statement that its client is gone, and would then have deleted.
        database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'relay'")
        wait_for(lambda: not _is_deleting(captured))
    assert outbox(database, *people) == written
    with running_relay(captured):
        wait_for(lambda: is_drained(database))

    arrived = by_key(users.read())
    assert sum(len(arrived[str(person)]) for person in people) > len(written), "the killed relay published nothing"
    for person in people:
        ids = [event.source.lsn for event in arrived[str(person)]]
        firsts = list(dict.fromkeys(ids))
        assert firsts == sorted(firsts) == [row["id"] for row in written if row["key"] == str(person)]


def _is_deleting(captured: Settings) -> bool:
    """Whether a relay waits for a lock in the deletion of a batch."""
    with connect(captured) as other:
        return bool(
            other.execute(
                "SELECT FROM pg_stat_activity WHERE application_name = 'relay' AND wait_event_type = 'Lock' "
                "AND query LIKE 'DELETE FROM cdc_outbox%'"
            ).fetchall()
        )


def test_a_snapshot_publishes_rows_with_ids_above_their_changes(captured: Settings, database: Connection) -> None:
    people = [add_user(database, city="Delft") for _ in range(5)]
    rows = snapshot(captured.database_url, USERS)
    counted = database.execute("SELECT count(*) AS n FROM users").fetchone()
    assert counted == {"n": rows}
    for person in people:
        created, read_again = outbox(database, person)
        assert read_again["op"] == "r"
        assert read_again["after"] == created["after"]
        assert read_again["id"] > created["id"]


def test_snapshot_waits_for_open_writers(captured: Settings, database: Connection) -> None:
    user = add_user(database, city="Delft")
    writing = threading.Thread(target=snapshot, args=(captured.database_url, USERS))
    with database.transaction():
        database.execute("UPDATE users SET city = 'Leiden' WHERE id = %s", [user])
        writing.start()
        wait_for(lambda: _waits_for_a_row(captured))
    writing.join(60)
    cities = [(event["op"], event["after"]["city"]) for event in outbox(database, user)]
    assert cities == [("c", "Delft"), ("u", "Leiden"), ("r", "Leiden")]


def _waits_for_a_row(captured: Settings) -> bool:
    with connect(captured) as other:
        return bool(
            other.execute(
                "SELECT FROM pg_stat_activity WHERE application_name = 'snapshot' AND wait_event_type = 'Lock'"
            ).fetchall()
        )
