"""Hides are listed and taken back, of every kind that a feed serves; a feed is quoted by its own person only."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from neighborconnect.contracts.events import InteractionEvent
from neighborconnect.contracts.topics import INTERACTIONS_TOPIC
from tests.transactional_api.people import Person, Town, feed_id
from transactional_api.intelligence.recommendations import request_ids

FEEDS = {"post": "content", "connector": "connectors", "event": "events", "item": "marketplace"}
HIDES = "/interactions/hides"


@pytest.fixture
async def items(ada: Person) -> dict[str, str]:
    """One item of each kind that a feed serves, of Ada's."""
    garden = await ada.make_connector()
    of = {"connector_id": garden["id"]}
    event = await ada.post("/events", {**of, "title": "Seed swap", "start_date": "2099-05-02T14:00:00Z"})
    item = await ada.post(
        "/marketplace/items", {**of, "title": "A spade", "category": "tools", "price": "5.00", "currency": "EUR"}
    )
    assert item.status_code == 201, item.text
    post = await ada.make_post(garden)
    return {"post": post["id"], "connector": garden["id"], "event": event.json()["id"], "item": item.json()["id"]}


def reported(kind: str, item_kind: str, item_id: str, request_id: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "item_kind": item_kind,
        "item_id": item_id,
        "request_id": request_id,
        "occurred_at": datetime.now(UTC).isoformat(),
    }


async def report(person: Person, *interactions: dict[str, Any]) -> dict[str, Any]:
    answer = await person.post("/interactions", {"interactions": list(interactions)})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def events_of(town: Town, person: Person) -> list[InteractionEvent]:
    rows = await town.rows(
        "SELECT id, payload FROM cdc_outbox WHERE key = :key AND topic = :topic ORDER BY id",
        key=str(person.id),
        topic=INTERACTIONS_TOPIC,
    )
    return [InteractionEvent(event_id=row.id, **row.payload) for row in rows]


@pytest.mark.parametrize("kind", FEEDS)
async def test_items_of_every_feed_are_hidden_listed_and_shown_again(
    town: Town, ben: Person, items: dict[str, str], kind: str
) -> None:
    # A feed without a record: a page of the town that the tests share need not have the item.
    request_id = feed_id(ben)
    acts = [reported(act, kind, items[kind], request_id) for act in ("impression", "click", "hide")]
    assert await report(ben, *acts) == {"accepted_count": 3, "rejected": []}
    (hidden,) = (await ben.get(HIDES)).json()["items"]
    assert (hidden["item_kind"], hidden["item_id"]) == (kind, items[kind])
    assert hidden["title"]
    assert (await ben.get(HIDES, kind=kind)).json()["items"] == [hidden]
    other = next(one for one in FEEDS if one != kind)
    assert (await ben.get(HIDES, kind=other)).json()["items"] == []
    assert (await ben.delete(f"{HIDES}/{kind}/{items[kind]}")).status_code == 204
    assert (await ben.get(HIDES)).json() == {"items": [], "next_cursor": None}
    assert (await ben.delete(f"{HIDES}/{kind}/{items[kind]}")).status_code == 404
    last = (await events_of(town, ben))[-1]
    assert (last.kind, last.item_kind, last.item_id, last.request_id) == ("unhide", kind, UUID(items[kind]), None)


async def test_hides_are_paged_and_ones_own(ada: Person, ben: Person, items: dict[str, str]) -> None:
    for kind, item_id in items.items():
        await report(ben, reported("hide", kind, item_id, feed_id(ben)))
    seen, cursor = [], None
    while True:
        page = (await ben.get(HIDES, limit=1, **({"cursor": cursor} if cursor else {}))).json()
        seen += [one["item_kind"] for one in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == list(reversed(items))
    assert (await ada.get(HIDES)).json()["items"] == []
    assert (await ada.delete(f"{HIDES}/post/{items['post']}")).status_code == 404
    assert len((await ben.get(HIDES)).json()["items"]) == 4


async def test_a_hide_is_undone_without_consent_and_without_an_event(
    town: Town, ben: Person, items: dict[str, str]
) -> None:
    await report(ben, reported("hide", "post", items["post"], feed_id(ben)))
    before = len(await events_of(town, ben))
    await town.write("UPDATE users SET personalised = false, analysed = false WHERE id = :id", id=ben.id)
    assert (await ben.delete(f"{HIDES}/post/{items['post']}")).status_code == 204
    assert len(await events_of(town, ben)) == before


async def test_what_cannot_be_seen_cannot_be_reported(town: Town, ben: Person, items: dict[str, str]) -> None:
    await town.write("UPDATE connectors SET is_public = false WHERE id = :id", id=items["connector"])
    acts = [reported("hide", kind, item_id, feed_id(ben)) for kind, item_id in items.items()]
    assert [one["code"] for one in (await report(ben, *acts))["rejected"]] == ["unknown_item"] * 4


async def test_hides_have_titles_of_what_can_be_seen(
    town: Town, ada: Person, ben: Person, items: dict[str, str]
) -> None:
    await report(ben, reported("hide", "item", items["item"], feed_id(ben)))
    await report(ben, reported("hide", "user", str(ada.id), feed_id(ben)))
    listed = {one["item_kind"]: one["title"] for one in (await ben.get(HIDES)).json()["items"]}
    assert listed == {"item": "A spade", "user": ada.id.hex}
    await town.write("UPDATE connectors SET is_public = false WHERE id = :id", id=items["connector"])
    listed = {one["item_kind"]: one["title"] for one in (await ben.get(HIDES)).json()["items"]}
    assert listed == {"item": None, "user": ada.id.hex}


async def test_an_invented_foreign_or_old_request_id_is_refused_by_row(
    town: Town, ada: Person, ben: Person, items: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, of_ada = feed_id(ben), feed_id(ada)
    changed = str(UUID(int=UUID(own).int ^ 1))
    with monkeypatch.context() as past:
        now = time.time()
        past.setattr(time, "time", lambda: now - request_ids.WINDOW_SECONDS - 60)
        old = feed_id(ben)
        past.setattr(time, "time", lambda: now + 3_600)
        early = feed_id(ben)
    asked = [str(uuid4()), of_ada, changed, old, early, own]
    answer = await report(ben, *(reported("hide", "post", items["post"], one) for one in asked))
    refused = [{"index": index, "code": "unknown_request", "field": "request_id"} for index in range(5)]
    assert answer == {"accepted_count": 1, "rejected": refused}
    assert [str(one.request_id) for one in await events_of(town, ben)] == [own]


def test_request_id_survives_secret_rotation_but_not_removal(town: Town, ben: Person) -> None:
    settings = town.app.state.settings
    issued = request_ids.issue(ben.id, settings=settings)
    assert (issued.version, issued.variant) == (8, "specified in RFC 4122")
    rotated = settings.model_copy(
        update={"jwt_secret": SecretStr("another"), "jwt_former_secrets": settings.jwt_secret}
    )
    assert request_ids.is_issued(issued, ben.id, settings=rotated)
    assert not request_ids.is_issued(issued, ben.id, settings=rotated.model_copy(update={"jwt_former_secrets": None}))
    assert len({request_ids.issue(ben.id, settings=settings) for _ in range(3)}) == 3


async def test_only_items_of_the_feed_can_be_reported_with_it(town: Town, ben: Person, items: dict[str, str]) -> None:
    feed = (await ben.post("/recommendations/content", {})).json()
    shown = feed["items"][0]["post"]["id"]
    own = reported("click", "post", shown, feed["request_id"]) | {"position": 0, "surface": "feed"}
    foreign = reported("click", "event", items["event"], feed["request_id"])
    refused = {"index": 1, "code": "item_not_in_feed", "field": "item_id"}
    assert await report(ben, own, foreign) == {"accepted_count": 1, "rejected": [refused]}
    (event,) = await events_of(town, ben)
    assert (event.item_id, event.position, event.surface) == (UUID(shown), 0, "feed")

    await town.app.state.redis.delete(f"feed:{feed['request_id']}:items")
    assert await report(ben, foreign) == {"accepted_count": 1, "rejected": []}, "a lost record loses no interaction"
