"""Conversations over HTTP: who is in them, messages that are there once, numbers without gaps."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.transactional_api.media.files import jpeg
from tests.transactional_api.people import Person, Town

AT = "/chat/conversations"


async def direct(one: Person, other: Person) -> dict[str, Any]:
    answer = await one.post(AT, {"kind": "direct", "user_id": str(other.id)})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def group(one: Person, *others: Person) -> dict[str, Any]:
    body = {"kind": "group", "title": "Helpers", "member_ids": [str(other.id) for other in others]}
    answer = await one.post(AT, body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def say(person: Person, talk: dict[str, Any], content: str = "Are you coming?", **more: Any) -> Any:
    return await person.post(f"{AT}/{talk['id']}/messages", {"content": content} | more)


async def events(person: Person, talk: dict[str, Any], after: int = 0) -> list[dict[str, Any]]:
    return list((await person.get(f"{AT}/{talk['id']}/events", after=after)).json()["items"])


async def test_two_people_have_one_direct_conversation(ada: Person, ben: Person) -> None:
    begun = await asyncio.gather(direct(ada, ben), direct(ben, ada), direct(ada, ben))
    assert len({talk["id"] for talk in begun}) == 1
    assert {one["user_id"] for one in begun[0]["members"]} == {str(ada.id), str(ben.id)}


async def test_conversation_needs_another_unblocked_person(town: Town, ada: Person, ben: Person) -> None:
    await town.block(ben, ada)
    for user_id in (ada.id, ben.id, uuid4()):
        assert (await ada.post(AT, {"kind": "direct", "user_id": str(user_id)})).status_code == 404
    body = {"kind": "group", "title": "All", "member_ids": [str(ben.id)]}
    assert (await ada.post(AT, body)).status_code == 404


async def test_messages_come_newest_first_and_unread_ones_are_counted(ada: Person, ben: Person) -> None:
    talk = await direct(ada, ben)
    for words in ("one", "two"):
        await say(ada, talk, words)
    listed = (await ben.get(f"{AT}/{talk['id']}/messages")).json()["items"]
    assert [one["content"] for one in listed] == ["two", "one"]
    assert (await ben.get(f"{AT}/{talk['id']}")).json()["unread_count"] == 2
    assert (await ada.get(f"{AT}/{talk['id']}")).json()["unread_count"] == 0
    await ben.put(f"{AT}/{talk['id']}/read", {"event_id": listed[1]["event_id"]})
    assert (await ben.get(f"{AT}/{talk['id']}")).json()["unread_count"] == 1
    await ben.put(f"{AT}/{talk['id']}/read", {"event_id": 2**53 - 1})
    await ben.put(f"{AT}/{talk['id']}/read", {"event_id": 0})
    seen = (await ben.get(f"{AT}/{talk['id']}")).json()
    assert seen["unread_count"] == 0
    assert {one["read_up_to"] for one in seen["members"]} == {seen["last_event_id"]}


async def positions(person: Person, talk: dict[str, Any]) -> dict[str, int]:
    """Return how far the members have read, as a person sees it."""
    members = (await person.get(f"{AT}/{talk['id']}")).json()["members"]
    return {one["user_id"]: one["read_up_to"] for one in members}


@pytest.mark.parametrize("who_switches_off", ["reader", "other"])
async def test_receipts_switched_off_are_hidden_both_ways(ada: Person, ben: Person, who_switches_off: str) -> None:
    talk = await direct(ada, ben)
    sent = (await say(ada, talk)).json()["event_id"]
    await ben.put(f"{AT}/{talk['id']}/read", {"event_id": sent})
    both = {str(ada.id): sent, str(ben.id): sent}
    assert (await positions(ada, talk), await positions(ben, talk)) == (both, both)
    switching = ben if who_switches_off == "reader" else ada
    assert (await switching.put("/chat/settings", {"read_receipts": False})).json() == {"read_receipts": False}
    assert await positions(ada, talk) == both | {str(ben.id): 0}
    assert await positions(ben, talk) == both | {str(ada.id): 0}
    assert (await ben.get(f"{AT}/{talk['id']}")).json()["unread_count"] == 0
    assert (await switching.put("/chat/settings", {"read_receipts": "no"})).status_code == 422
    assert (await switching.get("/chat/settings")).json() == {"read_receipts": False}


async def test_search_finds_text_in_visible_messages_only(town: Town, ada: Person, ben: Person) -> None:
    cleo = await town.create_user()
    talk = await group(ada, ben, cleo)
    said = [(await say(person, talk, words)).json() for person, words in (
        (ada, "The LADDER is 50% off"), (ben, "which ladder?"), (cleo, "a ladder_x"), (ada, "no"),
    )]  # fmt: skip
    path = f"{AT}/{talk['id']}/messages/search"

    async def found(person: Person, q: str) -> list[str]:
        return [one["id"] for one in (await person.get(path, q=q)).json()["items"]]

    assert await found(ada, "ladder") == [said[2]["id"], said[1]["id"], said[0]["id"]]
    assert await found(ada, "0%") == [said[0]["id"]]
    assert await found(ada, "_") == [said[2]["id"]]
    await town.block(cleo, ada)
    await ben.delete(f"{AT}/{talk['id']}/messages/{said[1]['id']}")
    assert await found(ada, "ladder") == [said[0]["id"]]
    assert (await ada.get(path)).status_code == 422
    assert (await (await town.create_user()).get(path, q="ladder")).status_code == 404


class TestReplies:
    async def test_shows_the_present_state_of_the_original(self, ada: Person, ben: Person) -> None:
        talk = await direct(ada, ben)
        asked = (await say(ada, talk, "Who brings the ladder? " + "x" * 300)).json()
        reply = (await say(ben, talk, "I do.", reply_to_id=asked["id"])).json()
        assert (reply["reply_to_id"], reply["reply_to"]["author"]["id"]) == (asked["id"], str(ada.id))
        assert reply["reply_to"]["content"] == asked["content"][:200]
        path = f"{AT}/{talk['id']}/messages"
        await ada.put(f"{path}/{asked['id']}", {"content": "Who brings it?"})
        listed = (await ada.get(path)).json()["items"]
        assert [one["reply_to"] and one["reply_to"]["content"] for one in listed] == ["Who brings it?", None]
        await ada.delete(f"{path}/{asked['id']}")
        for shown in ((await ben.get(path)).json()["items"][0], (await events(ben, talk))[3]["message"]):
            assert (shown["reply_to_id"], shown["reply_to"]["content"]) == (asked["id"], None)

    async def test_is_hidden_across_a_block(self, town: Town, ada: Person, ben: Person) -> None:
        cleo = await town.create_user()
        talk = await group(ada, ben, cleo)
        asked = (await say(cleo, talk, "Who?")).json()
        await say(ben, talk, "Me.", reply_to_id=asked["id"])
        await town.block(cleo, ada)
        path = f"{AT}/{talk['id']}/messages"
        for person, is_shown in ((ada, False), (ben, True)):
            listed = (await person.get(path)).json()["items"][0]
            happened = (await events(person, talk))[-1]["message"]
            assert [one["reply_to_id"] for one in (listed, happened)] == [asked["id"]] * 2
            assert [one["reply_to"] is not None for one in (listed, happened)] == [is_shown] * 2
        refused = await say(ada, talk, "Me too.", reply_to_id=asked["id"])
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_reply")

    async def test_needs_a_message_of_the_conversation(self, ada: Person, ben: Person) -> None:
        talk, other = await direct(ada, ben), await group(ada, ben)
        elsewhere, deleted = (await say(ada, other)).json(), (await say(ada, talk)).json()
        await ada.delete(f"{AT}/{talk['id']}/messages/{deleted['id']}")
        for reply_to_id in (str(uuid4()), elsewhere["id"], deleted["id"]):
            refused = await say(ben, talk, "I do.", reply_to_id=reply_to_id)
            assert (refused.status_code, refused.json()["code"]) == (422, "unknown_reply")
        assert (await say(ben, talk, "I do.", reply_to_id="first")).status_code == 422
        assert len((await ben.get(f"{AT}/{talk['id']}/messages")).json()["items"]) == 1


class TestReactions:
    async def test_one_each_that_can_be_changed(self, ada: Person, ben: Person) -> None:
        talk = await direct(ada, ben)
        sent = (await say(ada, talk)).json()
        path = f"{AT}/{talk['id']}/messages/{sent['id']}/reaction"
        for kind in ("love", "helpful", "helpful"):
            answer = await ben.put(path, {"kind": kind})
            assert answer.status_code == 200, answer.text
        assert answer.json()["reactions"] == [{"user_id": str(ben.id), "kind": "helpful"}]
        await ada.put(path, {"kind": "care"})
        both = [{"user_id": str(ben.id), "kind": "helpful"}, {"user_id": str(ada.id), "kind": "care"}]
        assert (await ben.get(f"{AT}/{talk['id']}/messages")).json()["items"][0]["reactions"] == both
        for _ in range(2):
            assert (await ben.delete(path)).status_code == 204
        happened = (await events(ada, talk))[3:]
        assert [(one["kind"], one["user_id"]) for one in happened] == [
            ("message.reacted", str(person.id)) for person in (ben, ben, ada, ben)
        ]
        assert happened[-1]["message"]["reactions"] == both[1:]
        assert happened[-1]["message"]["author"]["id"] == str(ada.id)
        assert (await ben.get(f"{AT}/{talk['id']}")).json()["unread_count"] == 1
        assert (await ben.put(path, {"kind": "👍"})).status_code == 422

    async def test_of_blocked_members_are_hidden(self, town: Town, ada: Person, ben: Person) -> None:
        cleo = await town.create_user()
        talk = await group(ada, ben, cleo)
        sent = (await say(ben, talk)).json()
        path = f"{AT}/{talk['id']}/messages/{sent['id']}/reaction"
        await cleo.put(path, {"kind": "love"})
        await town.block(cleo, ada)
        listed = (await ada.get(f"{AT}/{talk['id']}/messages")).json()["items"][0]
        created, reacted = (await events(ada, talk))[3:]
        assert (listed["reactions"], created["message"]["reactions"]) == ([], [])
        assert (reacted["user"], reacted["message"]) == (None, None)
        assert len((await events(ben, talk))[3]["message"]["reactions"]) == 1

    async def test_needs_a_visible_message(self, town: Town, ada: Person, ben: Person) -> None:
        talk, other = await direct(ada, ben), await group(ada, ben)
        sent = (await say(ben, talk)).json()
        wrong = f"{AT}/{other['id']}/messages/{sent['id']}/reaction"
        assert (await ada.put(wrong, {"kind": "love"})).status_code == 404
        assert (await ada.delete(wrong)).status_code == 404
        path = f"{AT}/{talk['id']}/messages/{sent['id']}/reaction"
        own = (await say(ada, talk)).json()
        await ada.put(path, {"kind": "love"})
        await ben.delete(path.removesuffix("/reaction"))
        gone = await ada.put(path, {"kind": "love"})
        assert (gone.status_code, gone.json()["code"]) == (409, "message_deleted")
        assert await town.rows("SELECT 1 FROM chat_reactions WHERE message_id = :id", id=UUID(sent["id"])) == []
        await town.block(ben, ada)
        assert (await ada.put(path, {"kind": "love"})).status_code == 404
        blocked = await ada.put(f"{AT}/{talk['id']}/messages/{own['id']}/reaction", {"kind": "love"})
        assert blocked.status_code == 403

    async def test_former_members_can_take_theirs_back(self, ada: Person, ben: Person) -> None:
        talk = await group(ada, ben)
        sent = (await say(ada, talk)).json()
        path = f"{AT}/{talk['id']}/messages/{sent['id']}/reaction"
        await ben.put(path, {"kind": "love"})
        await ben.delete(f"{AT}/{talk['id']}/members/{ben.id}")
        assert (await ben.delete(path)).status_code == 204
        assert (await ben.delete(path)).status_code == 404
        assert (await ada.get(f"{AT}/{talk['id']}/messages")).json()["items"][0]["reactions"] == []


async def test_events_are_numbered_without_a_gap_while_many_write(town: Town, ada: Person) -> None:
    people = [await town.create_user() for _ in range(5)]
    talk = await group(ada, *people)
    answers = await asyncio.gather(*(say(person, talk, f"{number}") for person in people for number in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    happened = await events(ada, talk)
    assert [event["event_id"] for event in happened] == list(range(1, 6 + 40 + 1))
    assert await events(ada, talk, after=44) == happened[44:]


async def test_a_message_that_is_sent_again_is_the_same_message(ada: Person, ben: Person) -> None:
    talk = await direct(ada, ben)
    answers = await asyncio.gather(*(say(ada, talk, client_id="c-1") for _ in range(4)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len((await ben.get(f"{AT}/{talk['id']}/messages")).json()["items"]) == 1
    assert (await say(ben, talk, client_id="c-1")).json()["id"] != answers[0].json()["id"]


async def test_a_message_is_changed_and_emptied_by_its_author_alone(ada: Person, ben: Person) -> None:
    talk = await direct(ada, ben)
    upload = (await ada.upload(jpeg())).json()
    sent = (await say(ada, talk, media_ids=[upload["id"]])).json()
    path = f"{AT}/{talk['id']}/messages/{sent['id']}"
    assert (await ben.put(path, {"content": "No."})).status_code == 403
    assert (await ben.delete(path)).status_code == 403
    assert (await ada.put(path, {"content": "Or not?"})).json()["edited_at"] is not None
    assert [(await ada.delete(path)).status_code for _ in range(2)] == [204, 204]
    assert (await ada.put(path, {"content": "Back."})).json()["code"] == "message_deleted"
    (seen,) = (await ben.get(f"{AT}/{talk['id']}/messages")).json()["items"]
    assert (seen["content"], seen["attachments"]) == (None, [])
    kinds = [event["kind"] for event in await events(ben, talk)]
    assert kinds == ["member.joined", "member.joined", "message.created", "message.edited", "message.deleted"]


async def test_a_block_stops_a_conversation_and_keeps_its_history(town: Town, ada: Person, ben: Person) -> None:
    talk = await direct(ada, ben)
    await say(ada, talk)
    await town.block(ben, ada)
    for person in (ada, ben):
        assert (await say(person, talk)).status_code == 403
        assert (await person.get(f"{AT}/{talk['id']}")).status_code == 200


async def test_in_a_group_a_blocked_member_is_not_heard(town: Town, ada: Person, ben: Person) -> None:
    third = await town.create_user()
    talk = await group(ada, ben, third)
    await town.block(ben, ada)
    await say(ada, talk, "hidden")
    await say(third, talk, "shown")
    listed = (await ben.get(f"{AT}/{talk['id']}/messages")).json()["items"]
    assert [one["content"] for one in listed] == ["shown"]
    assert [one["message"] and one["message"]["content"] for one in (await events(ben, talk))[-2:]] == [None, "shown"]
    assert (await ben.get(f"{AT}/{talk['id']}")).json()["unread_count"] == 1


async def test_a_group_grows_and_shrinks_by_its_rules(town: Town, ada: Person, ben: Person) -> None:
    third, outsider = await town.create_user(), await town.create_user()
    talk = await group(ada, ben)
    assert (await ben.post(f"{AT}/{talk['id']}/members", {"user_id": str(third.id)})).status_code == 204
    assert (await outsider.post(f"{AT}/{talk['id']}/members", {"user_id": str(outsider.id)})).status_code == 404
    assert (await ben.delete(f"{AT}/{talk['id']}/members/{third.id}")).status_code == 403
    assert (await ada.delete(f"{AT}/{talk['id']}/members/{third.id}")).status_code == 204
    assert (await third.get(f"{AT}/{talk['id']}")).status_code == 404
    assert (await say(third, talk)).status_code == 404
    assert (await ben.delete(f"{AT}/{talk['id']}/members/{ben.id}")).status_code == 204
    between = await direct(ada, ben)
    assert (await ada.post(f"{AT}/{between['id']}/members", {"user_id": str(third.id)})).status_code == 403


async def test_conversations_are_listed_by_their_latest_message(town: Town, ada: Person, ben: Person) -> None:
    third = await town.create_user()
    first, second = await direct(ada, ben), await direct(ada, third)
    await say(ben, first)
    listed = (await ada.get(AT)).json()["items"]
    assert [one["id"] for one in listed] == [first["id"], second["id"]]
    assert (await third.get(AT)).json()["items"][0]["unread_count"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {"content": ""},
        {"content": "x" * 4_001},
        {"content": "x", "attachments": ["file:///etc/passwd"]},
        {"content": "x", "client_id": "not allowed!"},
        {"content": "x", "author_id": str(UUID(int=7))},
    ],
    ids=str,
)
async def test_a_message_that_makes_no_sense_changes_nothing(ada: Person, ben: Person, body: dict[str, Any]) -> None:
    talk = await direct(ada, ben)
    assert (await ada.post(f"{AT}/{talk['id']}/messages", body)).status_code == 422
    assert len(await events(ada, talk)) == 2


async def test_who_left_a_group_can_still_delete_what_they_wrote(ada: Person, ben: Person) -> None:
    talk = await group(ada, ben)
    mine, theirs = (await say(ben, talk, "My number")).json(), (await say(ada, talk, "Thanks")).json()
    assert (await ben.delete(f"{AT}/{talk['id']}/members/{ben.id}")).status_code == 204
    assert (await ben.delete(f"{AT}/{talk['id']}/messages/{mine['id']}")).status_code == 204
    assert (await ben.delete(f"{AT}/{talk['id']}/messages/{theirs['id']}")).status_code == 404
    change = await ben.put(f"{AT}/{talk['id']}/messages/{mine['id']}", {"content": "Again"})
    assert change.status_code == 404
    shown = (await ada.get(f"{AT}/{talk['id']}/messages")).json()["items"]
    assert {one["id"]: one["content"] for one in shown} == {mine["id"]: None, theirs["id"]: "Thanks"}
