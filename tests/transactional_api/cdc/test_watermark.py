"""Low watermark of the relay: never above an event that can still appear, and soon above deleted ones."""

from __future__ import annotations

import random
from collections.abc import Iterator

import psycopg
import pytest

from neighborconnect.contracts.topics import INTERACTIONS_TOPIC
from neighborconnect.settings import Settings
from tests.transactional_api.cdc.rows import Connection, connect, wait_for
from transactional_api.cdc import watermark
from transactional_api.cdc.watermark import LowWatermark

KEY = "low watermark"
WRITERS, STEPS = 4, 120
BATCH = 2


class Scanner:
    """Scans and deletes events as the relay does, and checks for writers each time."""

    def __init__(self, settings: Settings) -> None:
        self.watermark = LowWatermark()
        self.deleted: list[int] = []
        self._connection = psycopg.connect(settings.database_url, autocommit=True)

    def scan(self) -> list[int]:
        rows = self._connection.execute(
            "DELETE FROM cdc_outbox WHERE id IN "
            "(SELECT id FROM cdc_outbox WHERE id >= %s AND key = %s ORDER BY id LIMIT %s) RETURNING id",
            [self.watermark.scan_start(self._connection), KEY, BATCH],
        )
        ids = sorted(event_id for (event_id,) in rows)
        self.watermark.advance(first=ids[0] if ids else None, last=ids[-1] if ids else None)
        self.deleted += ids
        return ids

    def has_passed(self, event_id: int) -> bool:
        self.scan()
        return self.watermark.id > event_id

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def scanner(captured: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scanner]:
    monkeypatch.setattr(watermark, "WRITER_CHECK_SECONDS", -1.0)
    scanner = Scanner(captured)
    yield scanner
    scanner.close()


def write(connection: Connection, *, events: int = 1) -> int:
    """Write events; return the id of the last one."""
    rows = connection.execute(
        "INSERT INTO cdc_outbox (topic, key, payload) SELECT %s, %s, '{}' FROM generate_series(1, %s) RETURNING id",
        [INTERACTIONS_TOPIC, KEY, events],
    )
    return max(int(row["id"]) for row in rows)


def test_it_stays_below_the_ids_of_open_transactions(
    captured: Settings, database: Connection, scanner: Scanner
) -> None:
    with connect(captured, autocommit=False) as slow:
        late = write(slow)
        early = write(database)
        assert [scanner.scan() for _ in range(5)] == [[early], [], [], [], []]
        assert scanner.watermark.id <= late
        slow.commit()
        assert scanner.scan() == [late]
    wait_for(lambda: scanner.has_passed(early))


def test_it_advances_although_an_older_transaction_blocks_vacuum(
    captured: Settings, database: Connection, scanner: Scanner
) -> None:
    with connect(captured, autocommit=False) as pipeline:
        pipeline.execute("SELECT txid_current()")
        last = write(database, events=200)
        wait_for(lambda: scanner.has_passed(last))


@pytest.mark.parametrize("seed", range(4))
def test_every_event_is_read_in_any_order_of_commits(
    captured: Settings, database: Connection, scanner: Scanner, seed: int
) -> None:
    generator, committed = random.Random(seed), set[int]()
    writers = [connect(captured, autocommit=False) for _ in range(WRITERS)]
    open_ids: list[set[int]] = [set() for _ in writers]
    for _ in range(STEPS):
        number = generator.randrange(WRITERS)
        match generator.choice(["write"] * 4 + ["commit", "roll back"] + ["scan"] * 2):
            case "write":
                open_ids[number].add(write(writers[number]))
            case "commit":
                writers[number].commit()
                committed |= open_ids[number]
                open_ids[number] = set()
            case "roll back":
                writers[number].rollback()
                open_ids[number] = set()
            case _:
                scanner.scan()
    for writer in writers:
        writer.rollback()
        writer.close()
    while scanner.scan():
        pass
    assert sorted(scanner.deleted) == sorted(committed)
    wait_for(lambda: scanner.has_passed(max(committed)))


def test_a_periodic_scan_starts_at_the_first_id(
    database: Connection, scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    rejected = write(database)
    database.execute("UPDATE cdc_outbox SET key = 'set aside' WHERE id = %s", [rejected])
    last = write(database)
    wait_for(lambda: scanner.has_passed(last))
    database.execute("UPDATE cdc_outbox SET key = %s WHERE id = %s", [KEY, rejected])
    assert scanner.scan() == []
    monkeypatch.setattr(watermark, "FULL_SCAN_SECONDS", -1.0)
    assert scanner.scan() == [rejected]
