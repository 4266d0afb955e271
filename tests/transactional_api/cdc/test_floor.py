"""Where the relay begins to look: never above an event that is still to come, and not for long below what it took."""

from __future__ import annotations

import random
from collections.abc import Iterator

import psycopg
import pytest

from neighborconnect.contracts.topics import INTERACTIONS_TOPIC
from neighborconnect.settings import Settings
from tests.transactional_api.cdc.rows import Connection, connect, wait_for
from transactional_api.cdc import floor as floor_module
from transactional_api.cdc.floor import Floor

KEY = "of the floor"
WRITERS, STEPS = 4, 120
BATCH = 2


class Looker:
    """Takes events as the relay does, and asks who is writing each time."""

    def __init__(self, settings: Settings) -> None:
        self.floor = Floor()
        self.taken: list[int] = []
        self._connection = psycopg.connect(settings.database_url, autocommit=True)

    def look(self) -> list[int]:
        found = self._connection.execute(
            "DELETE FROM cdc_outbox WHERE id IN "
            "(SELECT id FROM cdc_outbox WHERE id >= %s AND key = %s ORDER BY id LIMIT %s) RETURNING id",
            [self.floor.before_look(self._connection), KEY, BATCH],
        )
        ids = sorted(event_id for (event_id,) in found)
        self.floor.after_look(first=ids[0] if ids else None, last=ids[-1] if ids else None)
        self.taken += ids
        return ids

    def has_risen_above(self, event_id: int) -> bool:
        self.look()
        return self.floor.id > event_id

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def looker(captured: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Looker]:
    monkeypatch.setattr(floor_module, "ASK_SECONDS", -1.0)
    looker = Looker(captured)
    yield looker
    looker.close()


def write(connection: Connection, *, events: int = 1) -> int:
    """Write events, and return the id of the last."""
    rows = connection.execute(
        "INSERT INTO cdc_outbox (topic, key, payload) SELECT %s, %s, '{}' FROM generate_series(1, %s) RETURNING id",
        [INTERACTIONS_TOPIC, KEY, events],
    )
    return max(int(row["id"]) for row in rows)


def test_it_stays_below_whoever_is_still_writing(captured: Settings, database: Connection, looker: Looker) -> None:
    with connect(captured, autocommit=False) as slow:
        late = write(slow)
        early = write(database)
        assert [looker.look() for _ in range(5)] == [[early], [], [], [], []]
        assert looker.floor.id <= late
        slow.commit()
        assert looker.look() == [late]
    wait_for(lambda: looker.has_risen_above(early))


def test_it_rises_though_an_older_transaction_keeps_what_is_dead(
    captured: Settings, database: Connection, looker: Looker
) -> None:
    with connect(captured, autocommit=False) as pipeline:
        pipeline.execute("SELECT txid_current()")
        last = write(database, events=200)
        wait_for(lambda: looker.has_risen_above(last))


@pytest.mark.parametrize("seed", range(4))
def test_whoever_commits_when_every_event_is_found(
    captured: Settings, database: Connection, looker: Looker, seed: int
) -> None:
    generator, committed = random.Random(seed), set[int]()
    writers = [connect(captured, autocommit=False) for _ in range(WRITERS)]
    open_ids: list[set[int]] = [set() for _ in writers]
    for _ in range(STEPS):
        place = generator.randrange(WRITERS)
        match generator.choice(["write"] * 4 + ["commit", "roll back"] + ["look"] * 2):
            case "write":
                open_ids[place].add(write(writers[place]))
            case "commit":
                writers[place].commit()
                committed |= open_ids[place]
                open_ids[place] = set()
            case "roll back":
                writers[place].rollback()
                open_ids[place] = set()
            case _:
                looker.look()
    for writer in writers:
        writer.rollback()
        writer.close()
    while looker.look():
        pass
    assert sorted(looker.taken) == sorted(committed)
    wait_for(lambda: looker.has_risen_above(max(committed)))


def test_it_looks_from_the_start_now_and_then(
    database: Connection, looker: Looker, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = write(database)
    database.execute("UPDATE cdc_outbox SET key = 'set aside' WHERE id = %s", [refused])
    last = write(database)
    wait_for(lambda: looker.has_risen_above(last))
    database.execute("UPDATE cdc_outbox SET key = %s WHERE id = %s", [KEY, refused])
    assert looker.look() == []
    monkeypatch.setattr(floor_module, "FROM_THE_START_SECONDS", -1.0)
    assert looker.look() == [refused]
