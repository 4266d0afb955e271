"""Notifications of several people about one thing as one entry, and the totals of the badges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.transactional_api.people import Person, Town


@pytest.fixture
async def people(town: Town, garden: dict[str, Any]) -> list[Person]:
    """Cleo, Dan, Eva and Finn, members of the garden."""
    names = ("Cleo", "Dan", "Eva", "Finn")
    settled = [await town.create_user(first_name=name) for name in names]
    for person in settled:
        await town.add_member(person, garden)
    return settled


@pytest.fixture
async def post(ada: Person, garden: dict[str, Any]) -> dict[str, Any]:
    return await ada.make_post(garden)


async def groups(person: Person, **query: Any) -> list[dict[str, Any]]:
    answer = await person.get("/notifications/grouped", **query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def one_group(person: Person) -> dict[str, Any]:
    [group] = await groups(person)
    return group


def names(group: dict[str, Any]) -> list[str]:
    return [actor["display_name"].split()[0] for actor in group["actors"]]


async def like_in_turn(town: Town, people: list[Person], post: dict[str, Any]) -> None:
    for person in people:
        assert (await person.post(f"/posts/{post['id']}/like")).is_success
        await town.run_jobs()


async def test_likes_of_a_post_are_one_group_with_its_latest_actors(
    town: Town, ada: Person, people: list[Person], post: dict[str, Any]
) -> None:
    await like_in_turn(town, people, post)
    group = await one_group(ada)
    assert (group["kind"], group["subject_id"], group["unread"]) == ("post.liked", post["id"], True)
    assert (group["actor_count"], group["notification_count"]) == (4, 4)
    assert names(group) == ["Finn", "Eva", "Dan"]
    assert group["title"] == "Finn Okafor and 3 others like your post"


async def test_comments_on_a_post_are_one_group_of_people(
    town: Town, ada: Person, people: list[Person], post: dict[str, Any]
) -> None:
    cleo, dan, *_ = people
    for person, words in ((cleo, "One"), (dan, "Two"), (cleo, "Three")):
        await person.post(f"/posts/{post['id']}/comments", {"content": words})
        await town.run_jobs()
    group = await one_group(ada)
    assert (group["actor_count"], group["notification_count"]) == (2, 3)
    assert (names(group), group["body"]) == (["Cleo", "Dan"], "Three")
    assert group["title"] == "Cleo Okafor and 1 other commented on your post"


async def test_replies_to_the_author_of_the_post_are_comments_on_it(
    town: Town, ada: Person, people: list[Person], post: dict[str, Any]
) -> None:
    cleo, dan, *_ = people
    at = f"/posts/{post['id']}/comments"
    own = (await ada.post(at, {"content": "Mine"})).json()
    bens = (await cleo.post(at, {"content": "One"})).json()
    for person in (dan, people[2]):
        await person.post(at, {"content": "Two", "parent_id": own["id"]})
        await person.post(at, {"content": "Three", "parent_id": bens["id"]})
        await town.run_jobs()
    assert (await one_group(ada))["title"] == "Eva Okafor and 2 others commented on your post"
    assert (await one_group(cleo))["title"] == "Eva Okafor and 1 other replied to your comment"


async def test_followers_are_grouped_by_day(town: Town, ada: Person, people: list[Person]) -> None:
    for person in people:
        await person.post(f"/users/{ada.id}/follow")
        await town.run_jobs()
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    for days, person in enumerate(people[:2], start=1):
        await town.write(
            "UPDATE notifications SET created_at = :at WHERE actor_id = :id",
            at=noon - timedelta(days=days),
            id=person.id,
        )
    assert [(names(group), group["title"]) for group in await groups(ada)] == [
        (["Finn", "Eva"], "Finn Okafor and 1 other follow you"),
        (["Cleo"], "Cleo Okafor follows you"),
        (["Dan"], "Dan Okafor follows you"),
    ]


async def test_who_is_blocked_muted_or_erased_does_not_count(
    town: Town, ada: Person, ben: Person, people: list[Person], post: dict[str, Any]
) -> None:
    cleo, dan, eva, finn = people
    await like_in_turn(town, [ben, *people], post)
    await town.block(finn, ada)
    assert (await one_group(ada))["title"] == "Eva Okafor and 3 others like your post"
    await ada.post(f"/users/{eva.id}/mute")
    await dan.delete(f"/posts/{post['id']}/like")
    group = await one_group(ada)
    assert (names(group), group["actor_count"], group["notification_count"]) == (["Cleo", "Ben"], 2, 2)
    await town.write("UPDATE users SET is_active = false WHERE id = :id", id=cleo.id)
    assert (await one_group(ada))["title"] == "Ben Okafor likes your post"
    await ada.delete(f"/posts/{post['id']}")
    assert await groups(ada) == []


async def test_a_deleted_or_hidden_comment_does_not_count(
    town: Town, ada: Person, people: list[Person], post: dict[str, Any]
) -> None:
    at = f"/posts/{post['id']}/comments"
    written = []
    for person in people[:3]:
        written.append((await person.post(at, {"content": "Here"})).json())
        await town.run_jobs()
    await people[2].delete(f"{at}/{written[2]['id']}")
    group = await one_group(ada)
    assert (names(group), group["source_id"]) == (["Dan", "Cleo"], written[1]["id"])
    await town.write("UPDATE comments SET is_active = false WHERE id = :id", id=written[0]["id"])
    assert (await one_group(ada))["title"] == "Dan Okafor commented on your post"


async def test_who_left_a_private_connector_sees_no_group_of_it(
    town: Town, ada: Person, ben: Person, people: list[Person]
) -> None:
    place = await ada.make_connector(is_public=False)
    for person in (ben, *people):
        await town.add_member(person, place)
    post = await ben.make_post(place)
    await like_in_turn(town, people, post)
    assert (await one_group(ben))["actor_count"] == 4
    await ben.delete(f"/connectors/{place['id']}/leave")
    assert await groups(ben) == []


async def test_a_group_is_read_as_it_was_shown(
    town: Town, ada: Person, people: list[Person], post: dict[str, Any]
) -> None:
    *first, last = people
    at = f"/posts/{post['id']}/comments"
    for person in first:
        await person.post(at, {"content": "Here"})
        await town.run_jobs()
    shown = await one_group(ada)
    newest = (await ada.get("/notifications", limit=1)).json()["items"][0]
    await ada.post("/notifications/mark-read", {"notification_ids": [newest["id"]]})
    assert (await one_group(ada))["unread"] is True, "the others are unread"
    assert (await ada.post("/notifications/mark-read", {"group_ids": [shown["id"]]})).json() == {"unread_count": 0}
    assert ((await one_group(ada))["unread"], await groups(ada, unread=True)) == (False, [])
    await last.post(at, {"content": "New"})
    await town.run_jobs()
    assert (await ada.post("/notifications/mark-read", {"group_ids": [shown["id"]]})).json() == {"unread_count": 1}
    [group] = await groups(ada, unread=True)
    assert (group["unread"], group["notification_count"]) == (True, 4)
    # Nobody reads the group of another person.
    await last.post("/notifications/mark-read", {"group_ids": [group["id"]]})
    assert (await one_group(ada))["unread"] is True


async def test_pages_have_every_group_once_in_order(
    town: Town, ada: Person, people: list[Person], garden: dict[str, Any]
) -> None:
    posts = [await ada.make_post(garden) for _ in range(3)]
    for person in people[:2]:
        for post in posts:
            await like_in_turn(town, [person], post)
    whole = [group["id"] for group in await groups(ada)]
    paged, query = [], {"limit": 1}
    while True:
        page = (await ada.get("/notifications/grouped", **query)).json()
        paged += [group["id"] for group in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert paged == whole
    assert len(whole) == 3


async def test_other_kinds_are_alone_in_their_entry(town: Town, ada: Person, ben: Person) -> None:
    admin = await town.create_user(role="admin")
    for title in ("Water", "Power"):
        await admin.post("/notifications/send", {"title": title, "user_ids": [str(ada.id)]})
    chat = (await ben.post("/chat/conversations", {"kind": "direct", "user_id": str(ada.id)})).json()
    await ben.post(f"/chat/conversations/{chat['id']}/messages", {"content": "Hello"})
    await town.run_jobs()
    shown = {group["title"]: (group["actor_count"], names(group), group["unread"]) for group in await groups(ada)}
    assert shown == {
        "Water": (0, [], True),
        "Power": (0, [], True),
        "Ben Okafor wrote to you": (1, ["Ben"], True),
    }


async def test_totals_count_notifications_and_conversations(
    town: Town, ada: Person, ben: Person, people: list[Person], post: dict[str, Any]
) -> None:
    async def totals() -> tuple[int, int]:
        counts = (await ada.get("/notifications/unread-totals")).json()
        return counts["unread_notification_count"], counts["unread_conversation_count"]

    assert await totals() == (0, 0)
    await like_in_turn(town, people, post)
    sent = {}
    for person in (ben, people[0]):
        chat = (await person.post("/chat/conversations", {"kind": "direct", "user_id": str(ada.id)})).json()
        for words in ("Hello", "Are you in?"):
            sent = (await person.post(f"/chat/conversations/{chat['id']}/messages", {"content": words})).json()
    assert await totals() == (1, 2)
    await ada.put(f"/chat/conversations/{chat['id']}/read", {"event_id": sent["event_id"]})
    assert await totals() == (1, 1)
    await town.block(ben, ada)
    assert await totals() == (1, 0)
    await ada.post("/notifications/mark-read", {})
    assert await totals() == (0, 0)
