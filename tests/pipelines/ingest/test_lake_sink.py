"""Each event is in the lake once, whatever is read twice and whoever writes twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from deltalake import DeltaTable

from neighborconnect.settings import Settings
from pipelines.ingest.decode import KafkaRecord, decode
from pipelines.ingest.lake import compact, event_table, scan_events, vacuum
from pipelines.ingest.lake_sink import LakeSink
from pipelines.ingest.schema import lake_schema
from pipelines.ingest.sinks import Place
from tests.pipelines.ingest.events import INTERACTIONS, USERS, change, interaction, next_offsets

HERE = Place(INTERACTIONS.topic, 0)


@pytest.fixture
def sink(fresh: Settings) -> LakeSink:
    return LakeSink(fresh)


def write(sink: LakeSink, *records: KafkaRecord) -> None:
    frame, unfit = decode(INTERACTIONS, records)
    assert unfit == []
    assert sink.write(INTERACTIONS, frame, next_offsets(records)) == []


def event_ids(settings: Settings) -> list[int]:
    return sorted(scan_events(settings, "interactions").collect()["_event_id"].to_list())


def test_a_table_without_events_reads_as_an_empty_one(fresh: Settings) -> None:
    frame = scan_events(fresh, "interactions").collect()
    assert frame.height == 0
    assert {"user_id", "occurred_at", "_event_id", "_date"} <= set(frame.columns)


def test_offsets_are_stored_with_the_rows(fresh: Settings, sink: LakeSink) -> None:
    assert sink.offsets([HERE]) == {}
    write(sink, interaction(1, offset=10), interaction(2, offset=11))
    assert LakeSink(fresh).offsets([HERE]) == {HERE: 12}
    assert event_ids(fresh) == [1, 2]


def test_records_that_are_read_again_are_not_written_again(fresh: Settings, sink: LakeSink) -> None:
    write(sink, interaction(1), interaction(2))
    again = LakeSink(fresh)
    again.offsets([HERE])
    write(again, interaction(1), interaction(2), interaction(3))
    assert event_ids(fresh) == [1, 2, 3]


def test_an_event_that_was_published_twice_is_kept_once(fresh: Settings, sink: LakeSink) -> None:
    write(sink, interaction(1, offset=1), interaction(2, offset=2), interaction(1, offset=3))
    write(sink, interaction(2, offset=4), interaction(3, offset=5))
    restarted = LakeSink(fresh)
    write(restarted, interaction(1, offset=6), interaction(3, offset=7), interaction(4, offset=8))
    assert event_ids(fresh) == [1, 2, 3, 4]


def test_offsets_go_on_when_no_record_of_a_batch_is_new(fresh: Settings, sink: LakeSink) -> None:
    write(sink, interaction(1, offset=1))
    write(sink, interaction(1, offset=2))
    assert LakeSink(fresh).offsets([HERE]) == {HERE: 3}
    assert event_ids(fresh) == [1]


def test_a_writer_that_was_believed_dead_adds_nothing(fresh: Settings) -> None:
    zombie, owner = LakeSink(fresh), LakeSink(fresh)
    write(zombie, interaction(1))
    for each in (zombie, owner):
        assert each.offsets([HERE]) == {HERE: 2}
    write(owner, interaction(2), interaction(3), interaction(4))
    write(zombie, interaction(2), interaction(3))
    write(zombie, interaction(4), interaction(5))
    assert event_ids(fresh) == [1, 2, 3, 4, 5]
    assert LakeSink(fresh).offsets([HERE]) == {HERE: 6}


def test_writers_of_other_partitions_do_not_disturb_each_other(fresh: Settings) -> None:
    first, second = LakeSink(fresh), LakeSink(fresh)
    for each in (first, second):
        each.offsets([HERE, Place(INTERACTIONS.topic, 1)])
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


def test_since_and_until_cut_by_the_time_of_the_event(fresh: Settings, sink: LakeSink) -> None:
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    hours = [interaction(n, occurred_at=(noon + timedelta(hours=n)).isoformat()) for n in range(1, 5)]
    write(sink, *hours)
    inside = scan_events(fresh, "interactions", since=noon + timedelta(hours=2), until=noon + timedelta(hours=4))
    assert sorted(inside.collect()["_event_id"].to_list()) == [2, 3]


def test_compaction_and_vacuum_keep_every_event(fresh: Settings, sink: LakeSink) -> None:
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


def test_changes_and_deletes_are_all_kept(fresh: Settings) -> None:
    sink, row = LakeSink(fresh), "00000000-0000-0000-0000-000000000001"
    records = [change(n, op=op, row=row, city=op) for n, op in enumerate("cuud", start=1)]
    frame, _ = decode(USERS, records)
    sink.write(USERS, frame, next_offsets(records))
    kept = scan_events(fresh, "users").sort("_event_id").collect()
    assert kept["_op"].to_list() == list("cuud")
    assert kept["city"].to_list() == list("cuud")


def test_a_table_of_before_gets_the_columns_that_the_contract_has_won(fresh: Settings) -> None:
    lacking = {name: kind for name, kind in lake_schema(USERS).items() if name != "personalised"}
    path, options = fresh.lake_path("events", "users"), fresh.lake_storage_options
    empty = pl.DataFrame(schema=lacking).to_arrow().schema
    DeltaTable.create(path, empty, partition_by=["_date"], storage_options=options)
    assert scan_events(fresh, "users").collect().height == 0
    records = [change(1, personalised=False)]
    LakeSink(fresh).write(USERS, decode(USERS, records)[0], next_offsets(records))
    assert scan_events(fresh, "users").collect()["personalised"].to_list() == [False]
