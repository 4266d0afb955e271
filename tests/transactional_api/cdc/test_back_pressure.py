"""Bulk writers wait for room in the outbox; users do not."""

from __future__ import annotations

import psycopg
import pytest

from neighborconnect.settings import Settings
from tests.transactional_api.cdc.rows import Connection, add_user
from transactional_api.cdc.back_pressure import OutboxFullError, wait_for_room


def test_a_bulk_writer_waits_for_the_relay(captured: Settings, database: Connection) -> None:
    with psycopg.connect(captured.database_url, autocommit=True) as bulk_writer:
        people = [add_user(database) for _ in range(3)]
        with pytest.raises(OutboxFullError, match="more than 2 events"):
            wait_for_room(bulk_writer, limit=2, stall_seconds=0)
        people.append(add_user(database))
        database.execute("UPDATE cdc_outbox SET rejected = 'too large' WHERE key = ANY(%s)", [[str(p) for p in people]])
        row = bulk_writer.execute("SELECT count(*) FROM cdc_outbox WHERE rejected IS NULL").fetchone()
        assert row is not None
        wait_for_room(bulk_writer, limit=row[0], stall_seconds=0)
        database.execute("DELETE FROM cdc_outbox WHERE key = ANY(%s)", [[str(p) for p in people]])
