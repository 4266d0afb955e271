"""A suspended person's events take no answers and their items find no buyers, until the suspension ends."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_events import hold
from tests.transactional_api.test_marketplace import offer


async def suspend(town: Town, person: Person, *, until: str = "now() + interval '1 day'") -> None:
    await town.write(f"UPDATE users SET suspended_until = {until} WHERE id = :id", id=person.id)


async def rsvp(person: Person, event: dict[str, Any], status: str = "attending") -> tuple[int, str]:
    answer = await person.post(f"/events/{event['id']}/rsvp", {"status": status})
    return answer.status_code, str(answer.json().get("code") or answer.json()["status"])


async def test_events_of_a_suspended_host_take_no_answers(town: Town, ada: Person, ben: Person) -> None:
    event = await hold(ada)
    await suspend(town, ada)
    assert await rsvp(ben, event) == (409, "rsvps_paused")
    assert await rsvp(ben, event, "maybe") == (409, "rsvps_paused")
    await suspend(town, ada, until="now() - interval '1 second'")
    assert await rsvp(ben, event) == (200, "attending")


async def test_an_attendee_of_a_suspended_host_can_decline(town: Town, ada: Person, ben: Person) -> None:
    event = await hold(ada)
    assert await rsvp(ben, event) == (200, "attending")
    await suspend(town, ada)
    assert await rsvp(ben, event, "declined") == (200, "declined")
    assert (await ben.get(f"/events/{event['id']}")).json()["attendee_count"] == 0


@pytest.mark.parametrize(("method", "act"), [("PUT", "reservation"), ("POST", "buy")])
async def test_items_of_a_suspended_seller_are_not_for_sale(
    town: Town, ada: Person, ben: Person, method: str, act: str
) -> None:
    item = await offer(ada, await ada.make_connector())
    await suspend(town, ada)
    refused = await ben.request(method, f"/marketplace/items/{item['id']}/{act}")
    assert (refused.status_code, refused.json()["code"]) == (409, "sale_paused")
    assert "suspend" not in refused.text
    await suspend(town, ada, until="NULL")
    assert (await ben.request(method, f"/marketplace/items/{item['id']}/{act}")).is_success


async def test_reservation_with_a_suspended_seller_is_releasable_only(town: Town, ada: Person, ben: Person) -> None:
    item = await offer(ada, await ada.make_connector())
    assert (await ben.put(f"/marketplace/items/{item['id']}/reservation")).is_success
    await suspend(town, ada)
    assert (await ben.post(f"/marketplace/items/{item['id']}/buy")).json()["code"] == "sale_paused"
    assert (await ben.delete(f"/marketplace/items/{item['id']}/reservation")).is_success


async def test_offers_of_suspended_people_are_listed_nowhere(town: Town, ada: Person, ben: Person) -> None:
    word = f"q{uuid4().hex[:12]}"
    connector = await ada.make_connector()
    await town.add_member(ben, connector)
    body = {"connector_id": connector["id"], "title": f"Swap {word}", "start_date": "2090-05-02T14:00:00Z"}
    event = (await ada.post("/events", body)).json()
    item = await offer(ada, connector, title=f"Barrow {word}", category=word)

    async def listed() -> dict[str, bool]:
        events = (await ben.get(f"/events/connector/{connector['id']}")).json()["items"]
        items = (await ben.get("/marketplace/items", connector_id=connector["id"])).json()["items"]
        categories = (await ben.get("/marketplace/categories")).json()["items"]
        found = {kind: (await ben.get("/search", q=word, kind=kind)).json()["items"] for kind in ("event", "item")}
        offers = (await ben.post("/recommendations/marketplace", {"limit": 50})).json()["items"]
        live_status = (await ben.get(f"/connectors/{connector['id']}/live-status")).json()
        return {
            "events": event["id"] in {one["id"] for one in events},
            "items": item["id"] in {one["id"] for one in items},
            "categories": word in {one["category"] for one in categories},
            "search for events": bool(found["event"]),
            "search for items": bool(found["item"]),
            "recommended items": item["id"] in {one["item"]["id"] for one in offers},
            "live status": event["id"] in live_status["upcoming_event_ids"],
        }

    assert set((await listed()).values()) == {True}, await listed()
    await suspend(town, ada)
    assert set((await listed()).values()) == {False}, await listed()
    assert (await ben.get(f"/events/{event['id']}")).status_code == 200
