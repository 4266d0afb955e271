"""A write with an older version changes nothing, and reveals that only to people who may write."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.transactional_api.people import Person, Town

WORDS = {"content": "The compost is ready, too."}


async def put(person: Person, path: str, body: Any, version: str) -> httpx.Response:
    return await person.request("PUT", path, json=body, headers={"If-Match": version})


@pytest.fixture
async def post(ada: Person) -> dict[str, Any]:
    return await ada.make_post(await ada.make_connector(is_public=False))


async def test_the_second_write_of_the_same_version_is_refused(ada: Person, post: dict[str, Any]) -> None:
    path = f"/posts/{post['id']}"
    read = (await ada.get(path)).headers["ETag"]
    written = await put(ada, path, WORDS, read)
    assert (written.status_code, written.headers["ETag"] != read) == (200, True)
    stale = await put(ada, path, {"content": "Lost"}, read)
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    now = await ada.get(path)
    assert (now.json()["content"], now.headers["ETag"]) == (WORDS["content"], written.headers["ETag"])
    assert (await ada.request("DELETE", path, headers={"If-Match": read})).status_code == 412
    assert (await ada.request("DELETE", path, headers={"If-Match": f'"x", {now.headers["ETag"]}'})).status_code == 204


async def test_of_two_writes_of_one_version_one_wins(ada: Person, post: dict[str, Any]) -> None:
    path = f"/posts/{post['id']}"
    read = (await ada.get(path)).headers["ETag"]
    answers = await asyncio.gather(*(put(ada, path, {"content": f"Version {n}"}, read) for n in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]


async def test_likes_make_no_new_version(ada: Person, post: dict[str, Any]) -> None:
    path = f"/posts/{post['id']}"
    read = (await ada.get(path)).headers["ETag"]
    await ada.post(f"{path}/like")
    assert (await put(ada, path, WORDS, read)).status_code == 200


async def test_a_version_tells_a_stranger_nothing(town: Town, ben: Person, post: dict[str, Any]) -> None:
    for path in (f"/posts/{post['id']}", f"/posts/{ben.id}"):
        assert (await put(ben, path, WORDS, '"1"')).status_code == 404
    assert (await put(ben, "/posts/nobody", WORDS, '"1"')).status_code == 422


async def test_everything_that_is_replaced_whole_has_versions(ada: Person, ben: Person) -> None:
    connector = await ada.make_connector()
    await ben.post(f"/connectors/{connector['id']}/join")
    of_it = {"connector_id": connector["id"]}
    start = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    event = {"title": "Swap", "start_date": start}
    item = {"title": "Spade", "price": "5.00", "category": "tools"}
    review = {"title": "Kind", "content": "Very", "rating": 5}
    made = {
        "/events": (ada, "/events", event),
        "/marketplace/items": (ada, "/marketplace/items", item),
        "/reviews": (ben, "/reviews", review),
    }
    things = [(ada, f"/connectors/{connector['id']}", {"name": "Gardeners", "category": "gardening"})]
    for who, path, body in made.values():
        thing = (await who.post(path, body | of_it)).json()
        things.append((who, f"{path}/{thing['id']}", body))
    things.append((ada, "/users/profile", {"first_name": "Ada", "last_name": "Okafor"}))
    for who, path, body in things:
        read = (await who.get(path)).headers["ETag"]
        assert (await put(who, path, body, '"0"')).status_code == 412, path
        assert (await put(who, path, body, read)).status_code == 200, path
