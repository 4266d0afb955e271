"""Conversion of records to rows, and reasons of rejection."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from neighborconnect.contracts.topics import STREAM_BY_TABLE
from pipelines.ingest.decode import KafkaRecord, decode
from pipelines.ingest.schema import lake_schema
from tests.pipelines.ingest.events import CAPTURED_MS, INTERACTIONS, USERS, change, interaction, row_change


def test_a_change_becomes_a_typed_row_with_its_offset_and_time() -> None:
    record = change(
        7, created_at="2026-05-01T12:00:00.000001+02:00", interests=["roses"], reputation=3, verified=True, offset=40
    )
    frame, invalid = decode(USERS, [record])
    assert invalid == []
    assert dict(frame.schema) == lake_schema(USERS)
    (row,) = frame.to_dicts()
    assert row["created_at"] == datetime(2026, 5, 1, 10, 0, 0, 1, tzinfo=UTC)
    assert (row["interests"], row["reputation"], row["verified"], row["city"]) == ('["roses"]', 3, True, None)
    assert (row["_event_id"], row["_op"], row["_partition"], row["_offset"]) == (7, "c", 0, 40)
    captured = datetime.fromtimestamp((CAPTURED_MS + 7) / 1000, UTC)
    assert (row["_committed_at"], row["_date"]) == (captured, captured.date())


def test_a_delete_has_the_values_before_it() -> None:
    frame, _ = decode(USERS, [change(8, op="d", city="Delft")])
    assert frame.select("_op", "city").row(0) == ("d", "Delft")


def test_values_of_a_newer_contract_stay_and_withheld_ones_go() -> None:
    frame, invalid = decode(INTERACTIONS, [interaction(1, shoe_size=43), interaction(2)])
    assert (frame["_unknown"].to_list(), invalid) == (['{"shoe_size":43}', None], [])
    frame, _ = decode(USERS, [change(3, first_name="Ada", mood="glad")])
    assert frame["_unknown"].to_list() == ['{"mood":"glad"}']


def test_a_tombstone_is_skipped() -> None:
    tombstone = KafkaRecord(USERS.topic, 0, 1, 0, b"key", None, [])
    frame, invalid = decode(USERS, [tombstone])
    assert (frame.height, invalid) == (0, [])


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
def test_an_invalid_value_rejects_its_record_alone(broken: dict[str, Any], reason: str) -> None:
    records = [interaction(n) for n in range(1, 10)]
    records[4] = interaction(5, **broken)
    frame, invalid = decode(INTERACTIONS, records)
    assert frame["_offset"].to_list() == [1, 2, 3, 4, 6, 7, 8, 9]
    assert [each.record for each in invalid] == [records[4]]
    assert reason in invalid[0].reason


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"null", b'"text"', b"{}", b'{"op": "c"}', b"\xff\xfe"])
def test_malformed_bytes_are_invalid(value: bytes) -> None:
    for stream in (USERS, INTERACTIONS):
        frame, invalid = decode(stream, [KafkaRecord(stream.topic, 0, 1, 0, None, value, [])])
        assert (frame.height, len(invalid)) == (0, 1)
        assert invalid[0].reason


def test_a_change_without_its_row_image_is_invalid() -> None:
    record = change(1)
    frame, invalid = decode(USERS, [record._replace(value=(record.value or b"").replace(b'"op":"c"', b'"op":"d"'))])
    assert (frame.height, len(invalid)) == (0, 1)


def test_every_record_of_a_batch_may_be_invalid() -> None:
    records = [interaction(n, user_id="ada") if n % 2 else interaction(n, position="3") for n in range(1, 3_001)]
    frame, invalid = decode(INTERACTIONS, records)
    assert (frame.height, len(invalid)) == (0, 3_000)
    assert {each.reason.partition(":")[0] for each in invalid} == {"user_id", "position"}


def test_prices_and_counts_keep_their_digits() -> None:
    purchases, conversations = STREAM_BY_TABLE["marketplace_purchases"], STREAM_BY_TABLE["conversations"]
    rows = [
        row_change(purchases, number, image={"id": str(uuid.UUID(int=number)), "price": price})
        for number, price in enumerate((12.5, 99_999_999.99, 5, 0.001, None), start=1)
    ]
    frame, invalid = decode(purchases, rows)
    assert invalid == []
    assert [str(price) for price in frame["price"]] == ["12.5000", "99999999.9900", "5.0000", "0.0010", "None"]
    _, [refused] = decode(purchases, [row_change(purchases, 1, image={"id": str(uuid.UUID(int=1)), "price": "5"})])
    assert refused.reason == "price: a str is not a valid numeric"
    frame, _ = decode(
        conversations, [row_change(conversations, 1, image={"id": str(uuid.UUID(int=1)), "last_event_id": 2**40})]
    )
    assert frame["last_event_id"].to_list() == [2**40]
