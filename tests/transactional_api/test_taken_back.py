"""Notices of a withdrawn act disappear, and the other side of a canceled reservation is notified."""

from __future__ import annotations

from typing import Any

import pytest

from tests.transactional_api.media.files import video
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_moderation import decide, report

Act = tuple[str, str, Any, str]
"""The method, path and body of what a person does, and the path by which they take it back with DELETE."""


async def kinds(person: Person) -> list[str]:
    return sorted(one["kind"] for one in (await person.get("/notifications")).json()["items"])


async def unread(person: Person) -> int:
    return int((await person.get("/notifications/unread")).json()["unread_count"])


@pytest.fixture
async def garden(town: Town, ada: Person, ben: Person) -> dict[str, Any]:
    made = await ada.make_connector()
    await town.add_member(ben, made)
    return made


@pytest.fixture
async def item(ada: Person, garden: dict[str, Any]) -> dict[str, Any]:
    body = {"title": "Wheelbarrow", "price": "25.00", "category": "garden", "connector_id": garden["id"]}
    return dict((await ada.post("/marketplace/items", body)).json())


async def act_of(kind: str, town: Town, ada: Person, garden: dict[str, Any]) -> Act:
    """Make something of Ada's, and return an act on it."""
    if kind == "user.followed":
        return "POST", f"/users/{ada.id}/follow", None, f"/users/{ada.id}/follow"
    if kind == "join.requested":
        path = f"/connectors/{(await ada.make_connector(join_policy='approval'))['id']}"
        return "POST", f"{path}/join", None, f"{path}/leave"
    if kind == "reel.liked":
        clip = await town.keep_upload(ada, video(pictures=30))
        body = {"connector_id": garden["id"], "media_id": clip["id"], "title": "Tomatoes"}
        path = f"/reels/{(await ada.post('/reels', body)).json()['id']}/like"
        return "POST", path, None, path
    if kind == "item.reserved":
        body = {"title": "Spade", "price": "5.00", "category": "garden", "connector_id": garden["id"]}
        path = f"/marketplace/items/{(await ada.post('/marketplace/items', body)).json()['id']}/reservation"
        return "PUT", path, None, path
    path = f"/posts/{(await ada.make_post(garden))['id']}"
    if kind == "post.reacted":
        return "PUT", f"{path}/reaction", {"kind": "love"}, f"{path}/reaction"
    if kind == "comment.liked":
        path = f"{path}/comments/{(await ada.post(f'{path}/comments', {'content': 'Seeds?'})).json()['id']}"
    return "PUT" if kind == "comment.liked" else "POST", f"{path}/like", None, f"{path}/like"


@pytest.mark.parametrize(
    "kind",
    [
        "post.liked",
        "post.reacted",
        "comment.liked",
        "reel.liked",
        "user.followed",
        "join.requested",
        "item.reserved",
    ],
)
async def test_what_is_taken_back_leaves_the_list_and_the_number(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], kind: str
) -> None:
    method, path, body, back = await act_of(kind, town, ada, garden)
    besides = ["reservation.cancelled"] if kind == "item.reserved" else []
    for earlier in range(2):  # Done again, it is one notification, not two.
        assert (await ben.request(method, path, json=body)).is_success
        await town.run_jobs()
        assert await kinds(ada) == sorted([kind, *besides * earlier])
        assert await unread(ada) == 1 + len(besides) * earlier
        assert (await ben.delete(back)).is_success
        assert kind not in await kinds(ada)
        await town.run_jobs()
        assert await kinds(ada) == besides * (earlier + 1)
        assert await unread(ada) == len(besides) * (earlier + 1)


async def test_of_a_group_only_those_count_who_did_not_take_it_back(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    cleo = await town.create_user()
    await town.add_member(cleo, garden)
    path = f"/posts/{(await ada.make_post(garden))['id']}/like"
    for person in (ben, cleo):
        await person.post(path)
        await town.run_jobs()
    [both] = (await ada.get("/notifications")).json()["items"]
    await cleo.delete(path)
    [one] = (await ada.get("/notifications")).json()["items"]
    assert (both["actor_id"], both["title"] != one["title"], one["actor_id"]) == (str(cleo.id), True, str(ben.id))
    assert await unread(ada) == 1


async def test_a_request_that_is_answered_is_no_news_any_more(town: Town, ada: Person, ben: Person) -> None:
    connector = await ada.make_connector(join_policy="approval")
    await ben.post(f"/connectors/{connector['id']}/join")
    await town.run_jobs()
    assert (await kinds(ada), await unread(ada)) == (["join.requested"], 1)
    assert (await ada.put(f"/connectors/{connector['id']}/requests/{ben.id}", {"decision": "accept"})).is_success
    assert (await kinds(ada), await unread(ada)) == ([], 0)


@pytest.mark.parametrize("way", ["withdrawn", "released by the seller", "released by the buyer", "removed"])
async def test_a_canceled_reservation_notifies_the_other_side(
    town: Town, ada: Person, ben: Person, item: dict[str, Any], way: str
) -> None:
    path = f"/marketplace/items/{item['id']}"
    await ben.put(f"{path}/reservation")
    await town.run_jobs()
    if way == "removed":
        cleo, mod = await town.create_user(), await town.create_user(role="moderator")
        await decide(mod, await report(town, cleo, "item", item["id"]), "remove")
    elif way == "withdrawn":
        assert (await ada.delete(path)).status_code == 204
    else:
        assert (await (ada if "seller" in way else ben).delete(f"{path}/reservation")).status_code == 204
    await town.run_jobs()
    hears = "reservation.cancelled"
    assert (hears in await kinds(ben)) == (way != "released by the buyer")
    assert (hears in await kinds(ada)) == (way in {"released by the buyer", "removed"})
    assert "item.reserved" not in await kinds(ada)
    assert await town.rows("SELECT FROM marketplace_items WHERE id = :id AND reserved_by IS NULL", id=item["id"]) != []


async def test_a_reservation_that_led_to_a_purchase_was_not_taken_back(
    town: Town, ada: Person, ben: Person, item: dict[str, Any]
) -> None:
    for method, action in (("PUT", "reservation"), ("POST", "buy")):
        await ben.request(method, f"/marketplace/items/{item['id']}/{action}")
        await town.run_jobs()
    assert await kinds(ada) == ["item.bought", "item.reserved"]
