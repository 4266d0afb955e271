"""Events: capacity, the wait list, notifications, and calendar files."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from icalendar import Calendar
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.event_times import is_over
from tests.transactional_api.people import Person, Town, somewhere
from transactional_api.community.events import queries
from transactional_api.core.db.tables import Event

START = "2090-05-02T16:00:00+02:00"


async def hold(host: Person, **body: Any) -> dict[str, Any]:
    connector = await host.make_connector()
    answer = await host.post(
        "/events", {"connector_id": connector["id"], "title": "Seed swap", "start_date": START, **body}
    )
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def answer(person: Person, event: dict[str, Any], **body: Any) -> dict[str, Any]:
    return dict((await person.post(f"/events/{event['id']}/rsvp", body)).json())


async def statuses(host: Person, event: dict[str, Any]) -> dict[str, str]:
    items = (await host.get(f"/events/{event['id']}/attendees", limit=100)).json()["items"]
    return {one["user_id"]: one["status"] for one in items}


async def test_times_are_returned_in_utc(ada: Person) -> None:
    event = await hold(ada, time_zone="Europe/Amsterdam")
    assert (event["start_date"], event["time_zone"]) == ("2090-05-02T14:00:00Z", "Europe/Amsterdam")


@pytest.mark.parametrize(
    "wrong",
    [
        {"start_date": "2090-05-02T14:00:00"},
        {"end_date": "2090-05-02T13:00:00Z"},
        {"time_zone": "Middle/Earth"},
        {"max_attendees": 0},
        {"point": {"latitude": 91, "longitude": 0}},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_an_event_that_cannot_be_is_refused(ada: Person, wrong: dict[str, Any]) -> None:
    connector = await ada.make_connector()
    body = {"connector_id": connector["id"], "title": "Seed swap", "start_date": START, **wrong}
    assert (await ada.post("/events", body)).status_code == 422


async def test_who_finds_no_place_waits_and_moves_up_in_order(town: Town, ada: Person, ben: Person) -> None:
    event = await hold(ada, max_attendees=2)
    second, third = [await town.create_user() for _ in range(2)]
    assert (await answer(ben, event, guest_count=1))["status"] == "attending"
    assert [(await answer(person, event))["status"] for person in (second, third)] == ["waiting", "waiting"]
    assert (await answer(ben, event, status="declined"))["attendee_count"] == 2
    assert await statuses(ada, event) == {str(second.id): "attending", str(third.id): "attending"}
    await town.run_jobs()
    assert [one["kind"] for one in (await third.get("/notifications")).json()["items"]] == ["place.freed"]


async def test_a_party_that_does_not_fit_is_not_overtaken(town: Town, ada: Person, ben: Person) -> None:
    event = await hold(ada, max_attendees=2)
    couple, single = [await town.create_user() for _ in range(2)]
    await answer(ben, event)
    assert (await answer(couple, event, guest_count=1))["status"] == "waiting"
    assert (await answer(single, event))["status"] == "waiting"
    assert (await answer(couple, event, guest_count=0))["status"] == "attending"


async def test_capacity_change_promotes_waitlist_or_is_refused(town: Town, ada: Person, ben: Person) -> None:
    event = await hold(ada, max_attendees=1)
    second = await town.create_user()
    await answer(ben, event)
    await answer(second, event)
    body = {"title": "Seed swap", "start_date": START}
    assert (await ada.put(f"/events/{event['id']}", body | {"max_attendees": 2})).json()["attendee_count"] == 2
    refused = await ada.put(f"/events/{event['id']}", body | {"max_attendees": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "capacity_too_low")


async def test_who_has_a_place_keeps_it_when_their_guests_do_not_fit(ada: Person, ben: Person) -> None:
    event = await hold(ada, max_attendees=2)
    await answer(ben, event, guest_count=1)
    refused = await ben.post(f"/events/{event['id']}/rsvp", {"guest_count": 2})
    assert (refused.status_code, refused.json()["code"]) == (409, "capacity_exceeded")
    assert (await ben.get(f"/events/{event['id']}")).json()["attendee_count"] == 2


async def test_many_who_answer_at_once_never_exceed_the_places(town: Town, ada: Person) -> None:
    event = await hold(ada, max_attendees=5)
    people = [await town.create_user() for _ in range(12)]
    told = await asyncio.gather(*(answer(person, event, guest_count=n % 2) for n, person in enumerate(people)))
    taken = sum(1 + one["guest_count"] for one in told if one["status"] == "attending")
    assert taken == (await ada.get(f"/events/{event['id']}")).json()["attendee_count"] <= 5


@settings(max_examples=15, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["attending", "maybe", "declined"]), st.integers(0, 2)),
        max_size=12,
    )
)
async def test_capacity_invariants_hold_for_any_sequence_of_rsvps(
    town: Town, ada: Person, steps: list[tuple[int, str, int]]
) -> None:
    event = await hold(ada, max_attendees=4)
    people = [await town.create_user() for _ in range(5)]
    for number, status, guests in steps:
        await people[number].post(f"/events/{event['id']}/rsvp", {"status": status, "guest_count": guests})
    rows = await town.rows(
        "SELECT status, guests FROM event_attendees WHERE event_id = :id ORDER BY joined_at, id", id=event["id"]
    )
    taken = sum(1 + row.guests for row in rows if row.status == "attending")
    assert taken == (await ada.get(f"/events/{event['id']}")).json()["attendee_count"] <= 4
    line = [1 + row.guests for row in rows if row.status == "waiting"]
    assert not line or taken + line[0] > 4


async def test_a_cancelled_event_says_so_takes_no_answer_and_is_told(town: Town, ada: Person, ben: Person) -> None:
    event = await hold(ada)
    await answer(ben, event)
    assert (await ada.delete(f"/events/{event['id']}")).status_code == 204
    assert (await ben.get(f"/events/{event['id']}")).json()["cancelled"] is True
    refused = await ben.post(f"/events/{event['id']}/rsvp", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "event_cancelled")
    assert (await ada.get(f"/events/connector/{event['connector_id']}")).json()["items"] == []
    await town.run_jobs()
    assert [one["kind"] for one in (await ben.get("/notifications")).json()["items"]] == ["event.cancelled"]


def ago(**time: float) -> str:
    return (datetime.now(UTC) - timedelta(**time)).isoformat()


OVER: list[dict[str, str]] = [
    {"start_date": ago(hours=3, minutes=5)},
    {"start_date": ago(hours=1), "end_date": ago(minutes=1)},
    {"start_date": ago(days=9), "end_date": ago(days=2)},
]
ON_NOW: list[dict[str, str]] = [
    {"start_date": ago(minutes=15)},
    {"start_date": ago(hours=2)},
    {"start_date": ago(days=1), "end_date": ago(days=-2)},
    {"start_date": ago(days=30), "end_date": ago(hours=-1)},
]


@pytest.mark.parametrize("times", OVER)
async def test_an_event_that_is_over_is_not_listed_and_takes_no_answer(
    ada: Person, ben: Person, times: dict[str, str]
) -> None:
    event = await hold(ada, **times)
    refused = await ben.post(f"/events/{event['id']}/rsvp", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "event_over")
    assert (await ben.get(f"/events/connector/{event['connector_id']}")).json()["items"] == []


@pytest.mark.parametrize("times", ON_NOW)
async def test_ongoing_event_is_listed_and_accepts_rsvps(town: Town, ben: Person, times: dict[str, str]) -> None:
    here = somewhere()
    host, neighbor = await town.create_user(), await town.create_user()
    event = await hold(host, **times, point=here)
    connector_id = event["connector_id"]
    assert [one["id"] for one in (await ben.get(f"/events/connector/{connector_id}")).json()["items"]] == [event["id"]]
    now = datetime.now(UTC).isoformat()
    for params in ({}, {"since": now}):
        around = {**here, "radius": 1_000, **params}
        assert [one["id"] for one in (await ben.get("/events", **around)).json()["items"]] == [event["id"]]
    live_status = (await ben.get(f"/connectors/{connector_id}/live-status")).json()
    assert live_status["upcoming_event_ids"] == [event["id"]]
    await neighbor.post(f"/connectors/{connector_id}/join")
    feed = (await neighbor.post("/recommendations/events", {"limit": 50})).json()
    assert event["id"] in [one["event"]["id"] for one in feed["items"]]
    assert (await answer(ben, event))["status"] == "attending"


async def test_one_rule_says_when_an_event_is_over_in_sql_and_python(town: Town, ada: Person) -> None:
    for times in (*OVER, *ON_NOW):
        event = await hold(ada, **times)
        row = select(queries.NOT_OVER).where(Event.id == UUID(event["id"])).select_from(Event)
        async with AsyncSession(town.app.state.context.engine) as session:
            listed = await session.scalar(row)
        end = datetime.fromisoformat(times["end_date"]) if "end_date" in times else None
        assert listed is not is_over(datetime.fromisoformat(times["start_date"]), end, at=datetime.now(UTC))


async def test_a_host_may_keep_the_list_to_themselves(ada: Person, ben: Person) -> None:
    event = await hold(ada, hides_attendees=True)
    assert (await ben.get(f"/events/{event['id']}/attendees")).status_code == 403
    assert (await ada.get(f"/events/{event['id']}/attendees")).status_code == 200


async def test_events_are_found_by_time_and_distance(ada: Person, ben: Person) -> None:
    here = somewhere()
    there = here | {"latitude": here["latitude"] + 0.1}
    near = await hold(ada, point=here, start_date="2091-01-02T10:00:00Z")
    far = await hold(ada, point=there, start_date="2091-01-01T10:00:00Z")
    around = {"since": "2091-01-01T00:00:00Z", "until": "2091-01-03T00:00:00Z", **here}

    async def found(**params: Any) -> list[str]:
        return [one["id"] for one in (await ben.get("/events", **around, **params)).json()["items"]]

    assert await found(radius=2_000) == [near["id"]]
    assert await found(radius=20_000) == [far["id"], near["id"]]
    assert (await ben.get("/events", latitude=1)).status_code == 422


async def test_a_calendar_reads_the_event(ada: Person) -> None:
    event = await hold(
        ada, end_date="2090-05-02T18:00:00Z", location="Corner; bed, \\north", description="Bring\nseeds"
    )
    file = await ada.get(f"/events/{event['id']}/calendar.ics")
    assert file.headers["content-type"].startswith("text/calendar")
    [entry] = Calendar.from_ical(file.content).walk("VEVENT")
    assert (str(entry["summary"]), str(entry["location"])) == ("Seed swap", "Corner; bed, \\north")
    assert (entry["dtstart"].dt, entry["dtend"].dt) == (
        datetime(2090, 5, 2, 14, tzinfo=UTC),
        datetime(2090, 5, 2, 18, tzinfo=UTC),
    )


async def entry_of(person: Person, event: dict[str, Any]) -> Any:
    file = await person.get(f"/events/{event['id']}/calendar.ics")
    [entry] = Calendar.from_ical(file.content).walk("VEVENT")
    return entry


async def test_a_calendar_takes_over_each_change_and_the_cancellation(ada: Person, ben: Person) -> None:
    event = await hold(ada)
    first = await entry_of(ada, event)
    assert (first["sequence"], str(first["status"])) == (0, "CONFIRMED")
    await answer(ben, event)
    assert (await entry_of(ada, event))["sequence"] == 0
    seen = [first]
    for start in ("2090-05-03T16:00:00Z", "2090-05-04T16:00:00Z"):
        await ada.put(f"/events/{event['id']}", {"title": "Seed swap", "start_date": start})
        seen.append(await entry_of(ada, event))
        assert seen[-1]["dtstart"].dt == datetime.fromisoformat(start)
    await ada.delete(f"/events/{event['id']}")
    seen.append(await entry_of(ada, event))
    assert str(seen[-1]["status"]) == "CANCELLED"
    assert [one["sequence"] for one in seen] == [0, 1, 2, 3]
    assert len({str(one["uid"]) for one in seen}) == 1
    changed = [one["last-modified"].dt for one in seen]
    assert changed == sorted(changed)
    assert [one["dtstamp"].dt for one in seen] == changed


async def test_an_event_cancelled_by_other_code_is_a_new_revision(town: Town, ada: Person) -> None:
    event = await hold(ada)
    await town.write("UPDATE events SET is_active = false WHERE id = :id", id=event["id"])
    entry, now = await entry_of(ada, event), (await ada.get(f"/events/{event['id']}")).json()
    assert (entry["sequence"], str(entry["status"])) == (1, "CANCELLED")
    assert now["updated_at"] > event["updated_at"]


async def test_an_event_says_how_many_places_are_left(town: Town, ada: Person, ben: Person) -> None:
    event = await hold(ada, max_attendees=2)
    assert (event["remaining_capacity"], event["is_full"]) == (2, False)
    await answer(ben, event, guest_count=1)
    seen = (await ada.get(f"/events/{event['id']}")).json()
    assert (seen["remaining_capacity"], seen["is_full"]) == (0, True)
    unlimited = await hold(ada)
    assert (unlimited["remaining_capacity"], unlimited["is_full"]) == (None, False)
