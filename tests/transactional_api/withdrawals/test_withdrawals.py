"""State that ends with a permission: leaving, removal, a ban, a block, a connector that turns private or closes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from neighborconnect.contracts.privacy import DATABASE_LOCATIONS
from tests.transactional_api.media.files import video
from tests.transactional_api.people import Person, Town
from tests.transactional_api.privacy.marked import erase
from tests.transactional_api.test_accounts import confirmed
from tests.transactional_api.test_events import answer, statuses
from transactional_api.core.db.base import Base
from transactional_api.core.withdrawals import ALL, HOLDINGS, LOCKS, registered_steps
from transactional_api.governance import withdrawal_sweep

START = "2090-05-02T16:00:00+02:00"
PRIVATE = {"name": "Dean Street Gardeners", "category": "gardening", "is_public": False}

Ending = Callable[[Person, Person, dict[str, Any]], Awaitable[Any]]


async def ban(host: Person, person: Person, connector: dict[str, Any]) -> None:
    assert (await host.put(f"/connectors/{connector['id']}/bans/{person.id}", {"reason": "rude"})).status_code == 204


async def leave(_host: Person, person: Person, connector: dict[str, Any]) -> None:
    assert (await person.delete(f"/connectors/{connector['id']}/leave")).status_code == 204


async def remove(host: Person, person: Person, connector: dict[str, Any]) -> None:
    assert (await host.delete(f"/connectors/{connector['id']}/members/{person.id}")).status_code == 204


async def block(host: Person, person: Person, _connector: dict[str, Any]) -> None:
    assert (await host.post(f"/users/{person.id}/block")).status_code == 204


async def block_back(host: Person, person: Person, _connector: dict[str, Any]) -> None:
    assert (await person.post(f"/users/{host.id}/block")).status_code == 204


ENDINGS = pytest.mark.parametrize("end", [ban, leave, remove, block, block_back])
GOING = pytest.mark.parametrize("end", [ban, leave, remove])


async def hold(host: Person, connector: dict[str, Any], **body: Any) -> dict[str, Any]:
    made = await host.post("/events", {"connector_id": connector["id"], "title": "Swap", "start_date": START, **body})
    assert made.status_code == 201, made.text
    return dict(made.json())


async def offer(seller: Person, connector: dict[str, Any]) -> dict[str, Any]:
    body = {"connector_id": connector["id"], "title": "Saw", "price": "5.00", "category": "tools"}
    made = await seller.post("/marketplace/items", body)
    assert made.status_code == 201, made.text
    return dict(made.json())


async def gather(town: Town, host: Person, number: int, **body: Any) -> tuple[dict[str, Any], list[Person]]:
    """A connector of the host's with so many members."""
    connector = await host.make_connector(**body)
    people = [await town.create_user() for _ in range(number)]
    for person in people:
        await host.post(f"/connectors/{connector['id']}/invitations", {"user_id": str(person.id)})
        assert (await person.post(f"/connectors/{connector['id']}/join")).json()["status"] == "member"
    return connector, people


async def kinds(town: Town, person: Person) -> list[str]:
    await town.run_jobs()
    return [one["kind"] for one in (await person.get("/notifications")).json()["items"]]


def test_every_personal_column_has_withdrawal_step_or_reason() -> None:
    assert set(HOLDINGS) == {f"{location.name}.{location.subject_key}" for location in DATABASE_LOCATIONS} - {
        "users.id"
    }
    for name, holding in HOLDINGS.items():
        covered = holding.in_connector is not None and holding.in_connector.causes == ALL
        assert (covered and holding.between is not None) or holding.stays, f"{name} has neither steps nor a reason"
    # The author of a new table inside connectors decides here, so that none of its rows stay by oversight.
    of_connectors = {
        f"{table.name}.{key.parent.name}"
        for table in Base.metadata.tables.values()
        for key in table.foreign_keys
        if key.column.table.name == "users"
        and {"connector_id", "event_id", "item_id"} & {column.name for column in table.columns}
    }
    assert of_connectors <= set(HOLDINGS)


def test_withdrawal_steps_in_the_table_are_the_registered_ones() -> None:
    in_connector = {holding.in_connector.step for holding in HOLDINGS.values() if holding.in_connector}
    between = {holding.between.step for holding in HOLDINGS.values() if holding.between}
    assert registered_steps() == {*LOCKS, *in_connector, *between}


@ENDINGS
@pytest.mark.parametrize("is_public", [False, True])
async def test_a_place_goes_to_the_first_waiting_person_with_access(
    town: Town, ada: Person, end: Ending, is_public: bool
) -> None:
    connector, (guest, couple, third) = await gather(town, ada, 3, is_public=is_public)
    event = await hold(ada, connector, max_attendees=1)
    for person in (guest, couple, third):
        await answer(person, event)
    await end(ada, couple, connector)
    await end(ada, guest, connector)
    assert await statuses(ada, event) == {str(third.id): "attending"}
    assert (await ada.get(f"/events/{event['id']}")).json()["attendee_count"] == 1
    assert "place.freed" in await kinds(town, third)
    assert "place.freed" not in await kinds(town, couple)


@ENDINGS
async def test_people_who_lost_permission_can_still_decline(town: Town, ada: Person, end: Ending) -> None:
    connector, (guest,) = await gather(town, ada, 1, is_public=False)
    event = await hold(ada, connector)
    await answer(guest, event, guest_count=2)
    await end(ada, guest, connector)
    declined = await guest.post(f"/events/{event['id']}/rsvp", {"status": "declined"})
    assert (declined.status_code, declined.json()["status"], declined.json()["attendee_count"]) == (200, "declined", 0)
    assert (await guest.post(f"/events/{event['id']}/rsvp", {"status": "attending"})).status_code == 404
    stranger = await town.create_user()
    assert (await stranger.post(f"/events/{event['id']}/rsvp", {"status": "declined"})).status_code == 404
    assert (await ada.get(f"/events/{event['id']}")).json()["attendee_count"] == 0


async def test_a_permission_that_ended_past_the_api_gives_no_place(town: Town, ada: Person) -> None:
    connector, (guest, second, third) = await gather(town, ada, 3)
    event = await hold(ada, connector, max_attendees=1)
    for person in (guest, second, third):
        await answer(person, event)
    await town.block(ada, second)
    await answer(guest, event, status="declined")
    assert await statuses(ada, event) == {str(third.id): "attending"}


async def test_two_who_go_at_once_free_two_places(town: Town, ada: Person) -> None:
    connector, people = await gather(town, ada, 6)
    event = await hold(ada, connector, max_attendees=2)
    for person in people:
        await answer(person, event)
    await asyncio.gather(ban(ada, people[0], connector), leave(ada, people[1], connector))
    await asyncio.gather(block(ada, people[2], connector), answer(people[3], event, status="declined"))
    found = await statuses(ada, event)
    assert found == {str(people[4].id): "attending", str(people[5].id): "attending"}
    assert (await ada.get(f"/events/{event['id']}")).json()["attendee_count"] == 2


async def test_who_answers_while_being_banned_holds_no_place_after(town: Town, ada: Person) -> None:
    connector, people = await gather(town, ada, 5, is_public=False)
    event = await hold(ada, connector)
    await asyncio.gather(
        *(answer(person, event) for person in people), *(ban(ada, person, connector) for person in people)
    )
    assert await statuses(ada, event) == {}
    assert (await ada.get(f"/events/{event['id']}")).json()["attendee_count"] == 0


@GOING
async def test_hosted_events_are_canceled_and_guests_notified(town: Town, ada: Person, end: Ending) -> None:
    connector, (host, guest) = await gather(town, ada, 2)
    event = await hold(host, connector)
    await answer(guest, event)
    await end(ada, host, connector)
    assert (await guest.get(f"/events/{event['id']}")).json()["cancelled"] is True
    assert "event.cancelled" in await kinds(town, guest)
    assert (await host.delete(f"/events/{event['id']}")).status_code in {204, 409}


@ENDINGS
async def test_what_is_offered_and_agreed_ends_with_both_sides_told(town: Town, ada: Person, end: Ending) -> None:
    connector, (seller, other) = await gather(town, ada, 2)
    buyer = other if end in {ban, leave, remove} else ada  # A block ends what is between the two.
    offered, reserved, bought, handed_over = [await offer(seller, connector) for _ in range(4)]
    assert (await buyer.put(f"/marketplace/items/{reserved['id']}/reservation")).status_code == 200
    deals = [(await buyer.post(f"/marketplace/items/{item['id']}/buy")).json() for item in (bought, handed_over)]
    assert (await seller.post(f"/marketplace/purchases/{deals[1]['id']}/complete")).status_code == 200
    await end(ada, seller, connector)
    for item in (offered, reserved, bought):
        assert (await buyer.post(f"/marketplace/items/{item['id']}/buy")).status_code == 404
        # No owner gets a 404 for an object of their own.
        assert (await seller.delete(f"/marketplace/items/{item['id']}")).status_code == 204
    assert (await buyer.get(f"/marketplace/purchases/{deals[0]['id']}")).json()["status"] == "cancelled"
    assert (await buyer.get(f"/marketplace/purchases/{deals[1]['id']}")).json()["status"] == "completed"
    assert {"purchase.cancelled", "reservation.cancelled"} <= set(await kinds(town, buyer))


@ENDINGS
async def test_what_a_buyer_agreed_or_reserved_can_be_had_again(town: Town, ada: Person, end: Ending) -> None:
    connector, (buyer, third) = await gather(town, ada, 2)
    reserved, bought = [await offer(ada, connector) for _ in range(2)]
    await buyer.put(f"/marketplace/items/{reserved['id']}/reservation")
    await buyer.post(f"/marketplace/items/{bought['id']}/buy")
    await end(ada, buyer, connector)
    for item in (reserved, bought):
        assert (await third.post(f"/marketplace/items/{item['id']}/buy")).status_code == 201
    assert {"purchase.cancelled", "reservation.cancelled"} <= set(await kinds(town, ada))


async def test_a_connector_that_turns_private_withdraws_from_outsiders(town: Town, ada: Person) -> None:
    connector, (member,) = await gather(town, ada, 1, join_policy="approval")
    outsider, invited = [await town.create_user() for _ in range(2)]
    await ada.post(f"/connectors/{connector['id']}/invitations", {"user_id": str(invited.id)})
    await outsider.post(f"/connectors/{connector['id']}/join")
    event, item = await hold(ada, connector, max_attendees=1), await offer(ada, connector)
    await answer(outsider, event)
    await answer(member, event)
    await outsider.post(f"/marketplace/items/{item['id']}/buy")
    assert (await ada.put(f"/connectors/{connector['id']}", PRIVATE)).status_code == 200
    assert await statuses(ada, event) == {str(member.id): "attending"}
    assert (await member.post(f"/marketplace/items/{item['id']}/buy")).status_code == 201
    assert (await ada.get(f"/connectors/{connector['id']}/requests")).json()["items"] == []
    assert (await invited.post(f"/connectors/{connector['id']}/join")).json()["status"] == "member"


async def test_outsider_is_notified_when_going_private_ends_an_event(town: Town, ada: Person) -> None:
    connector, (host,) = await gather(town, ada, 1)
    guest = await town.create_user()
    event = await hold(host, connector)
    await answer(guest, event)
    await leave(ada, host, connector)
    assert (await ada.put(f"/connectors/{connector['id']}", PRIVATE)).status_code == 200
    assert await kinds(town, guest) == ["event.cancelled"]


async def test_a_request_to_an_invisible_connector_can_be_withdrawn(town: Town, ada: Person) -> None:
    connector = await ada.make_connector(join_policy="approval")
    ben = await town.create_user()
    await ben.post(f"/connectors/{connector['id']}/join")
    await town.write("UPDATE connectors SET is_public = false WHERE id = :id", id=connector["id"])
    assert (await ben.delete(f"/connectors/{connector['id']}/leave")).status_code == 204
    assert (await ada.get(f"/connectors/{connector['id']}/requests")).json()["items"] == []


async def test_a_connector_that_closes_calls_its_events_and_deals_off(town: Town, ada: Person) -> None:
    connector, (seller, buyer) = await gather(town, ada, 2)
    event, item = await hold(seller, connector), await offer(seller, connector)
    await answer(buyer, event)
    deal = (await buyer.post(f"/marketplace/items/{item['id']}/buy")).json()
    assert (await ada.delete(f"/connectors/{connector['id']}")).status_code == 204
    assert "event.cancelled" in await kinds(town, buyer)
    assert (await buyer.get(f"/marketplace/purchases/{deal['id']}")).json()["status"] == "cancelled"
    assert await town.rows("SELECT FROM events WHERE id = :id AND NOT is_active", id=event["id"]) != []
    assert await town.rows("SELECT FROM marketplace_items WHERE id = :id AND NOT is_active", id=item["id"]) != []


@ENDINGS
async def test_everyone_can_take_back_what_is_theirs(town: Town, ada: Person, end: Ending) -> None:
    connector, (ben,) = await gather(town, ada, 1)
    post, own = await ada.make_post(connector), await ben.make_post(connector)
    review = {"connector_id": connector["id"], "title": "Good", "content": "Very", "rating": 4}
    theirs, mine = (await ada.post("/reviews", review)).json(), (await ben.post("/reviews", review)).json()
    comment = (await ben.post(f"/posts/{post['id']}/comments", {"content": "Yes"})).json()
    liked = (await ada.post(f"/posts/{post['id']}/comments", {"content": "No"})).json()
    await ben.post(f"/posts/{post['id']}/like")
    await ben.put(f"/posts/{post['id']}/reaction", {"kind": "love"})
    await ben.put(f"/posts/{post['id']}/comments/{liked['id']}/like")
    await ben.post(f"/reviews/{theirs['id']}/helpful")
    await ben.post(f"/users/{ada.id}/follow")
    await end(ada, ben, connector)
    paths = [
        f"/posts/{post['id']}/comments/{liked['id']}/like",
        f"/posts/{post['id']}/reaction",
        f"/posts/{post['id']}/like",
        f"/posts/{post['id']}/comments/{comment['id']}",
        f"/reviews/{theirs['id']}/helpful",
        f"/reviews/{mine['id']}",
        f"/posts/{own['id']}",
    ]
    assert {path: (await ben.delete(path)).is_success for path in paths} == dict.fromkeys(paths, True)
    [row] = await town.rows("SELECT likes_count, comments_count FROM posts WHERE id = :id", id=post["id"])
    assert (row.likes_count, row.comments_count) == (0, 1)


@pytest.mark.parametrize("end", [block, block_back])
async def test_an_invitation_and_a_follow_end_with_a_block(town: Town, ada: Person, end: Ending) -> None:
    connector, ben = await ada.make_connector(is_public=False), await town.create_user()
    await ada.post(f"/connectors/{connector['id']}/invitations", {"user_id": str(ben.id)})
    await ben.post(f"/users/{ada.id}/follow")
    await end(ada, ben, connector)
    assert (await ben.post(f"/connectors/{connector['id']}/join")).status_code == 404
    assert await town.rows("SELECT FROM follows WHERE follower_id = :id", id=ben.id) == []


async def test_invitations_by_who_was_banned_lead_nowhere(town: Town, ada: Person) -> None:
    connector, (helper,) = await gather(town, ada, 1, is_public=False)
    invited = await town.create_user()
    await ada.put(f"/connectors/{connector['id']}/members/{helper.id}", {"role": "moderator"})
    await helper.post(f"/connectors/{connector['id']}/invitations", {"user_id": str(invited.id)})
    await ban(ada, helper, connector)
    assert (await invited.post(f"/connectors/{connector['id']}/join")).status_code == 404


async def test_who_tends_an_event_sees_all_who_come_across_a_block(town: Town, ada: Person) -> None:
    connector, (host, guest) = await gather(town, ada, 2)
    event = await hold(host, connector)
    await answer(guest, event)
    await block(ada, guest, connector)
    assert await statuses(ada, event) == {str(guest.id): "attending"}


async def test_a_ban_takes_reels_off_which_their_author_can_delete(town: Town, ada: Person) -> None:
    connector, (ben,) = await gather(town, ada, 1)
    upload = await town.keep_upload(ben, video(pictures=10))
    body = {"connector_id": connector["id"], "media_id": upload["id"], "title": "Tomatoes"}
    made, liked = (await ben.post("/reels", body)).json(), (await ben.post("/reels", body)).json()
    await ada.post(f"/reels/{liked['id']}/like")
    await ban(ada, ben, connector)
    assert (await ada.get(f"/reels/{made['id']}")).status_code == 404
    assert (await ada.get(f"/reels/connector/{connector['id']}")).json()["items"] == []
    assert (await ada.delete(f"/reels/{liked['id']}/like")).status_code == 204
    assert (await ben.delete(f"/reels/{made['id']}")).status_code == 204
    assert (await ada.delete(f"/reels/{liked['id']}")).status_code == 404


async def test_a_banned_person_can_leave_and_who_is_blocked_unfollow(town: Town, ada: Person) -> None:
    connector, (ben,) = await gather(town, ada, 1, is_public=False)
    await ban(ada, ben, connector)
    assert (await ben.delete(f"/connectors/{connector['id']}/leave")).status_code == 204
    assert (await (await town.create_user()).delete(f"/connectors/{connector['id']}/leave")).status_code == 404
    await ben.post(f"/users/{ada.id}/follow")
    await block(ada, ben, connector)
    assert (await ben.delete(f"/users/{ada.id}/follow")).status_code == 204


async def test_a_job_withdraws_what_outlived_a_permission(town: Town, ada: Person) -> None:
    connector, (seller, buyer, fan, blocked) = await gather(town, ada, 4, is_public=False)
    event, item, sold, kept = await hold(seller, connector), *[await offer(seller, connector) for _ in range(3)]
    reserved, bought, third = [await offer(ada, connector) for _ in range(3)]
    visited = await hold(ada, connector, max_attendees=1)
    for person in (buyer, fan):
        await answer(person, visited)
    await buyer.put(f"/marketplace/items/{reserved['id']}/reservation")
    deals = [
        (await person.post(f"/marketplace/items/{item['id']}/buy")).json()["id"]
        for person, item in ((buyer, bought), (fan, sold), (blocked, third), (fan, kept))
    ]
    await seller.post(f"/marketplace/purchases/{deals[3]}/complete")
    await town.block(ada, blocked)
    for person in (seller, buyer):
        await town.write(
            "DELETE FROM connector_members WHERE user_id = :id AND connector_id = :connector",
            id=person.id,
            connector=connector["id"],
        )
    for _ in range(2):
        await sweep_now(town)
    states = await town.rows(
        "SELECT id, is_active, status FROM marketplace_items WHERE connector_id = :id", id=connector["id"]
    )
    assert {str(row.id): (row.is_active, row.status) for row in states} == {
        item["id"]: (False, "available"),
        sold["id"]: (False, "available"),
        kept["id"]: (True, "sold"),
        reserved["id"]: (True, "available"),
        bought["id"]: (True, "available"),
        third["id"]: (True, "available"),
    }
    assert (await fan.get(f"/events/{event['id']}")).json()["cancelled"] is True
    assert await statuses(ada, visited) == {str(fan.id): "attending"}


async def sweep_now(town: Town) -> None:
    context = type("Context", (), {"additional_context": {"resources": town.app.state.context}, "job": None})()
    await withdrawal_sweep.sweep.func(context, timestamp=0)


@pytest.mark.parametrize("erased", ["seller", "buyer"])
async def test_erasure_ends_reservations_and_notifies_the_other_side(town: Town, ada: Person, erased: str) -> None:
    connector = await ada.make_connector()
    account = await confirmed(town)
    going, staying = Person(UUID(account["user"]["id"]), town.http, account["access_token"]), await town.create_user()
    seller, buyer = (going, staying) if erased == "seller" else (staying, going)
    for person in (going, staying):
        await person.post(f"/connectors/{connector['id']}/join")
    reserved, bought = [await offer(seller, connector) for _ in range(2)]
    await buyer.put(f"/marketplace/items/{reserved['id']}/reservation")
    await buyer.post(f"/marketplace/items/{bought['id']}/buy")
    await erase(town, going)
    await town.run_jobs()
    assert {"purchase.cancelled", "reservation.cancelled"} <= set(await kinds(town, staying))
    expected = 404 if erased == "seller" else 201
    for item in (reserved, bought):
        assert (await ada.post(f"/marketplace/items/{item['id']}/buy")).status_code == expected
