"""Connectors: making, finding, joining and leaving them."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from tests.transactional_api.people import Person, Town


async def test_who_makes_a_connector_is_its_admin_and_first_member(ada: Person) -> None:
    made = await ada.make_connector(description="Seeds.\nTools.")
    assert (made["member_count"], made["role"], made["created_by"]) == (1, "admin", str(ada.id))
    members = (await ada.get(f"/connectors/{made['id']}/members")).json()["items"]
    assert [(one["user_id"], one["role"]) for one in members] == [(str(ada.id), "admin")]


async def test_joining_twice_counts_once(ada: Person, ben: Person) -> None:
    made = await ada.make_connector()
    first = await ben.post(f"/connectors/{made['id']}/join")
    second = await ben.post(f"/connectors/{made['id']}/join")
    assert first.json() == second.json()
    assert (await ben.get(f"/connectors/{made['id']}")).json()["member_count"] == 2


async def test_many_who_join_at_once_are_all_counted(town: Town, ada: Person) -> None:
    made = await ada.make_connector()
    people = [await town.create_user() for _ in range(8)]
    await asyncio.gather(*(person.post(f"/connectors/{made['id']}/join") for person in people for _ in range(2)))
    assert (await ada.get(f"/connectors/{made['id']}")).json()["member_count"] == 9


async def test_leaving_is_counted_once(ada: Person, ben: Person) -> None:
    made = await ada.make_connector()
    await ben.post(f"/connectors/{made['id']}/join")
    assert [(await ben.delete(f"/connectors/{made['id']}/leave")).status_code for _ in range(2)] == [204, 204]
    seen = (await ben.get(f"/connectors/{made['id']}")).json()
    assert (seen["member_count"], seen["role"]) == (1, None)


async def test_the_last_admin_cannot_leave_others_behind(ada: Person, ben: Person) -> None:
    made = await ada.make_connector()
    await ben.post(f"/connectors/{made['id']}/join")
    answer = await ada.delete(f"/connectors/{made['id']}/leave")
    assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    assert (await ada.get(f"/connectors/{made['id']}")).json()["role"] == "admin"


async def test_two_admins_who_leave_at_once_do_not_both_go(town: Town, ada: Person, ben: Person) -> None:
    made = await ada.make_connector()
    await town.add_member(ben, made, role="admin")
    await town.add_member(await town.create_user(), made)
    answers = await asyncio.gather(*(one.delete(f"/connectors/{made['id']}/leave") for one in (ada, ben)))
    assert sorted(answer.status_code for answer in answers) == [204, 409]


async def test_the_last_to_leave_closes_the_connector(ada: Person, ben: Person) -> None:
    made = await ada.make_connector()
    await ada.delete(f"/connectors/{made['id']}/leave")
    assert (await ben.get(f"/connectors/{made['id']}")).status_code == 404


async def test_replacing_a_connector_keeps_its_counts(ada: Person, ben: Person) -> None:
    made = await ada.make_connector(rules="Be kind.")
    await ben.post(f"/connectors/{made['id']}/join")
    answer = await ada.put(f"/connectors/{made['id']}", {"name": "Seed swap", "category": "nature"})
    replaced = answer.json()
    assert (replaced["name"], replaced["rules"], replaced["member_count"]) == ("Seed swap", None, 2)
    assert replaced["updated_at"] > made["updated_at"]


async def test_a_moderator_may_not_change_the_connector(town: Town, ada: Person, ben: Person) -> None:
    made = await ada.make_connector()
    await town.add_member(ben, made, role="moderator")
    assert (await ben.put(f"/connectors/{made['id']}", {"name": "Mine", "category": "x"})).status_code == 403


async def test_search_matches_name_and_description_in_category(ada: Person, ben: Person) -> None:
    mark = uuid4().hex
    named = await ada.make_connector(name=f"Club {mark}", category=mark)
    described = await ada.make_connector(description=f"We are {mark}.", category=mark)
    await ada.make_connector(name=f"Club {mark}", category="other")
    await ada.make_connector(name=f"Secret {mark}", category=mark, is_public=False)
    found = (await ben.get("/connectors/search", q=mark.upper(), category=mark)).json()["items"]
    assert [one["id"] for one in found] == [described["id"], named["id"]]


async def test_a_private_connector_is_listed_to_its_members_only(ada: Person, ben: Person) -> None:
    category = uuid4().hex
    made = await ada.make_connector(category=category, is_public=False)
    mine = (await ada.get("/connectors", category=category)).json()["items"]
    theirs = (await ben.get("/connectors", category=category)).json()["items"]
    assert ([one["id"] for one in mine], theirs) == ([made["id"]], [])
