"""Objects show what the viewer did with them: relation, role, request, reaction, RSVP and purchase."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.transactional_api.people import Person, Town

NONE = {"follows": False, "followed_by": False, "muted": False, "blocked": False}


async def test_profiles_show_followers_and_the_relation(town: Town, ada: Person, ben: Person) -> None:
    async def seen(viewer: Person, person: Person) -> tuple[Any, int, int]:
        profile = (await viewer.get(f"/users/{person.id}")).json()
        return profile["relation"], profile["follower_count"], profile["following_count"]

    assert await seen(ada, ben) == (NONE, 0, 0)
    await ada.post(f"/users/{ben.id}/follow")
    await ada.post(f"/users/{ben.id}/mute")
    assert await seen(ada, ben) == (NONE | {"follows": True, "muted": True}, 1, 0)
    assert await seen(ben, ada) == (NONE | {"followed_by": True}, 0, 1)
    assert await seen(ada, ada) == (None, 0, 1)
    (found,) = (await ben.get("/users/search", q=ada.id.hex)).json()["items"]
    assert found["relation"] == NONE | {"followed_by": True}
    (follower,) = (await ben.get(f"/users/{ben.id}/followers")).json()["items"]
    assert follower["relation"] == NONE | {"followed_by": True}
    await ada.post(f"/users/{ben.id}/block")
    (blocked,) = (await ada.get("/users/blocks")).json()["items"]
    assert blocked["relation"] == NONE | {"blocked": True, "muted": True}


async def test_connectors_show_role_request_and_invitation(ada: Person, ben: Person) -> None:
    category = f"club {ada.id}"
    clubs = [await ada.make_connector(category=category, join_policy=policy) for policy in ("approval", "invitation")]
    await ben.post(f"/connectors/{clubs[0]['id']}/join")
    await ada.post(f"/connectors/{clubs[1]['id']}/invitations", {"user_id": str(ben.id)})

    async def seen(viewer: Person) -> list[tuple[Any, ...]]:
        listed = (await viewer.get("/connectors", category=category)).json()["items"]
        single = [(await viewer.get(f"/connectors/{club['id']}")).json() for club in reversed(clubs)]
        states = [[(one["role"], one["requested"], one["invited"]) for one in found] for found in (listed, single)]
        assert states[0] == states[1]
        return states[0]

    assert await seen(ben) == [(None, False, True), (None, True, False)]
    assert await seen(ada) == [("admin", False, False)] * 2
    await ben.post(f"/connectors/{clubs[1]['id']}/join")
    assert (await seen(ben))[0] == ("member", False, False)


async def test_posts_events_and_items_show_what_the_viewer_did(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    post = await ada.make_post(garden)
    assert (post["reaction_counts"], post["viewer_reaction"]) == ({}, None)
    await ben.put(f"/posts/{post['id']}/reaction", {"kind": "helpful"})
    await ada.put(f"/posts/{post['id']}/reaction", {"kind": "love"})
    for path in (f"/posts/{post['id']}", f"/posts/connector/{garden['id']}"):
        body = (await ben.get(path)).json()
        seen = body["items"][0] if "items" in body else body
        assert (seen["reaction_counts"], seen["viewer_reaction"]) == ({"helpful": 1, "love": 1}, "helpful")
    stranger = await town.create_user()
    await town.block(stranger, ben)
    seen = (await stranger.get(f"/posts/{post['id']}")).json()
    assert (seen["reaction_counts"], seen["viewer_reaction"]) == ({"love": 1}, None)

    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    event = (await ada.post("/events", {"connector_id": garden["id"], "title": "Swap", "start_date": soon})).json()
    await ben.post(f"/events/{event['id']}/rsvp", {"guest_count": 2})
    seen = (await ben.get(f"/events/{event['id']}")).json()
    assert (seen["viewer_status"], seen["viewer_guest_count"]) == ("attending", 2)

    item = {"connector_id": garden["id"], "title": "Rake", "price": "5.00", "category": "tools"}
    offered = (await ada.post("/marketplace/items", item)).json()
    bought = (await ben.post(f"/marketplace/items/{offered['id']}/buy")).json()
    path = f"/marketplace/items/{offered['id']}"
    assert (await ben.get(path)).json()["viewer_purchase"] == {"id": bought["id"], "status": "agreed"}
    assert (await ada.get(path)).json()["viewer_purchase"] is None
    await ben.post(f"/marketplace/purchases/{bought['id']}/cancel")
    assert (await ben.get(path)).json()["viewer_purchase"] is None
