"""PATCH of a profile, a connector, an event and an item changes what the body has, and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.transactional_api.media.files import jpeg
from tests.transactional_api.people import Person, Town

BODIES: dict[str, dict[str, Any]] = {
    "profile": {
        "first_name": "Ada",
        "last_name": "Okafor",
        "neighborhood": "Park Slope",
        "city": "New York",
        "phone": "+1 718 555 0114",
        "interests": ["bees", "books"],
    },
    "connector": {
        "name": "Gardeners",
        "category": "gardening",
        "description": "Seeds and tools",
        "rules": "Be kind.",
        "join_policy": "approval",
        "point": {"latitude": 40.5, "longitude": -73.5},
        "settings": {"posting": "moderators"},
    },
    "event": {
        "title": "Seed swap",
        "description": "Bring some",
        "location": "Hall",
        "point": {"latitude": 40.5, "longitude": -73.5},
        "start_date": "2099-05-02T14:00:00Z",
        "end_date": "2099-05-02T16:00:00Z",
        "time_zone": "Europe/Paris",
        "max_attendees": 20,
        "hides_attendees": True,
    },
    "item": {
        "title": "Rake",
        "description": "Old",
        "price": "5.00",
        "currency": "EUR",
        "category": "tools",
        "condition": "good",
        "point": {"latitude": 40.5, "longitude": -73.5},
    },
}
CHANGES: dict[str, dict[str, Any]] = {
    "profile": {"city": "Lyon", "neighborhood": None, "interests": []},
    "connector": {"rules": None, "description": "Tools", "settings": {}},
    "event": {"title": "Plant swap", "end_date": None, "max_attendees": None},
    "item": {"price": "4.50", "condition": None, "point": None},
}
SHOWN: dict[str, dict[str, Any]] = {"connector": {"settings": {"posting": "members"}}}
RESULTS = {kind: changes | SHOWN.get(kind, {}) for kind, changes in CHANGES.items()}
NOT_NULLABLE = {"profile": "first_name", "connector": "category", "event": "start_date", "item": "price"}
COLLECTIONS = {"connector": "/connectors", "event": "/events", "item": "/marketplace/items"}


@pytest.fixture(params=BODIES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def place(kind: str, ada: Person, garden: dict[str, Any]) -> str:
    """The path of a resource of Ada's with every field set."""
    if kind == "profile":
        answer = await ada.put("/users/profile", BODIES[kind])
        assert answer.status_code == 200, answer.text
        return "/users/profile"
    of_connector = {} if kind == "connector" else {"connector_id": garden["id"]}
    answer = await ada.post(COLLECTIONS[kind], BODIES[kind] | of_connector)
    assert answer.status_code == 201, answer.text
    return f"{COLLECTIONS[kind]}/{answer.json()['id']}"


async def patch(person: Person, place: str, body: Any, **headers: str) -> Any:
    return await person.request("PATCH", place, json=body, headers=headers)


async def editable(person: Person, place: str, kind: str) -> dict[str, Any]:
    shown = (await person.get(place)).json()
    return {name: shown[name] for name in BODIES[kind]}


async def test_absent_fields_stay_and_null_clears(ada: Person, place: str, kind: str) -> None:
    before = await editable(ada, place, kind)
    answer = await patch(ada, place, CHANGES[kind])
    assert answer.status_code == 200, answer.text
    assert await editable(ada, place, kind) == before | RESULTS[kind]
    assert answer.headers["etag"] == (await ada.get(place)).headers["etag"]


async def test_a_version_that_was_changed_since_is_412(ada: Person, place: str, kind: str) -> None:
    read = (await ada.get(place)).headers["etag"]
    assert (await patch(ada, place, CHANGES[kind], **{"If-Match": read})).status_code == 200
    stale = await patch(ada, place, CHANGES[kind], **{"If-Match": read})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")


async def test_what_must_not_be_null_or_is_unknown_is_refused(ada: Person, place: str, kind: str) -> None:
    before = await editable(ada, place, kind)
    for body in ({NOT_NULLABLE[kind]: None}, {"nothing": 1}, {"image_url": "https://a.example/x"}, {"images": []}, []):
        answer = await patch(ada, place, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), body
    assert await editable(ada, place, kind) == before


async def test_concurrent_changes_of_different_fields_are_both_made(ada: Person, place: str, kind: str) -> None:
    names = list(CHANGES[kind])[:2]
    answers = await asyncio.gather(*(patch(ada, place, {name: CHANGES[kind][name]}) for name in names))
    assert [answer.status_code for answer in answers] == [200, 200]
    now = await editable(ada, place, kind)
    assert {name: now[name] for name in names} == {name: RESULTS[kind][name] for name in names}


@pytest.mark.parametrize("kind", ["event"])
async def test_the_result_follows_the_rules_of_put(ada: Person, place: str, kind: str) -> None:
    answer = await patch(ada, place, {"end_date": "2099-05-02T13:00:00Z"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert (await ada.get(place)).json()["end_date"] == BODIES[kind]["end_date"]


async def test_media_and_avatar_stay(town: Town, ada: Person, garden: dict[str, Any]) -> None:
    media_id = (await town.keep_upload(ada, jpeg()))["id"]
    shows = {"connector_id": garden["id"], "media_ids": [media_id]}
    item_id = (await ada.post("/marketplace/items", BODIES["item"] | shows)).json()["id"]
    shown = (await patch(ada, f"/marketplace/items/{item_id}", {"title": "Spade"})).json()
    assert (shown["title"], shown["media_ids"]) == ("Spade", [media_id])
    connector = await ada.make_connector(media_id=media_id)
    assert (await patch(ada, f"/connectors/{connector['id']}", {"rules": "Be kind."})).json()["media_id"] == media_id
    assert (await patch(ada, f"/connectors/{connector['id']}", {"media_id": None})).json()["media_id"] is None
    avatar = (await ada.put("/users/profile/avatar", {"media_id": media_id})).json()["avatar_url"]
    assert avatar is not None
    assert (await patch(ada, "/users/profile", {"city": "Lyon"})).json()["avatar_url"] == avatar
