"""Matching and offers by rules: who and what fits, and never what one may not see."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import h3

from neighborconnect.contracts.places import HOME_CELL_RESOLUTION
from tests.transactional_api.people import Person, Town, somewhere
from transactional_api.intelligence.matching import nearby


async def matched(person: Person, what: str, key: str) -> list[Any]:
    answer = (await person.post(f"/matching/{what}", {"limit": 100})).json()
    assert (answer["source"], answer["reason_code"]) == ("rules", "not_deployed")
    return [one[key] if isinstance(one[key], str) else one[key]["id"] for one in answer["matches"]]


async def test_neighbours_match_by_interests_connectors_and_place(town: Town) -> None:
    place = uuid4().hex
    me = await town.create_user(neighborhood=place, interests=["bees", "bread"])
    both = await town.create_user(neighborhood=place, interests=["bread", "bees", "boats"])
    one = await town.create_user(neighborhood=place, interests=["bees"])
    near = await town.create_user(neighborhood=place)
    blocked = await town.create_user(neighborhood=place, interests=["bees"])
    followed = await town.create_user(neighborhood=place, interests=["bees"])
    await town.create_user(neighborhood=uuid4().hex, interests=["bees"])
    await town.create_user(neighborhood=place, interests=["bees", "bread"], verified=False)
    await town.block(blocked, me)
    await me.post(f"/users/{followed.id}/follow")
    assert await matched(me, "users", "user") == [str(both.id), str(one.id), str(near.id)]
    assert set(await matched(me, "proximity", "user")) == {str(both.id), str(one.id), str(near.id)}


async def test_communities_match_by_interests_and_by_whom_one_follows(town: Town, ada: Person) -> None:
    category = uuid4().hex
    me, friend = await town.create_user(interests=[category]), await town.create_user()
    mine = await ada.make_connector(category=category)
    await ada.make_connector(category=category, is_public=False)
    theirs = await friend.make_connector(category="other")
    both = await friend.make_connector(category=category)
    joined = await ada.make_connector(category=category)
    await me.post(f"/connectors/{joined['id']}/join")
    await me.post(f"/users/{friend.id}/follow")
    assert await matched(me, "communities", "connector") == [both["id"], mine["id"], theirs["id"]]


async def test_interests_match_through_shared_connectors(town: Town, ada: Person) -> None:
    connector = await ada.make_connector()
    me = await town.create_user(interests=["bees"])
    people = [
        await town.create_user(interests=interests)
        for interests in (["bees", "boats"], ["boats", "bread"], ["bread", "boats"])
    ]
    for person in (me, *people):
        await town.add_member(person, connector)
    await town.create_user(interests=["elsewhere"])
    assert await matched(me, "interests", "interest") == ["boats", "bread"]


async def test_somebody_without_anything_gets_an_empty_answer(town: Town) -> None:
    me = await town.create_user()
    for what, key in (("users", "user"), ("communities", "connector"), ("interests", "interest")):
        assert await matched(me, what, key) == []


async def test_events_are_offered_that_one_has_not_answered(town: Town, ada: Person) -> None:
    category = uuid4().hex
    me = await town.create_user(interests=[category])
    connector = await ada.make_connector(category=category)

    async def hold(title: str, **changes: Any) -> str:
        body = {"title": title, "start_date": "2090-05-02T14:00:00Z", "connector_id": connector["id"]} | changes
        return str((await ada.post("/events", body)).json()["id"])

    wanted, answered, shown = await hold("wanted"), await hold("answered"), await hold("shown")
    full = await hold("full", max_attendees=1)
    await (await town.create_user()).post(f"/events/{full}/rsvp", {"status": "attending"})
    cancelled = await hold("cancelled")
    await ada.delete(f"/events/{cancelled}")
    await me.post(f"/events/{answered}/rsvp", {"status": "declined"})
    feed = (await me.post("/recommendations/events", {"limit": 100, "exclude": [shown]})).json()
    offered = [one["event"]["id"] for one in feed["items"]]
    assert wanted in offered
    assert not {answered, shown, cancelled, full} & set(offered)
    assert feed["path"] == "popular_nearby"
    assert feed["reason_code"] in {"service_unavailable", "breaker_open"}
    assert offered.index(wanted) == 0
    own = (await ada.post("/recommendations/events", {"limit": 100})).json()["items"]
    assert wanted not in [one["event"]["id"] for one in own]


async def test_items_are_offered_that_can_be_had(town: Town, ada: Person, ben: Person) -> None:
    category = uuid4().hex
    me = await town.create_user(interests=[category])
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


def off(point: dict[str, float], *, north: float) -> dict[str, float]:
    """Return the point so many degrees further north."""
    return point | {"latitude": point["latitude"] + north}


async def at_home(town: Town, point: dict[str, float]) -> Person:
    me = await town.create_user(neighborhood=uuid4().hex)
    assert (await me.put("/users/profile/home", point)).status_code == 200
    return me


async def test_connectors_and_events_are_told_in_areas(town: Town, ada: Person) -> None:
    home = somewhere()
    me = await at_home(town, home)
    here, there, far = [await ada.make_connector(point=off(home, north=north)) for north in (0.0, 0.05, 2.0)]
    closed = await ada.make_connector(point=home, is_public=False)
    mine = await ada.make_connector(point=home)
    await me.post(f"/connectors/{mine['id']}/join")
    for connector, start in ((here, "2090-05-02T14:00:00Z"), (closed, "2090-05-02T14:00:00Z")):
        body = {"connector_id": connector["id"], "title": "Seed swap", "start_date": start, "point": home}
        assert (await ada.post("/events", body)).status_code == 201
    answer = (await me.post("/matching/proximity", {"limit": 50})).json()
    told = {one["connector"]["id"]: one["reason"] for one in answer["connectors"]}
    assert told == {here["id"]: "same_area", there["id"]: "few_areas_away"}
    assert far["id"] not in told
    assert [(one["event"]["connector_id"], one["reason"]) for one in answer["events"]] == [(here["id"], "same_area")]


async def test_cached_areas_are_filtered_for_each_viewer(town: Town, ada: Person, ben: Person) -> None:
    home = somewhere()
    me, inside = await at_home(town, home), await at_home(town, home)
    club, closed = await ada.make_connector(point=home), await ada.make_connector(is_public=False)
    blocked = await ben.make_connector()
    await town.add_member(inside, closed)
    await town.block(ben, me)

    async def hold(host: Person, connector: dict[str, Any]) -> str:
        body = {"connector_id": connector["id"], "title": "Seed swap", "start_date": "2090-05-02T14:00:00Z"}
        return str((await host.post("/events", body | {"point": home})).json()["id"])

    held, cancelled, within = await hold(ada, club), await hold(ada, club), await hold(ada, closed)
    unseen = await hold(ben, blocked)

    async def told(person: Person) -> tuple[set[str], set[str]]:
        answer = (await person.post("/matching/proximity", {})).json()
        connectors = {one["connector"]["id"] for one in answer["connectors"]}
        return connectors, {one["event"]["id"] for one in answer["events"]}

    assert await told(me) == ({club["id"]}, {held, cancelled})
    await ada.delete(f"/events/{cancelled}")
    await me.post(f"/connectors/{club['id']}/join")
    assert await told(me) == (set(), {held})
    assert await told(inside) == ({club["id"]}, {held, within, unseen})
    cell = h3.latlng_to_cell(home["latitude"], home["longitude"], HOME_CELL_RESOLUTION)
    kept = await town.app.state.redis.lrange(f"cell:{cell}:events", 0, -1)
    assert {one.decode() for one in kept} == {held, cancelled, unseen}


async def test_events_that_one_may_not_see_hide_none_that_are_further(town: Town, ada: Person) -> None:
    home = somewhere()
    me, inside = await at_home(town, home), await at_home(town, home)
    club, closed = await ada.make_connector(), await ada.make_connector(is_public=False)
    await town.add_member(inside, closed)

    async def hold(connector: dict[str, Any], *, north: float) -> str:
        body = {"connector_id": connector["id"], "title": "Seed swap", "start_date": "2090-05-02T14:00:00Z"}
        return str((await ada.post("/events", body | {"point": off(home, north=north)})).json()["id"])

    first = await hold(closed, north=0.0)
    await town.write(
        "INSERT INTO events (connector_id, created_by, title, start_date, latitude, longitude)"
        " SELECT connector_id, created_by, title, start_date, latitude, longitude"
        " FROM events, generate_series(1, :more) WHERE id = :id",
        id=first,
        more=nearby.CANDIDATES,
    )
    further = await hold(club, north=0.02)
    assert {one["event"]["id"] for one in (await me.post("/matching/proximity", {})).json()["events"]} == {further}
    among_ourselves = (await inside.post("/matching/proximity", {"limit": 3})).json()["events"]
    assert {one["event"]["connector_id"] for one in among_ourselves} == {closed["id"]}


async def test_equal_distances_have_an_order_that_leaks_no_location(town: Town, ada: Person) -> None:
    home = somewhere()
    me = await at_home(town, home)
    ids = [(await ada.make_connector(point=off(home, north=step / 10_000)))["id"] for step in range(4)]
    answer = (await me.post("/matching/proximity", {"limit": 50})).json()
    same = [one["connector"]["id"] for one in answer["connectors"] if one["reason"] == "same_area"]
    assert set(same) <= set(ids)
    assert same == sorted(same)


async def test_without_a_home_neighborhood_connectors_come_first(town: Town, ada: Person) -> None:
    place = uuid4().hex
    me, neighbour = await town.create_user(neighborhood=place), await town.create_user(neighborhood=place)
    theirs = await ada.make_connector()
    await town.add_member(neighbour, theirs)
    answer = (await me.post("/matching/proximity", {})).json()
    told = [(one["connector"]["id"], one["reason"]) for one in answer["connectors"]]
    assert told == [(theirs["id"], "neighbors_are_members")]
    assert answer["events"] == []


async def test_cached_neighborhoods_are_filtered_for_each_viewer(town: Town, ada: Person) -> None:
    place = uuid4().hex
    me, neighbour = await town.create_user(neighborhood=place), await town.create_user(neighborhood=place)
    theirs, closed = await ada.make_connector(), await ada.make_connector(is_public=False)
    for connector in (theirs, closed):
        await town.add_member(neighbour, connector)

    async def told(person: Person) -> list[str]:
        answer = (await person.post("/matching/proximity", {})).json()
        return [one["connector"]["id"] for one in answer["connectors"]]

    assert await told(me) == [theirs["id"]]
    kept = await town.app.state.redis.lrange(f"neighborhood:{place}:connectors", 0, -1)
    assert {one.decode() for one in kept} == {theirs["id"], closed["id"]}
    await me.post(f"/connectors/{theirs['id']}/join")
    assert await told(me) == []
