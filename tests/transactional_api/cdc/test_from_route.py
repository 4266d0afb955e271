"""Acts of users followed from the route to the rows of the lake and of the warehouse."""

from __future__ import annotations

import time
from typing import Any

import polars as pl
import psycopg
import pytest
from psycopg.rows import dict_row

from neighborconnect.contracts.topics import STREAM_BY_TABLE
from neighborconnect.settings import Settings
from pipelines.ingest.decode import KafkaRecord, decode
from pipelines.ingest.lake import scan_events
from pipelines.ingest.lake_sink import LakeSink
from pipelines.ingest.warehouse_sink import WarehouseSink
from tests.pipelines.ingest.conftest import fresh
from tests.pipelines.ingest.events import next_offsets
from tests.transactional_api.people import Person, Town
from transactional_api.cdc.messages import OUTBOX_COLUMNS, OutboxRow, to_message

__all__ = ["fresh"]


async def respond(ada: Person, ben: Person, garden: dict[str, Any]) -> dict[str, Any]:
    start = {"connector_id": garden["id"], "title": "Seed swap", "start_date": "2099-05-02T14:00:00Z"}
    event = (await ada.post("/events", start)).json()
    answer = await ben.post(f"/events/{event['id']}/rsvp", {"status": "attending", "guest_count": 2})
    assert answer.status_code == 200, answer.text
    return {"event_id": event["id"], "user_id": str(ben.id), "status": "attending", "guests": 2}


async def buy(ada: Person, ben: Person, garden: dict[str, Any]) -> dict[str, Any]:
    offer = {"connector_id": garden["id"], "title": "A spade", "category": "tools", "price": "5.50", "currency": "EUR"}
    item = (await ada.post("/marketplace/items", offer)).json()
    purchase = (await ben.post(f"/marketplace/items/{item['id']}/buy")).json()
    await ada.post(f"/marketplace/purchases/{purchase['id']}/complete")
    people = {"buyer_id": str(ben.id), "seller_id": str(ada.id)}
    return {"id": purchase["id"], "item_id": item["id"], "status": "completed", "currency": "EUR", **people}


async def review(ada: Person, ben: Person, garden: dict[str, Any]) -> dict[str, Any]:
    words = {"connector_id": garden["id"], "title": "Kind", "content": "They lent me a spade.", "rating": 4}
    answer = await ben.post("/reviews", words)
    assert answer.status_code == 201, answer.text
    return {"id": answer.json()["id"], "reviewer_id": str(ben.id), "rating": 4, "state": "visible"}


@pytest.mark.parametrize(
    ("table", "act"), [("event_attendees", respond), ("marketplace_purchases", buy), ("reviews", review)]
)
async def test_an_act_reaches_the_lake_and_the_warehouse(
    *, town: Town, ada: Person, ben: Person, garden: dict[str, Any], fresh: Settings, table: str, act: Any
) -> None:
    expected = await act(ada, ben, garden)
    stream = STREAM_BY_TABLE[table]
    outbox = await town.rows(
        f"SELECT {OUTBOX_COLUMNS} FROM cdc_outbox WHERE topic = :topic AND coalesce(after, before)::text LIKE :user "
        "ORDER BY id",
        topic=stream.topic,
        user=f"%{ben.id}%",
    )
    records = []
    for offset, row in enumerate(outbox):
        message = to_message(OutboxRow(*row), database="product", now_ms=time.time_ns() // 1_000_000)
        place = (message.topic, 0, offset, message.timestamp_ms)
        records.append(KafkaRecord(*place, message.key, message.value, message.headers))
    frame, invalid = decode(stream, records)
    assert (invalid, frame["_unknown"].null_count()) == ([], len(records))
    for sink in (LakeSink(fresh), WarehouseSink(fresh)):
        sink.open()
        assert sink.write(stream, frame, next_offsets(records)) == []
        sink.close()

    newest = scan_events(fresh, table).sort("_event_id").last().collect().row(0, named=True)
    with psycopg.connect(fresh.warehouse_url, row_factory=dict_row) as warehouse:
        [mirrored] = warehouse.execute(f"SELECT * FROM raw.{table}").fetchall()
    with psycopg.connect(fresh.database_url, row_factory=dict_row) as product:
        stored = product.execute(f"SELECT * FROM {table} WHERE id = %s", [mirrored["id"]]).fetchone() or {}
    names = [column.name for column in stream.columns]
    assert {name: mirrored[name] for name in names} == {name: stored[name] for name in names}
    assert {name: str(newest[name]) for name in expected} == {name: str(value) for name, value in expected.items()}
    assert {name: str(mirrored[name]) for name in expected} == {name: str(value) for name, value in expected.items()}
    assert newest["_event_id"] == mirrored["_event_id"] == frame["_event_id"].max()
    assert scan_events(fresh, table).select(pl.len()).collect().item() == len(records)
