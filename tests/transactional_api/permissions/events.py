"""``/events``; the one in ``things`` is the owner's."""

from __future__ import annotations

from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import ANYONE, OWNER, Private, Row, told

BODY = {"title": "Seed swap", "start_date": "2090-05-02T14:00:00Z"}
SEEN = told(401, 404, 200, 200, blocked=404)


async def create_data(_town: Town, private: Private) -> None:
    answer = await private.people[OWNER].post("/events", BODY | {"connector_id": private.connector["id"]})
    private.things["event_id"] = answer.json()["id"]


ROWS = [
    Row("POST", "/events", told(401, 404, 201, 201), lambda it: BODY | {"connector_id": it.connector["id"]}),
    Row("GET", "/events", ANYONE),
    Row("GET", "/events/mine", ANYONE),
    Row("GET", "/events/connector/{connector_id}", told(401, 404, 200, 200)),
    Row("GET", "/events/{event_id}", SEEN),
    Row("PUT", "/events/{event_id}", told(401, 404, 403, 200, blocked=404), lambda _: BODY),
    Row("PATCH", "/events/{event_id}", told(401, 404, 403, 200, blocked=404), lambda _: {"location": "Hall"}),
    Row("DELETE", "/events/{event_id}", told(401, 404, 403, 204, blocked=404)),
    Row("POST", "/events/{event_id}/rsvp", SEEN, lambda _: {"status": "maybe"}),
    Row("GET", "/events/{event_id}/attendees", SEEN),
    Row("GET", "/events/{event_id}/calendar.ics", SEEN),
]
