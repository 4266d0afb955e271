"""What is a row, what is not, and why not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines.ingest.decode import KafkaRecord, decode
from pipelines.ingest.schema import lake_schema
from tests.pipelines.ingest.events import CAPTURED_MS, INTERACTIONS, USERS, change, interaction


def test_a_change_becomes_a_typed_row_with_its_place_and_time() -> None:
    record = change(
        7, created_at="2026-05-01T12:00:00.000001+02:00", interests=["roses"], reputation=3, verified=True, offset=40
    )
    frame, unfit = decode(USERS, [record])
    assert unfit == []
    assert dict(frame.schema) == lake_schema(USERS)
    (row,) = frame.to_dicts()
    assert row["created_at"] == datetime(2026, 5, 1, 10, 0, 0, 1, tzinfo=UTC)
    assert (row["interests"], row["reputation"], row["verified"], row["city"]) == ('["roses"]', 3, True, None)
    assert (row["_event_id"], row["_op"], row["_partition"], row["_offset"]) == (7, "c", 0, 40)
    captured = datetime.fromtimestamp((CAPTURED_MS + 7) / 1000, UTC)
    assert (row["_committed_at"], row["_date"]) == (captured, captured.date())


def test_a_deleted_row_keeps_the_values_it_had() -> None:
    frame, _ = decode(USERS, [change(8, op="d", city="Delft")])
    assert frame.select("_op", "city").row(0) == ("d", "Delft")


def test_columns_that_the_contract_does_not_know_are_left_out() -> None:
    frame, unfit = decode(INTERACTIONS, [interaction(1, shoe_size=43)])
    assert (frame.height, unfit) == (1, [])
    assert "shoe_size" not in frame.columns


def test_a_tombstone_is_neither_a_row_nor_an_error() -> None:
    tombstone = KafkaRecord(USERS.topic, 0, 1, 0, b"key", None, [])
    frame, unfit = decode(USERS, [tombstone])
    assert (frame.height, unfit) == (0, [])


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"user_id": "ada"}, "user_id"),
        ({"user_id": "00000000-0000-0000-0000-00000000000A"}, "user_id"),
        ({"position": "3"}, "position"),
        ({"position": True}, "position"),
        ({"position": 2**31}, "position"),
        ({"occurred_at": "2026-05-01T12:00:00"}, "occurred_at"),
        ({"occurred_at": "tomorrow"}, "occurred_at"),
        ({"occurred_at": 1_780_000_000}, "occurred_at"),
        ({"kind": "cli\0ck"}, "kind"),
        ({"kind": 5}, "kind"),
        ({"interaction_id": None}, "interaction_id"),
        ({"event_id": "7"}, "event id"),
        ({"event_id": -1}, "event id"),
    ],
)
def test_a_value_of_another_type_makes_its_record_alone_unfit(broken: dict[str, Any], reason: str) -> None:
    records = [interaction(n) for n in range(1, 10)]
    records[4] = interaction(5, **broken)
    frame, unfit = decode(INTERACTIONS, records)
    assert frame["_offset"].to_list() == [1, 2, 3, 4, 6, 7, 8, 9]
    assert [each.record for each in unfit] == [records[4]]
    assert reason in unfit[0].reason


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"null", b'"text"', b"{}", b'{"op": "c"}', b"\xff\xfe"])
def test_bytes_that_are_no_event_are_unfit(value: bytes) -> None:
    for stream in (USERS, INTERACTIONS):
        frame, unfit = decode(stream, [KafkaRecord(stream.topic, 0, 1, 0, None, value, [])])
        assert (frame.height, len(unfit)) == (0, 1)
        assert unfit[0].reason


def test_a_change_without_the_image_that_its_operation_needs_is_unfit() -> None:
    record = change(1)
    frame, unfit = decode(USERS, [record._replace(value=(record.value or b"").replace(b'"op":"c"', b'"op":"d"'))])
    assert (frame.height, len(unfit)) == (0, 1)


def test_every_record_of_a_batch_may_be_unfit() -> None:
    records = [interaction(n, user_id="ada") if n % 2 else interaction(n, position="3") for n in range(1, 3_001)]
    frame, unfit = decode(INTERACTIONS, records)
    assert (frame.height, len(unfit)) == (0, 3_000)
    assert {each.reason.partition(":")[0] for each in unfit} == {"user_id", "position"}
