"""Each event is in the lake once, whatever is read twice and whoever writes twice."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from deltalake import DeltaTable, Field

from neighborconnect.settings import Settings
from pipelines.ingest.decode import KafkaRecord, decode
from pipelines.ingest.lake import compact, event_table, scan_events, vacuum
from pipelines.ingest.lake_sink import LakeSink
from pipelines.ingest.schema import lake_schema
from pipelines.ingest.sinks import TopicPartition
from tests.pipelines.ingest.events import INTERACTIONS, USERS, change, interaction, next_offsets

HERE = TopicPartition(INTERACTIONS.topic, 0)


@pytest.fixture
def sink(fresh: Settings) -> LakeSink:
    return LakeSink(fresh)


def write(sink: LakeSink, *records: KafkaRecord) -> None:
    frame, invalid = decode(INTERACTIONS, records)
    assert invalid == []
    assert sink.write(INTERACTIONS, frame, next_offsets(records)) == []


def event_ids(settings: Settings) -> list[int]:
    return sorted(scan_events(settings, "interactions").collect()["_event_id"].to_list())


def test_a_table_without_events_is_read_as_empty(fresh: Settings) -> None:
    frame = scan_events(fresh, "interactions").collect()
    assert frame.height == 0
    assert {"user_id", "occurred_at", "_event_id", "_date"} <= set(frame.columns)


def test_offsets_are_stored_with_the_rows(fresh: Settings, sink: LakeSink) -> None:
    assert sink.offsets([HERE]) == {}
    write(sink, interaction(1, offset=10), interaction(2, offset=11))
    assert LakeSink(fresh).offsets([HERE]) == {HERE: 12}
    assert event_ids(fresh) == [1, 2]


def test_repeated_records_are_written_once(fresh: Settings, sink: LakeSink) -> None:
    write(sink, interaction(1), interaction(2))
    again = LakeSink(fresh)
    again.offsets([HERE])
    write(again, interaction(1), interaction(2), interaction(3))
    assert event_ids(fresh) == [1, 2, 3]


def test_an_event_published_twice_is_stored_once(fresh: Settings, sink: LakeSink) -> None:
    write(sink, interaction(1, offset=1), interaction(2, offset=2), interaction(1, offset=3))
    write(sink, interaction(2, offset=4), interaction(3, offset=5))
    restarted = LakeSink(fresh)
    write(restarted, interaction(1, offset=6), interaction(3, offset=7), interaction(4, offset=8))
    assert event_ids(fresh) == [1, 2, 3, 4]


def test_offsets_advance_without_new_records(fresh: Settings, sink: LakeSink) -> None:
    write(sink, interaction(1, offset=1))
    write(sink, interaction(1, offset=2))
    assert LakeSink(fresh).offsets([HERE]) == {HERE: 3}
    assert event_ids(fresh) == [1]


def test_a_zombie_writer_adds_nothing(fresh: Settings) -> None:
    zombie, owner = LakeSink(fresh), LakeSink(fresh)
    write(zombie, interaction(1))
    for each in (zombie, owner):
        assert each.offsets([HERE]) == {HERE: 2}
    write(owner, interaction(2), interaction(3), interaction(4))
    write(zombie, interaction(2), interaction(3))
    write(zombie, interaction(4), interaction(5))
    assert event_ids(fresh) == [1, 2, 3, 4, 5]
    assert LakeSink(fresh).offsets([HERE]) == {HERE: 6}


def test_writers_of_different_partitions_do_not_conflict(fresh: Settings) -> None:
    first, second = LakeSink(fresh), LakeSink(fresh)
    for each in (first, second):
        each.offsets([HERE, TopicPartition(INTERACTIONS.topic, 1)])
    write(first, interaction(1, partition=0))
    write(second, interaction(2, partition=1))
    write(first, interaction(3, partition=0))
    assert event_ids(fresh) == [1, 2, 3]


def test_a_rewound_partition_is_read_again_without_repeats(fresh: Settings, sink: LakeSink) -> None:
    write(sink, interaction(1), interaction(2))
    sink.rewind(HERE, 0)
    again = LakeSink(fresh)
    assert again.offsets([HERE]) == {HERE: 0}
    write(again, interaction(1, offset=0), interaction(2, offset=1), interaction(3, offset=2))
    assert event_ids(fresh) == [1, 2, 3]


def test_since_and_until_filter_by_event_time(fresh: Settings, sink: LakeSink) -> None:
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    hours = [interaction(n, occurred_at=(noon + timedelta(hours=n)).isoformat()) for n in range(1, 5)]
    write(sink, *hours)
    inside = scan_events(fresh, "interactions", since=noon + timedelta(hours=2), until=noon + timedelta(hours=4))
    assert sorted(inside.collect()["_event_id"].to_list()) == [2, 3]


def test_compaction_and_vacuum_retain_every_event(fresh: Settings, sink: LakeSink) -> None:
    for n in range(1, 6):
        write(sink, interaction(n))
    before = event_ids(fresh)
    assert compact(fresh, "interactions") == 5
    assert vacuum(fresh, "interactions") == 0
    table = event_table(fresh, "interactions")
    assert table is not None
    assert len(table.file_uris()) == 1
    write(sink, interaction(5, offset=6), interaction(6, offset=7))
    assert event_ids(fresh) == [*before, 6]


def test_every_change_and_delete_is_stored(fresh: Settings) -> None:
    sink, row = LakeSink(fresh), "00000000-0000-0000-0000-000000000001"
    records = [change(n, op=op, row=row, city=op) for n, op in enumerate("cuud", start=1)]
    frame, _ = decode(USERS, records)
    sink.write(USERS, frame, next_offsets(records))
    kept = scan_events(fresh, "users").sort("_event_id").collect()
    assert kept["_op"].to_list() == list("cuud")
    assert kept["city"].to_list() == list("cuud")


def test_new_columns_of_the_contract_are_added(fresh: Settings) -> None:
    lacking = {name: kind for name, kind in lake_schema(USERS).items() if name != "personalised"}
    path, options = fresh.lake_path("events", "users"), fresh.lake_storage_options
    empty = pl.DataFrame(schema=lacking).to_arrow().schema
    DeltaTable.create(path, empty, partition_by=["_date"], storage_options=options)
    assert scan_events(fresh, "users").collect().height == 0
    records = [change(1, personalised=False)]
    LakeSink(fresh).write(USERS, decode(USERS, records)[0], next_offsets(records))
    assert scan_events(fresh, "users").collect()["personalised"].to_list() == [False]


def test_a_sink_with_an_older_contract_loses_no_newer_value(fresh: Settings) -> None:
    older = dataclasses.replace(
        USERS, columns=tuple(column for column in USERS.columns if column.name not in {"city", "reputation"})
    )
    records = [change(1, city="Delft", reputation=7), change(2), change(3, city=None, reputation=1)]
    frame, invalid = decode(older, records)
    assert invalid == []
    LakeSink(fresh, streams=[older]).write(older, frame, next_offsets(records))

    newer = LakeSink(fresh)
    upgraded = [change(4, city="Leiden")]
    newer.write(USERS, decode(USERS, upgraded)[0], next_offsets(upgraded))
    rows = scan_events(fresh, "users").sort("_event_id").select("city", "reputation").collect()
    assert rows.rows() == [("Delft", 7), (None, None), (None, 1), ("Leiden", None)]
    assert newer.offsets([TopicPartition(USERS.topic, 0)]) == {TopicPartition(USERS.topic, 0): 5}


def test_a_removed_column_is_null_in_new_rows(fresh: Settings, sink: LakeSink) -> None:
    write(sink, interaction(1, offset=1))
    table = event_table(fresh, "interactions")
    table.alter.add_columns([Field("dropped", "string", nullable=True)])
    again = LakeSink(fresh)
    again.offsets([HERE])
    write(again, interaction(1, offset=1), interaction(2, offset=2))
    assert event_ids(fresh) == [1, 2]
    assert event_table(fresh, "interactions").to_pyarrow_table().column("dropped").null_count == 2
    assert LakeSink(fresh).offsets([HERE]) == {HERE: 3}
