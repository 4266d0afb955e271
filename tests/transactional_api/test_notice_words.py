"""How notifications read, whom they reach after an edit or a reply, and what the other side hears of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.transactional_api.people import Person, Town
from tests.transactional_api.privacy.marked import erase
from tests.transactional_api.test_accounts import register


async def shown(person: Person, kind: str | None = None) -> list[tuple[str, str]]:
    """Return the titles and bodies of a person's notifications."""
    items = (await person.get("/notifications", limit=100)).json()["items"]
    return [(one["title"], one["body"]) for one in items if kind in {None, one["kind"]}]


@pytest.fixture
async def cleo(town: Town, garden: dict[str, Any]) -> Person:
    person = await town.create_user(first_name="Cleo")
    await town.add_member(person, garden)
    return person


async def test_likes_of_one_post_are_one_entry_under_the_latest_name(
    town: Town, ada: Person, ben: Person, cleo: Person, garden: dict[str, Any]
) -> None:
    post = await ada.make_post(garden)
    for person in (ben, cleo):
        await person.post(f"/posts/{post['id']}/like")
        await town.run_jobs()
    assert await shown(ada) == [("Cleo Okafor and 1 other like your post", "")]
    [one] = (await ada.get("/notifications")).json()["items"]
    assert (one["actor_name"], one["other_count"]) == ("Cleo Okafor", 1)
    assert (await ada.get("/notifications/unread")).json() == {"unread_count": 1}
    read = await ada.post("/notifications/mark-read", {"notification_ids": [one["id"]]})
    assert read.json() == {"unread_count": 0}
    await ada.post(f"/users/{cleo.id}/block")
    assert await shown(ada) == [("Ben Okafor likes your post", "")]
    assert (await ada.get("/notifications/unread")).json() == {"unread_count": 0}


async def test_likes_of_comments_and_reactions_have_kinds_of_their_own(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    post = await ada.make_post(garden)
    comment = (await ada.post(f"/posts/{post['id']}/comments", {"content": "Free for all"})).json()
    await ben.put(f"/posts/{post['id']}/comments/{comment['id']}/like")
    for kind in ("love", "funny"):
        await ben.put(f"/posts/{post['id']}/reaction", {"kind": kind})
    await town.run_jobs()
    assert await shown(ada, "comment.liked") == [("Ben Okafor likes your comment", "Free for all")]
    assert [title for title, _ in await shown(ada, "post.reacted")] == ["Ben Okafor reacted to your post"]


async def test_a_reply_notifies_each_concerned_person_once(
    town: Town, ada: Person, ben: Person, cleo: Person, garden: dict[str, Any]
) -> None:
    post = await ada.make_post(garden)
    at = f"/posts/{post['id']}/comments"
    bens = (await ben.post(at, {"content": "My answer"})).json()
    await town.run_jobs()
    await cleo.post(at, {"content": "I see it otherwise", "parent_id": bens["id"]})
    adas = (await ada.post(at, {"content": "Well"})).json()
    await cleo.post(at, {"content": "Both", "parent_id": adas["id"]})
    await town.run_jobs()
    assert await shown(ben, "comment.created") == [("Cleo Okafor replied to your comment", "I see it otherwise")]
    assert (await shown(ada, "comment.created"))[0] == ("Cleo Okafor replied to your comment", "Both")
    assert len(await shown(ada, "comment.created")) == 3


async def test_an_edit_notifies_the_added_people_only(
    town: Town, ada: Person, ben: Person, cleo: Person, garden: dict[str, Any]
) -> None:
    post = await ada.make_post(garden, content=f"A ladder? @{ben.id.hex}")
    comment = (await ada.post(f"/posts/{post['id']}/comments", {"content": "Hm"})).json()
    start = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    body = {"title": "Swap", "start_date": start}
    event = (await ada.post("/events", {**body, "connector_id": garden["id"]})).json()
    await town.run_jobs()
    await ada.put(f"/posts/{post['id']}", {"content": f"A ladder? @{ben.id.hex} @{cleo.id.hex}"})
    await ada.put(f"/events/{event['id']}", {**body, "description": f"With @{ben.id.hex}"})
    await town.run_jobs()
    assert len(await shown(ben, "mentioned")) == 2, "the post once, and the event"
    assert [body for _, body in await shown(cleo, "mentioned")] == [f"A ladder? @{ben.id.hex} @{cleo.id.hex}"]
    dan = await town.create_user()
    await town.add_member(dan, garden)
    await ada.put(f"/posts/{post['id']}/comments/{comment['id']}", {"content": f"Hm, or @{dan.id.hex}"})
    await town.run_jobs()
    assert await shown(dan) == [("Ada Okafor mentioned you", f"Hm, or @{dan.id.hex}")]


async def test_a_mention_whose_text_went_does_not_silence_the_next(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    post = await ada.make_post(garden)
    at = f"/posts/{post['id']}/comments"
    first = (await ada.post(at, {"content": f"@{ben.id.hex} one"})).json()
    await town.run_jobs()
    await ada.delete(f"{at}/{first['id']}")
    assert await shown(ben, "mentioned") == []
    await ada.post(at, {"content": f"@{ben.id.hex} two"})
    await town.run_jobs()
    assert await shown(ben, "mentioned") == [("Ada Okafor mentioned you", f"@{ben.id.hex} two")]


async def test_a_busy_conversation_is_one_entry_and_read_with_it(town: Town, ada: Person, ben: Person) -> None:
    chat = (await ada.post("/chat/conversations", {"kind": "direct", "user_id": str(ben.id)})).json()
    at = f"/chat/conversations/{chat['id']}"
    for words in ("Hello", "Are you in?"):
        sent = (await ada.post(f"{at}/messages", {"content": words})).json()
        await town.run_jobs()
    assert await shown(ben) == [("Ada Okafor wrote to you", "Are you in?")]
    assert (await shown(ada), (await ben.get("/notifications/unread")).json()) == ([], {"unread_count": 1})
    await ada.put(f"{at}/messages/{sent['id']}", {"content": "Are you there?"})
    assert await shown(ben) == [("Ada Okafor wrote to you", "Are you there?")]
    await ada.delete(f"{at}/messages/{sent['id']}")
    assert await shown(ben) == [("Ada Okafor wrote to you", "Hello")]
    await ben.put(f"{at}/read", {"event_id": sent["event_id"]})
    assert (await ben.get("/notifications/unread")).json() == {"unread_count": 0}
    [one] = (await ben.get("/notifications")).json()["items"]
    assert one["read_at"] is not None
    await ada.post(f"{at}/messages", {"content": "Good night"})
    await town.run_jobs()
    assert (await ben.get("/notifications/unread")).json() == {"unread_count": 1}
    await ben.post(f"/users/{ada.id}/mute")
    assert await shown(ben) == []


async def test_a_declined_request_and_a_decided_report_are_answered(
    town: Town, ada: Person, ben: Person, mod: Person
) -> None:
    place = await ada.make_connector(join_policy="approval", name="Beekeepers")
    await ben.post(f"/connectors/{place['id']}/join")
    await ada.put(f"/connectors/{place['id']}/requests/{ben.id}", {"decision": "decline"})
    post = await ada.make_post(place)
    await ben.post("/moderation/reports", {"subject_kind": "post", "subject_id": post["id"], "reason": "spam"})
    [(case,)] = await town.rows("SELECT id FROM moderation_cases WHERE subject_id = :id", id=post["id"])
    await mod.post(f"/moderation/cases/{case}/decision", {"outcome": "keep", "rule": "Be kind"})
    await town.run_jobs()
    assert {title for title, _ in await shown(ben)} == {
        "Your request to join was declined",
        "A moderator decided about your report",
    }


async def test_an_erasure_says_which_events_and_purchases_are_off(town: Town, ada: Person, ben: Person) -> None:
    session = await register(town)
    host = Person(UUID(session["user"]["id"]), town.http, session["access_token"])
    place = await ada.make_connector()
    for person in (host, ben):
        await person.post(f"/connectors/{place['id']}/join")
    start = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    for title in ("Potluck", "Walk"):
        event = await host.post("/events", {"connector_id": place["id"], "title": title, "start_date": start})
        await ben.post(f"/events/{event.json()['id']}/rsvp", {"status": "attending"})
    item = {"connector_id": place["id"], "title": "Bike", "price": "50.00", "category": "bikes"}
    bike = (await host.post("/marketplace/items", item)).json()
    assert (await ben.post(f"/marketplace/items/{bike['id']}/buy")).status_code == 201
    await town.run_jobs()
    # The words of an item that is still there are read from it.
    stored = await town.rows("SELECT DISTINCT body FROM notifications WHERE subject_id = :id", id=bike["id"])
    assert [row.body for row in stored] == [""]
    await erase(town, host)
    await town.run_jobs()
    off = "An event that you answered was cancelled"
    assert sorted(await shown(ben, "event.cancelled")) == [(off, "Potluck"), (off, "Walk")]
    assert await shown(ben, "purchase.cancelled") == [("A purchase was called off", "Bike")]


async def test_a_member_hears_of_another_role_and_of_being_put_out(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    at = f"/connectors/{garden['id']}"
    assert (await ada.put(f"{at}/members/{ben.id}", {"role": "moderator"})).status_code == 204
    await town.run_jobs()
    assert await shown(ben, "role.changed") == [(f"You have another role in {garden['name']} now", "Moderator")]
    assert (await ada.put(f"{at}/bans/{ben.id}", {"reason": "rude"})).status_code == 204
    await town.run_jobs()
    assert await shown(ben) == [("You were removed from a connector", garden["name"])]
