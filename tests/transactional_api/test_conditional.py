"""A read that the client has already is answered with 304, and an entity tag changes with what is shown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.transactional_api.people import API, Person, Town
from transactional_api.core.http.conditional_requests import version_of
from transactional_api.openapi import PATH

READS = [
    path.removeprefix("/api/v1")
    for path, operations in json.loads(Path(PATH).read_text(encoding="utf-8"))["paths"].items()
    if "get" in operations and path.startswith("/api/v1")
]


async def read(person: Person, path: str, *tags: str) -> httpx.Response:
    headers = [("Authorization", f"Bearer {person.token}"), *(("If-None-Match", tag) for tag in tags)]
    return await person.http.get(API + path, headers=headers)


@pytest.fixture
async def ids(ada: Person, ben: Person, garden: dict[str, Any]) -> dict[str, str]:
    post = await ada.make_post(garden)
    event = await ada.post(
        "/events", {"connector_id": garden["id"], "title": "Seed swap", "start_date": "2099-05-02T14:00:00Z"}
    )
    return {
        "connector_id": garden["id"],
        "post_id": post["id"],
        "event_id": event.json()["id"],
        "user_id": str(ben.id),
    }


def filled(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda name: ids.get(name[1], "none"), path)


@pytest.mark.parametrize("path", READS)
async def test_every_read_with_an_entity_tag_gives_304(ada: Person, ids: dict[str, str], path: str) -> None:
    place = filled(path, ids)
    if place.endswith("/stream"):
        return
    first = await ada.get(place)
    if "etag" not in first.headers:
        json_or_calendar = first.headers.get("content-type", "").startswith(("application/json", "text/calendar"))
        assert first.status_code != 200 or not json_or_calendar
        return
    again = await read(ada, place, first.headers["etag"])
    if again.status_code == 200:  # Something in it is new each time, such as the present time.
        assert again.headers["etag"] != first.headers["etag"]
        return
    assert (again.status_code, again.content) == (304, b"")
    for name in ("etag", "cache-control", "vary"):
        assert again.headers.get(name) == first.headers.get(name)
    assert not {"content-type", "content-length"} & set(again.headers)


@pytest.mark.parametrize(
    ("path", "cache_control"),
    [
        ("/posts/{post_id}", "private, no-cache"),
        ("/posts/connector/{connector_id}", "private, no-cache"),
        ("/connectors/{connector_id}", "private, no-cache"),
        ("/connectors/{connector_id}/members", "private, no-cache"),
        ("/events/{event_id}", "private, no-cache"),
        ("/events/{event_id}/calendar.ics", "private, no-cache"),
        ("/users/profile", "no-store"),
        ("/users/{user_id}", "no-store"),
        ("/notifications", "no-store"),
        ("/notifications/unread", "no-store"),
        ("/chat/conversations", "no-store"),
    ],
)
async def test_a_read_of_each_kind_gives_304(ada: Person, ids: dict[str, str], path: str, cache_control: str) -> None:
    place = filled(path, ids)
    first = await ada.get(place)
    again = await read(ada, place, first.headers["ETag"])
    assert (first.status_code, again.status_code) == (200, 304)
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"] == cache_control


@pytest.mark.parametrize(
    ("tags", "status"),
    [
        (["*"], 304),
        (["{etag}"], 304),
        (["W/{etag}"], 304),
        (['"x", W/"y" ,{etag}'], 304),
        (['"a,b",{etag}'], 304),
        (['"x"', "{etag}"], 304),
        (['"x"'], 200),
        (["nonsense"], 200),
        ([""], 200),
        (['"{etag}'], 200),
        (['"*"'], 200),
    ],
)
async def test_if_none_match_is_a_list_compared_weakly(
    ada: Person, ids: dict[str, str], tags: list[str], status: int
) -> None:
    path = f"/posts/{ids['post_id']}"
    etag = (await ada.get(path)).headers["ETag"]
    assert (await read(ada, path, *(tag.replace("{etag}", etag) for tag in tags))).status_code == status


async def test_etag_follows_content_and_staleness_the_version(ada: Person, ben: Person, ids: dict[str, str]) -> None:
    path = f"/posts/{ids['post_id']}"
    before = (await ada.get(path)).headers["ETag"]
    await ben.post(f"{path}/like")
    liked = await read(ada, path, before)
    assert (liked.status_code, liked.json()["like_count"]) == (200, 1)
    assert version_of(liked.headers["ETag"]) == version_of(before)
    for written_as in ("{}", "W/{}", '"x", {}'):
        tag = written_as.format(before)
        written = await ada.request("PUT", path, json={"content": f"Edited with {tag}"}, headers={"If-Match": tag})
        assert written.status_code == 200, written.text
        before = written.headers["ETag"]
        assert (await read(ada, path, before)).status_code == 304


async def test_viewers_have_tags_of_their_own(ada: Person, ben: Person, ids: dict[str, str]) -> None:
    path = f"/posts/{ids['post_id']}"
    await ben.post(f"{path}/like")
    of_ada = await ada.get(path)
    assert "Authorization" in of_ada.headers["Vary"]
    assert (await read(ben, path, of_ada.headers["ETag"])).status_code == 200


async def test_errors_writes_redirects_and_probes_have_no_tag(town: Town, ada: Person) -> None:
    answers = [
        await ada.get("/posts/none"),
        await town.nobody.get("/connectors/none"),
        await ada.post("/connectors", {"name": "Gardeners", "category": "gardening"}),
        await town.http.get("/healthz"),
        await town.http.get("/metrics"),
    ]
    assert not [answer.url for answer in answers if "etag" in answer.headers]
    assert (await town.nobody.request("GET", "/notifications", headers={"If-None-Match": "*"})).status_code == 401
