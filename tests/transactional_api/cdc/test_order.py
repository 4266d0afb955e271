"""A row's events are its history: complete, in order, whoever wrote and however they raced."""

from __future__ import annotations

import random
import threading
import uuid
from itertools import pairwise
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neighborconnect.contracts.tables import USERS
from neighborconnect.settings import Settings
from tests.transactional_api.cdc.rows import Connection, add_user, connect, outbox

WRITERS = 4
CHANGES_EACH = 40


def assert_history(database: Connection, row: uuid.UUID) -> None:
    """Each event must begin where the one before ended, and the last one must end at the present."""
    events = outbox(database, row)
    for earlier, later in pairwise(events):
        assert later["before"] == earlier["after"]
    assert [event["op"] for event in events[:1]] == ["c"]
    present = database.execute("SELECT to_jsonb(u) AS image FROM users u WHERE id = %s", [row]).fetchone()
    published = {column.name for column in USERS.published}
    image = present and {name: value for name, value in present["image"].items() if name in published}
    assert events[-1]["after"] == image


def test_racing_writers_leave_an_unbroken_history_of_every_row(captured: Settings, database: Connection) -> None:
    rows = [add_user(database) for _ in range(3)]
    errors: list[BaseException] = []

    def write(seed: int) -> None:
        choose = random.Random(seed)
        with connect(captured, autocommit=False) as own:
            for change in range(CHANGES_EACH):
                try:
                    for row in sorted(choose.sample(rows, k=choose.randint(1, 3))):
                        own.execute(
                            "UPDATE users SET reputation = reputation + 1, city = %s WHERE id = %s",
                            [f"{seed}-{change}", row],
                        )
                except psycopg.Error as error:
                    errors.append(error)
                own.rollback() if choose.random() < 0.2 else own.commit()

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for row in rows:
        assert_history(database, row)
        assert len(outbox(database, row)) > WRITERS


operations = st.lists(
    st.lists(st.tuples(st.sampled_from(["change", "delete", "create"]), st.integers(0, 2)), min_size=1, max_size=5),
    min_size=1,
    max_size=6,
)


@given(transactions=operations, kept=st.lists(st.booleans(), min_size=6, max_size=6))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_of_transactions_replays_from_its_events(
    database: Connection, transactions: list[list[tuple[str, int]]], kept: list[bool]
) -> None:
    rows = [add_user(database) for _ in range(3)]
    for number, (transaction, commit) in enumerate(zip(transactions, kept, strict=False)):
        with database.transaction(force_rollback=not commit):
            for operation, index in transaction:
                _apply(database, operation, rows[index], number)

    replayed: dict[str, Any] = {}
    for event in outbox(database, *rows):
        assert replayed.get(event["key"]) == event["before"]
        replayed[event["key"]] = event["after"]
    present = database.execute("SELECT id::text, city, reputation FROM users WHERE id = ANY(%s)", [rows]).fetchall()
    assert {key: (image["city"], image["reputation"]) for key, image in replayed.items() if image} == {
        row["id"]: (row["city"], row["reputation"]) for row in present
    }


def _apply(database: Connection, operation: str, row: uuid.UUID, number: int) -> None:
    if operation == "change":
        database.execute("UPDATE users SET reputation = reputation + 1, city = %s WHERE id = %s", [str(number), row])
    elif operation == "delete":
        database.execute("DELETE FROM users WHERE id = %s", [row])
    else:
        database.execute(
            "INSERT INTO users (id, email_hash, username, password_hash, first_name, last_name) "
            "VALUES (%s, %s, %s, 'x', 'a', 'b') ON CONFLICT DO NOTHING",
            [row, f"{row}@example.org", row.hex],
        )
