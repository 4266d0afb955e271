"""Lists that screens need: posts by author, id, like and bookmark, own events, and users by id and name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.transactional_api.people import Person, Town


def ids(answer: httpx.Response) -> list[str]:
    """Return the ids of a page."""
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def test_posts_by_author_id_like_and_bookmark(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    first, second = [(await ada.make_post(garden))["id"] for _ in range(2)]
    own = (await ben.make_post(garden))["id"]
    for post in (second, first):
        await ben.post(f"/posts/{post}/like")
        assert (await ben.put(f"/posts/{post}/bookmark")).status_code == 204
    await ben.put(f"/posts/{first}/bookmark")
    assert ids(await ben.get("/posts", author_id=str(ada.id))) == [second, first]
    assert ids(await ben.get("/posts", ids=[first, own, str(uuid4())])) == [own, first]
    for path in ("/posts/liked", "/posts/bookmarks"):
        assert ids(await ben.get(path)) == [first, second]
        page = (await ben.get(path, limit=1)).json()
        assert ids(await ben.get(path, cursor=page["next_cursor"])) == [second]
        assert ids(await ada.get(path)) == []
    assert (await ben.get(f"/posts/{first}")).json()["bookmarked"]
    assert not (await ada.get(f"/posts/{first}")).json()["bookmarked"]
    await ben.delete(f"/posts/{first}/bookmark")
    assert ids(await ben.get("/posts/bookmarks")) == [second]

    await town.block(ada, ben)
    assert ids(await ben.get("/posts/bookmarks")) == ids(await ben.get("/posts/liked")) == []
    assert ids(await ben.get("/posts", author_id=str(ada.id))) == []
    assert (await ben.delete(f"/posts/{second}/bookmark")).status_code == 204
    assert (await ben.put(f"/posts/{second}/bookmark")).status_code == 404


async def test_who_likes_and_reacted_to_a_post(town: Town, ada: Person, ben: Person) -> None:
    blocking = await town.create_user()
    club = await ada.make_connector(is_public=False)  # A popular post would be in the feeds of other tests.
    for person in (ben, blocking):
        await town.add_member(person, club)
    post = f"/posts/{(await ada.make_post(club))['id']}"
    for person in (ada, ben):
        await person.post(f"{post}/like")
        await person.put(f"{post}/reaction", {"kind": "love"})

    async def seen(viewer: Person, path: str) -> list[str]:
        return [item["user"]["id"] for item in (await viewer.get(post + path)).json()["items"]]

    await town.block(blocking, ben)
    for path in ("/likes", "/reactions/users"):
        assert await seen(ada, path) == [str(ben.id), str(ada.id)]
        assert await seen(blocking, path) == [str(ada.id)]
    assert (await ada.get(f"{post}/reactions/users")).json()["items"][0]["kind"] == "love"


async def test_own_events_are_going_hosting_or_past(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    made = []
    for days in (2, 1, 3, 4):
        start = (datetime.now(UTC) + timedelta(days=days)).isoformat()
        body = {"connector_id": garden["id"], "title": "Swap", "start_date": start}
        made.append((await ada.post("/events", body)).json()["id"])
    later, soon, declined, past = made
    for event, status in ((later, "attending"), (soon, "maybe"), (declined, "declined"), (past, "attending")):
        await ben.post(f"/events/{event}/rsvp", {"status": status})
    await town.write("UPDATE events SET start_date = now() - interval '9 days' WHERE id = :id", id=past)
    assert ids(await ben.get("/events/mine")) == [soon, later]
    assert ids(await ben.get("/events/mine", part="past")) == [past]
    assert ids(await ben.get("/events/mine", part="hosting")) == []
    assert ids(await ada.get("/events/mine", part="hosting")) == [soon, later, declined]
    assert ids(await ada.get("/events/mine", part="past")) == [past]


async def test_users_connectors_and_items_by_id_and_name(town: Town, ada: Person, ben: Person) -> None:
    cat = await town.create_user()
    await town.block(cat, ben)
    people = [str(ada.id), str(cat.id), str(uuid4())]
    assert ids(await ben.get("/users", ids=people)) == [str(ada.id)]
    assert (await ben.get("/users/by-username", username=ada.id.hex.upper())).json()["id"] == str(ada.id)
    assert (await ben.get("/users/by-username", username=cat.id.hex)).status_code == 404
    assert (await ben.get("/users")).status_code == 422
    assert (await ben.get("/users", ids=[str(uuid4()) for _ in range(101)])).status_code == 422

    clubs = [await ada.make_connector() for _ in range(3)]
    wanted = [club["id"] for club in clubs[:2]]
    assert ids(await ben.get("/connectors", ids=wanted)) == wanted[::-1]
    item = {"connector_id": wanted[0], "title": "Rake", "price": "5.00", "category": "tools"}
    offered = [(await ada.post("/marketplace/items", item)).json()["id"] for _ in range(2)]
    assert ids(await ben.get("/marketplace/items", ids=offered[:1])) == offered[:1]


@pytest.mark.parametrize(("username", "use"), [("taken", "taken"), ("ada.admin", "reserved"), ("free", "available")])
async def test_availability_of_a_username(town: Town, ada: Person, username: str, use: str) -> None:
    named = {"taken": ada.id.hex.upper(), "free": f"x{uuid4().hex}"}.get(username, username)
    seen = await town.nobody.get("/users/username-availability", username=named)
    assert seen.json() == {"username": named.lower(), "use": use}
