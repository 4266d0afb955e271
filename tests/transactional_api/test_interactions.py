"""Behaviour becomes events, and a hide also hides."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from neighborconnect.contracts.events import InteractionEvent
from neighborconnect.contracts.topics import INTERACTIONS_TOPIC
from tests.transactional_api.people import Person, Town, feed_id

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def interaction(person: Person, item_id: str, **changes: Any) -> dict[str, Any]:
    one = {
        "kind": "click",
        "item_kind": "post",
        "item_id": item_id,
        "request_id": feed_id(person),
        "position": 3,
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    return one | changes


async def events_of(town: Town, person: Person) -> list[Any]:
    return await town.rows(
        "SELECT id, topic, payload, traceparent FROM cdc_outbox WHERE key = :key AND topic = :topic ORDER BY id",
        key=str(person.id),
        topic=INTERACTIONS_TOPIC,
    )


async def test_each_interaction_becomes_an_event_of_the_contract(town: Town, ada: Person, ben: Person) -> None:
    post = await ada.make_post(await ada.make_connector())
    sent = [interaction(ben, post["id"]), interaction(ben, post["id"], kind="dwell", dwell_ms=4_200, position=None)]
    answer = await ben.request(
        "POST", "/interactions", json={"interactions": sent}, headers={"traceparent": TRACEPARENT}
    )
    assert (answer.status_code, answer.json()) == (202, {"accepted_count": 2, "rejected": []})
    rows = await events_of(town, ben)
    events = [InteractionEvent(event_id=row.id, **row.payload) for row in rows]
    assert [(event.kind, event.item_id, event.user_id) for event in events] == [
        ("click", UUID(post["id"]), ben.id),
        ("dwell", UUID(post["id"]), ben.id),
    ]
    assert [event.request_id for event in events] == [UUID(one["request_id"]) for one in sent]
    assert events[1].dwell_ms == 4_200
    assert {row.traceparent.split("-")[1] for row in rows} == {TRACEPARENT.split("-")[1]}


async def test_unknown_items_are_named_and_the_others_accepted(town: Town, ada: Person) -> None:
    connector = await ada.make_connector()
    batch = [
        interaction(ada, str(uuid4())),
        interaction(ada, connector["id"], item_kind="connector"),
        interaction(ada, connector["id"]),
    ]
    answer = (await ada.post("/interactions", {"interactions": batch})).json()
    assert answer == {
        "accepted_count": 1,
        "rejected": [{"index": index, "code": "unknown_item", "field": "item_id"} for index in (0, 2)],
    }
    assert len(await events_of(town, ada)) == 1


async def test_a_hide_is_kept_once(town: Town, ada: Person, ben: Person) -> None:
    post = await ada.make_post(await ada.make_connector())
    for _ in range(2):
        await ben.post("/interactions", {"interactions": [interaction(ben, post["id"], kind="hide")]})
    hidden = await town.rows("SELECT item_kind, item_id FROM hidden_items WHERE user_id = :id", id=ben.id)
    assert hidden == [("post", UUID(post["id"]))]


async def test_a_repeated_batch_with_a_key_is_taken_once(town: Town, ada: Person) -> None:
    post = await ada.make_post(await ada.make_connector())
    batch, key = {"interactions": [interaction(ada, post["id"])]}, {"Idempotency-Key": str(uuid4())}
    assert [(await ada.post("/interactions", batch, **key)).status_code for _ in range(2)] == [202, 202]
    assert len(await events_of(town, ada)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "visit"},
        {"kind": "like"},
        {"item_kind": "comment"},
        {"surface": "billboard"},
        {"item_id": "x"},
        {"request_id": None},
        {"position": -1},
        {"position": 10**30},
        {"dwell_ms": 5},
        {"kind": "dwell"},
        {"kind": "dwell", "dwell_ms": -1},
        {"occurred_at": "2026-03-01T00:00:00"},
        pytest.param({"occurred_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}, id="tomorrow"),
        {"occurred_at": "0001-01-01T00:00:00+14:00"},
        {"occurred_at": "9999-12-31T23:59:59-14:00"},
        {"occurred_at": 1e400},
        {"note": "x"},
    ],
    ids=str,
)
async def test_what_is_not_an_interaction_is_refused(ada: Person, change: dict[str, Any]) -> None:
    post = await ada.make_post(await ada.make_connector())
    raw = json.dumps({"interactions": [interaction(ada, post["id"]) | change]})
    answer = await ada.request("POST", "/interactions", content=raw, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("count", [0, 501])
async def test_a_batch_has_one_to_five_hundred(ada: Person, count: int) -> None:
    answer = await ada.post("/interactions", {"interactions": [interaction(ada, str(uuid4()))] * count})
    assert answer.status_code == 422


async def test_five_hundred_are_taken_in_a_handful_of_statements(ada: Person, statements: Any) -> None:
    post = await ada.make_post(await ada.make_connector())
    batch = {"interactions": [interaction(ada, post["id"])] * 500}
    with statements() as sent:
        assert (await ada.post("/interactions", batch)).json()["accepted_count"] == 500
    assert len(sent) <= 5, sent
