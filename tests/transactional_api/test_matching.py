"""Matching and offers by rules: who and what fits, and never what one may not see."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.transactional_api.people import Person, Town


async def matched(person: Person, what: str, key: str) -> list[Any]:
    answer = (await person.post(f"/matching/{what}", {"limit": 100})).json()
    assert (answer["path"], answer["reason_code"]) == ("rules", "not_deployed")
    return [one[key] if isinstance(one[key], str) else one[key]["id"] for one in answer["matches"]]


async def test_neighbours_match_by_interests_connectors_and_place(town: Town) -> None:
    place = uuid4().hex
    me = await town.settle(neighborhood=place, interests=["bees", "bread"])
    both = await town.settle(neighborhood=place, interests=["bread", "bees", "boats"])
    one = await town.settle(neighborhood=place, interests=["bees"])
    near = await town.settle(neighborhood=place)
    blocked = await town.settle(neighborhood=place, interests=["bees"])
    followed = await town.settle(neighborhood=place, interests=["bees"])
    await town.settle(neighborhood=uuid4().hex, interests=["bees"])
    await town.block(blocked, me)
    await me.post(f"/users/{followed.id}/follow")
    assert await matched(me, "users", "user") == [str(both.id), str(one.id), str(near.id)]
    assert set(await matched(me, "proximity", "user")) == {str(both.id), str(one.id), str(near.id)}


async def test_communities_match_by_interests_and_by_whom_one_follows(town: Town, ada: Person) -> None:
    category = uuid4().hex
    me, friend = await town.settle(interests=[category]), await town.settle()
    mine = await ada.make_connector(category=category)
    await ada.make_connector(category=category, is_public=False)
    theirs = await friend.make_connector(category="other")
    both = await friend.make_connector(category=category)
    joined = await ada.make_connector(category=category)
    await me.post(f"/connectors/{joined['id']}/join")
    await me.post(f"/users/{friend.id}/follow")
    assert await matched(me, "communities", "connector") == [both["id"], mine["id"], theirs["id"]]


async def test_interests_match_by_those_whom_one_shares_connectors_with(town: Town, ada: Person) -> None:
    connector = await ada.make_connector()
    me = await town.settle(interests=["bees"])
    people = [
        await town.settle(interests=interests)
        for interests in (["bees", "boats"], ["boats", "bread"], ["bread", "boats"])
    ]
    for person in (me, *people):
        await town.admit(person, connector)
    await town.settle(interests=["elsewhere"])
    assert await matched(me, "interests", "interest") == ["boats", "bread"]


async def test_somebody_without_anything_gets_an_empty_answer(town: Town) -> None:
    me = await town.settle()
    for what, key in (("users", "user"), ("communities", "connector"), ("interests", "interest")):
        assert await matched(me, what, key) == []


async def test_events_are_offered_that_one_has_not_answered(town: Town, ada: Person) -> None:
    category = uuid4().hex
    me = await town.settle(interests=[category])
    connector = await ada.make_connector(category=category)

    async def hold(title: str, **changes: Any) -> str:
        body = {"title": title, "start_date": "2090-05-02T14:00:00Z", "connector_id": connector["id"]} | changes
        return str((await ada.post("/events", body)).json()["id"])

    wanted, answered, shown = await hold("wanted"), await hold("answered"), await hold("shown")
    cancelled = await hold("cancelled")
    await ada.delete(f"/events/{cancelled}")
    await me.post(f"/events/{answered}/rsvp", {"status": "declined"})
    feed = (await me.post("/recommendations/events", {"limit": 100, "exclude": [shown]})).json()
    offered = [one["event"]["id"] for one in feed["items"]]
    assert wanted in offered
    assert not {answered, shown, cancelled} & set(offered)
    assert (feed["path"], feed["reason_code"]) == ("popular_nearby", "not_deployed")
    assert offered.index(wanted) == 0
    own = (await ada.post("/recommendations/events", {"limit": 100})).json()["items"]
    assert wanted not in [one["event"]["id"] for one in own]


async def test_items_are_offered_that_can_be_had(town: Town, ada: Person, ben: Person) -> None:
    category = uuid4().hex
    me = await town.settle(interests=[category])
    connector = await ada.make_connector(category=category)

    async def offer(**changes: Any) -> str:
        body = {"title": "Hat", "price": "5.00", "category": "hats", "connector_id": connector["id"]} | changes
        return str((await ada.post("/marketplace/items", body)).json()["id"])

    wanted, sold = await offer(), await offer()
    await ben.post(f"/marketplace/items/{sold}/buy")
    offered = [one["item"]["id"] for one in (await me.post("/recommendations/marketplace", {})).json()["items"]]
    assert offered[0] == wanted
    assert sold not in offered
    await me.post(f"/users/{ada.id}/mute")
    offered = [one["item"]["id"] for one in (await me.post("/recommendations/marketplace", {})).json()["items"]]
    assert wanted not in offered
