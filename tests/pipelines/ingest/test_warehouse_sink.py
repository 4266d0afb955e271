"""The mirror shows the present, events are there once, and offsets are part of the transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from neighborconnect.contracts.topics import Stream
from neighborconnect.settings import Settings
from pipelines.ingest.decode import KafkaRecord, decode
from pipelines.ingest.sinks import TopicPartition
from pipelines.ingest.warehouse_sink import WarehouseSink
from tests.pipelines.ingest.events import INTERACTIONS, USERS, change, interaction, next_offsets

ROW = str(uuid.UUID(int=1))


@pytest.fixture
def sink(fresh: Settings) -> Iterator[WarehouseSink]:
    sink = WarehouseSink(fresh)
    sink.open()
    yield sink
    sink.close()


def write(sink: WarehouseSink, stream: Stream, *records: KafkaRecord) -> list[tuple[int, str]]:
    frame, invalid = decode(stream, records)
    assert invalid == []
    return sink.write(stream, frame, next_offsets(records))


def rows(settings: Settings, table: str) -> list[dict[str, Any]]:
    with psycopg.connect(settings.warehouse_url, row_factory=dict_row) as connection:
        return connection.execute(f"SELECT * FROM raw.{table} ORDER BY _event_id").fetchall()


def test_the_mirror_has_the_newest_state_of_each_row(fresh: Settings, sink: WarehouseSink) -> None:
    write(sink, USERS, change(1, row=ROW, city="Delft", interests=["a", 'b"\\,\n']), change(2, city=""))
    write(sink, USERS, change(3, op="u", row=ROW, city="Leiden"), change(4, op="u", row=ROW, city="Gouda"))
    other, mine = rows(fresh, "users")
    assert (str(mine["id"]), mine["city"], mine["_event_id"], mine["_op"]) == (ROW, "Gouda", 4, "u")
    assert (other["city"], mine["interests"], mine["_deleted"]) == ("", None, False)


def test_texts_are_stored_unchanged(fresh: Settings, sink: WarehouseSink) -> None:
    strange = ["", "null", "\\N", 'quo"te', "com,ma", "two\nlines", "tab\t", "🌻"]
    write(sink, USERS, *(change(n, city=text, interests=[text]) for n, text in enumerate(strange, start=1)))
    kept = rows(fresh, "users")
    assert [row["city"] for row in kept] == strange
    assert [row["interests"] for row in kept] == [[text] for text in strange]


def test_an_older_event_never_overwrites_a_newer_one(fresh: Settings, sink: WarehouseSink) -> None:
    write(sink, USERS, change(5, op="u", row=ROW, city="new", offset=1))
    write(sink, USERS, change(4, op="u", row=ROW, city="old", offset=2))
    assert [row["city"] for row in rows(fresh, "users")] == ["new"]


def test_a_deleted_row_retains_only_its_id(fresh: Settings, sink: WarehouseSink) -> None:
    write(sink, USERS, change(1, row=ROW, city="Delft", neighborhood="Centrum"))
    write(sink, USERS, change(2, op="d", row=ROW, city="Delft", neighborhood="Centrum"))
    (row,) = rows(fresh, "users")
    kept = {name: value for name, value in row.items() if value is not None}
    assert {**kept, "id": str(kept["id"])}.keys() == {"id", "_event_id", "_op", "_committed_at", "_deleted"}
    assert row["_deleted"] is True


def test_an_event_is_inserted_once(fresh: Settings, sink: WarehouseSink) -> None:
    write(sink, INTERACTIONS, interaction(1, offset=1), interaction(2, offset=2), interaction(1, offset=3))
    write(sink, INTERACTIONS, interaction(2, offset=4), interaction(3, offset=5))
    assert [row["_event_id"] for row in rows(fresh, "interactions")] == [1, 2, 3]


def test_records_below_the_stored_offset_are_skipped(fresh: Settings, sink: WarehouseSink) -> None:
    here = TopicPartition(INTERACTIONS.topic, 0)
    assert sink.offsets([here]) == {}
    write(sink, INTERACTIONS, interaction(1), interaction(2))
    zombie = WarehouseSink(fresh)
    zombie.open()
    assert zombie.offsets([here]) == {here: 3}
    write(zombie, INTERACTIONS, interaction(8, offset=1), interaction(9, offset=2), interaction(3))
    zombie.close()
    assert [row["_event_id"] for row in rows(fresh, "interactions")] == [1, 2, 3]


def test_rejected_rows_are_returned_and_nothing_is_committed(fresh: Settings, sink: WarehouseSink) -> None:
    records = [change(n, interests=["ok"]) for n in range(1, 9)]
    records[5] = change(6, interests=["nul \0 in a document"])
    refused = write(sink, USERS, *records)
    assert [row for row, _ in refused] == [5]
    assert "Unicode" in refused[0][1]
    assert rows(fresh, "users") == []
    assert sink.offsets([TopicPartition(USERS.topic, 0)]) == {}


def test_a_new_column_of_the_contract_is_added(fresh: Settings, sink: WarehouseSink) -> None:
    with psycopg.connect(fresh.warehouse_url) as connection:
        connection.execute("ALTER TABLE raw.users DROP COLUMN city")
    upgraded = WarehouseSink(fresh)
    upgraded.open()
    write(upgraded, USERS, change(1, city="Delft"))
    upgraded.close()
    assert rows(fresh, "users")[0]["city"] == "Delft"
