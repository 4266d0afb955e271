"""Ways into a connector and out of it: policies, requests, invitations, roles, bans."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.transactional_api.people import Person, Town, somewhere


async def role_in(connector: dict[str, Any], person: Person) -> str | None:
    seen = await person.get(f"/connectors/{connector['id']}")
    assert seen.status_code == 200, seen.text
    role: str | None = seen.json()["role"]
    return role


async def count_of(connector: dict[str, Any], person: Person) -> int:
    return int((await person.get(f"/connectors/{connector['id']}")).json()["member_count"])


async def invite(admin: Person, connector: dict[str, Any], person: Person) -> int:
    return (await admin.post(f"/connectors/{connector['id']}/invitations", {"user_id": str(person.id)})).status_code


async def ban(admin: Person, connector: dict[str, Any], person: Person, **body: Any) -> int:
    return (await admin.put(f"/connectors/{connector['id']}/bans/{person.id}", body)).status_code


async def titles(town: Town, person: Person) -> list[str]:
    await town.run_jobs()
    return [one["kind"] for one in (await person.get("/notifications")).json()["items"]]


async def test_where_admins_approve_joining_asks_and_accepting_lets_in(town: Town, ada: Person, ben: Person) -> None:
    made = await ada.make_connector(join_policy="approval")
    for _ in range(2):
        asked = (await ben.post(f"/connectors/{made['id']}/join")).json()
        assert (asked["status"], asked["role"], asked["joined_at"]) == ("requested", None, None)
    assert await titles(town, ada) == ["join.requested"]
    waiting = (await ada.get(f"/connectors/{made['id']}/requests")).json()["items"]
    assert [one["user_id"] for one in waiting] == [str(ben.id)]
    answer = await ada.put(f"/connectors/{made['id']}/requests/{ben.id}", {"decision": "accept"})
    assert answer.status_code == 204
    assert await role_in(made, ben) == "member"
    assert await count_of(made, ada) == 2
    assert await titles(town, ben) == ["join.accepted"]
    assert (await ada.get(f"/connectors/{made['id']}/requests")).json()["items"] == []


async def test_a_declined_request_leaves_outside_and_may_be_made_again(ada: Person, ben: Person) -> None:
    made = await ada.make_connector(join_policy="approval")
    await ben.post(f"/connectors/{made['id']}/join")
    path = f"/connectors/{made['id']}/requests/{ben.id}"
    assert (await ada.put(path, {"decision": "decline"})).status_code == 204
    assert await role_in(made, ben) is None
    assert (await ada.put(path, {"decision": "accept"})).status_code == 404
    assert (await ben.post(f"/connectors/{made['id']}/join")).json()["status"] == "requested"


async def test_a_request_that_was_taken_back_cannot_be_accepted(ada: Person, ben: Person) -> None:
    made = await ada.make_connector(join_policy="approval")
    await ben.post(f"/connectors/{made['id']}/join")
    await ben.delete(f"/connectors/{made['id']}/leave")
    answer = await ada.put(f"/connectors/{made['id']}/requests/{ben.id}", {"decision": "accept"})
    assert answer.status_code == 404


async def test_concurrently_accepted_join_request_counts_once(town: Town, ada: Person, ben: Person) -> None:
    made = await ada.make_connector(join_policy="approval")
    other = await town.create_user()
    await town.add_member(other, made, role="moderator")
    await ben.post(f"/connectors/{made['id']}/join")
    path = f"/connectors/{made['id']}/requests/{ben.id}"
    answers = await asyncio.gather(*(one.put(path, {"decision": "accept"}) for one in (ada, other)))
    assert sorted(answer.status_code for answer in answers) == [204, 404]
    assert await count_of(made, ada) == 2


async def test_nobody_joins_by_invitation_only_without_one(ada: Person, ben: Person) -> None:
    made = await ada.make_connector(join_policy="invitation")
    answer = await ben.post(f"/connectors/{made['id']}/join")
    assert (answer.status_code, answer.json()["code"]) == (403, "invitation_required")
    assert await invite(ada, made, ben) == 204
    assert (await ben.post(f"/connectors/{made['id']}/join")).json()["status"] == "member"


async def test_invitation_admits_to_private_connector(town: Town, ada: Person, ben: Person) -> None:
    made = await ada.make_connector(is_public=False, rules="Not for outsiders.")
    assert [await invite(ada, made, ben) for _ in range(2)] == [204, 204]
    assert await titles(town, ben) == ["connector.invited"]
    (seen,) = (await ben.get("/connectors/invitations")).json()["items"]
    assert (seen["connector_id"], seen["invited_by"]) == (made["id"], str(ada.id))
    assert "rules" not in seen
    assert (await ben.get(f"/connectors/{made['id']}")).status_code == 404
    assert (await ben.post(f"/connectors/{made['id']}/join")).json()["role"] == "member"
    assert (await ben.get("/connectors/invitations")).json()["items"] == []


@pytest.mark.parametrize("who", ["admin", "invited"])
async def test_an_invitation_that_is_gone_opens_nothing(ada: Person, ben: Person, who: str) -> None:
    made = await ada.make_connector(is_public=False)
    await invite(ada, made, ben)
    if who == "admin":
        await ada.delete(f"/connectors/{made['id']}/invitations/{ben.id}")
    else:
        await ben.delete(f"/connectors/invitations/{made['id']}")
    assert (await ben.post(f"/connectors/{made['id']}/join")).status_code == 404


async def test_who_is_blocked_cannot_be_invited(town: Town, ada: Person, ben: Person) -> None:
    made = await ada.make_connector()
    await town.block(ben, ada)
    assert await invite(ada, made, ben) == 404


async def test_roles_decide_who_may_put_out_whom(town: Town, ada: Person) -> None:
    made = await ada.make_connector()
    people = {role: await town.create_user() for role in ("moderator", "other_moderator", "member", "other_member")}
    for name, person in people.items():
        await town.add_member(person, made, role="moderator" if "moderator" in name else "member")

    async def put_out(actor: str, other: str) -> int:
        return (await people[actor].delete(f"/connectors/{made['id']}/members/{people[other].id}")).status_code

    assert await put_out("member", "other_member") == 403
    assert await put_out("moderator", "other_moderator") == 403
    assert await put_out("moderator", "moderator") == 403
    assert await put_out("moderator", "member") == 204
    assert await put_out("moderator", "member") == 404
    assert (await people["moderator"].delete(f"/connectors/{made['id']}/members/{ada.id}")).status_code == 403
    assert (await ada.delete(f"/connectors/{made['id']}/members/{people['moderator'].id}")).status_code == 204


async def test_an_admin_gives_roles_and_the_last_admin_keeps_theirs(ada: Person, ben: Person) -> None:
    made = await ada.make_connector()
    path = f"/connectors/{made['id']}/members"
    assert (await ada.put(f"{path}/{ben.id}", {"role": "admin"})).status_code == 404
    await ben.post(f"/connectors/{made['id']}/join")
    answer = await ada.put(f"{path}/{ada.id}", {"role": "member"})
    assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    assert (await ada.put(f"{path}/{ben.id}", {"role": "admin"})).status_code == 204
    assert (await ada.put(f"{path}/{ada.id}", {"role": "member"})).status_code == 204
    assert (await role_in(made, ada), await role_in(made, ben)) == ("member", "admin")


async def test_two_admins_who_step_down_at_once_do_not_both(town: Town, ada: Person, ben: Person) -> None:
    made = await ada.make_connector()
    await town.add_member(ben, made, role="admin")
    steps = (one.put(f"/connectors/{made['id']}/members/{one.id}", {"role": "member"}) for one in (ada, ben))
    assert sorted(answer.status_code for answer in await asyncio.gather(*steps)) == [204, 409]


async def test_banned_user_sees_nothing_until_ban_is_lifted(ada: Person, ben: Person) -> None:
    made = await ada.make_connector()
    post = await ada.make_post(made)
    await ben.post(f"/connectors/{made['id']}/join")
    assert await ban(ada, made, ben, reason="Spam") == 204
    assert await count_of(made, ada) == 1
    for path in (f"/connectors/{made['id']}", f"/posts/{post['id']}", f"/connectors/{made['id']}/members"):
        assert (await ben.get(path)).status_code == 404
    assert (await ben.post(f"/connectors/{made['id']}/join")).status_code == 404
    assert await invite(ada, made, ben) == 409
    (seen,) = (await ada.get(f"/connectors/{made['id']}/bans")).json()["items"]
    assert (seen["user_id"], seen["reason"], seen["end_date"]) == (str(ben.id), "Spam", None)
    assert (await ada.delete(f"/connectors/{made['id']}/bans/{ben.id}")).status_code == 204
    assert (await ben.post(f"/connectors/{made['id']}/join")).json()["status"] == "member"


async def test_a_ban_ends_when_its_days_are_over(town: Town, ada: Person, ben: Person) -> None:
    made = await ada.make_connector()
    await ban(ada, made, ben, days=1)
    assert (await ben.get(f"/connectors/{made['id']}")).status_code == 404
    await town.write(
        "UPDATE connector_bans SET end_date = now() - interval '1 second' WHERE user_id = :user_id", user_id=ben.id
    )
    assert (await ben.get(f"/connectors/{made['id']}")).status_code == 200


async def test_a_ban_takes_back_the_invitation(ada: Person, ben: Person) -> None:
    made = await ada.make_connector(is_public=False)
    await invite(ada, made, ben)
    await ban(ada, made, ben)
    assert (await ben.post(f"/connectors/{made['id']}/join")).status_code == 404


async def test_concurrent_ban_and_join_leave_no_member(town: Town, ada: Person) -> None:
    made = await ada.make_connector()
    people = [await town.create_user() for _ in range(6)]
    await asyncio.gather(
        *(person.post(f"/connectors/{made['id']}/join") for person in people),
        *(ban(ada, made, person) for person in people),
    )
    assert await count_of(made, ada) == 1
    members = (await ada.get(f"/connectors/{made['id']}/members")).json()["items"]
    assert [one["user_id"] for one in members] == [str(ada.id)]


async def test_a_closed_connector_is_seen_by_nobody(ada: Person, ben: Person) -> None:
    made = await ada.make_connector()
    post = await ada.make_post(made)
    assert (await ada.delete(f"/connectors/{made['id']}")).status_code == 204
    for person in (ada, ben):
        assert (await person.get(f"/connectors/{made['id']}")).status_code == 404
        assert (await person.get(f"/posts/{post['id']}")).status_code == 404


async def test_only_moderators_post_where_the_settings_say_so(town: Town, ada: Person, ben: Person) -> None:
    made = await ada.make_connector(settings={"posting": "moderators"})
    await ben.post(f"/connectors/{made['id']}/join")
    body = {"connector_id": made["id"], "content": "May I?"}
    assert (await ben.post("/posts", body)).status_code == 403
    assert (await ada.post("/posts", body)).status_code == 201


async def test_discovery_knows_interests_distance_and_what_one_is_in(town: Town, ada: Person) -> None:
    bees = f"bees {ada.id}"
    seeker = await town.create_user(interests=[bees])
    here = somewhere()
    there = here | {"latitude": here["latitude"] + 0.4}
    near = await ada.make_connector(category=bees, point=here)
    far = await ada.make_connector(category=bees, point=there)
    other = await ada.make_connector(category="wasps", point=here)
    joined = await ada.make_connector(category=bees, point=here)
    await seeker.post(f"/connectors/{joined['id']}/join")

    async def found(**params: Any) -> list[str]:
        return [one["id"] for one in (await seeker.get("/connectors/discover", **params)).json()["items"]]

    assert await found() == [far["id"], near["id"]]
    assert await found(**here) == [near["id"]]
    assert await found(**here, ignore_interests=True) == [other["id"], near["id"]]
    mine = (await seeker.get("/connectors", joined=True)).json()["items"]
    assert [one["id"] for one in mine] == [joined["id"]]


async def test_categories_count_what_the_viewer_may_see(town: Town, ada: Person, ben: Person) -> None:
    name = f"moths {ada.id}"
    await ada.make_connector(category=name)
    await ada.make_connector(category=name, is_public=False)
    # Others make many: the count of a new category may be too small for the list.
    for _ in range(3):
        await ada.make_connector(category="gardening")

    async def count(person: Person) -> int | None:
        items = (await person.get("/connectors/categories")).json()["items"]
        return next((one["connector_count"] for one in items if one["category"] == name), None)

    assert (await count(ada), await count(ben)) == (2, 1)
