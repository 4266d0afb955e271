"""Recipients of notifications: each once, and never about somebody they block or mute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from tests.transactional_api.people import Person, Town
from transactional_api.core import mailer
from transactional_api.core.db.tables import Mute
from transactional_api.core.notices import Notice, NoticeKind, notify


async def told(person: Person) -> list[str]:
    return [one["kind"] for one in (await person.get("/notifications")).json()["items"]]


@pytest.fixture
async def post(ada: Person, ben: Person) -> dict[str, Any]:
    connector = await ada.make_connector()
    await ben.post(f"/connectors/{connector['id']}/join")
    return await ada.make_post(connector)


async def test_the_author_hears_of_a_comment_and_nobody_else_does(
    town: Town, ada: Person, ben: Person, post: dict[str, Any]
) -> None:
    await ben.post(f"/posts/{post['id']}/comments", {"content": "I will bring pots."})
    await town.run_jobs()
    [one] = (await ada.get("/notifications")).json()["items"]
    assert (one["kind"], one["actor_id"], one["body"]) == ("comment.created", str(ben.id), "I will bring pots.")
    assert (one["subject_kind"], one["subject_id"], one["read_at"]) == ("post", post["id"], None)
    assert await told(ben) == []


async def test_a_like_taken_back_and_given_again_is_told_once(
    town: Town, ada: Person, ben: Person, post: dict[str, Any]
) -> None:
    for _ in range(2):
        await ben.post(f"/posts/{post['id']}/like")
        await town.run_jobs()
        assert await told(ada) == ["post.liked"]
        await ben.delete(f"/posts/{post['id']}/like")
        assert await told(ada) == []


async def test_nobody_hears_of_what_they_do_themselves(town: Town, ada: Person, post: dict[str, Any]) -> None:
    await ada.post(f"/posts/{post['id']}/like")
    await ada.post(f"/posts/{post['id']}/comments", {"content": "Mine"})
    await town.run_jobs()
    assert await told(ada) == []


async def test_nobody_hears_of_somebody_they_mute(town: Town, ada: Person, ben: Person, post: dict[str, Any]) -> None:
    async with town.app.state.engine.begin() as connection:
        await connection.execute(insert(Mute).values(muter_id=ada.id, muted_id=ben.id))
    await ben.post(f"/posts/{post['id']}/like")
    await town.run_jobs()
    assert await told(ada) == []


async def test_what_a_person_did_who_is_blocked_since_is_not_shown(
    town: Town, ada: Person, ben: Person, post: dict[str, Any]
) -> None:
    await ben.post(f"/posts/{post['id']}/like")
    await town.run_jobs()
    await town.block(ada, ben)
    assert (await told(ada), (await ada.get("/notifications/unread")).json()) == ([], {"unread_count": 0})


async def test_a_job_that_runs_twice_tells_once(town: Town, ada: Person, ben: Person) -> None:
    notice = Notice(
        kind=NoticeKind.COMMENT_CREATED, subject_kind="user", subject_id=ben.id, title="Twice", user_ids=[ada.id]
    )
    for _ in range(2):
        async with town.app.state.context.transaction() as session:
            await notify(session, notice)
        await town.run_jobs()
    assert await told(ada) == ["comment.created"]


async def test_every_member_of_a_connector_is_told_but_who_did_it(town: Town, ada: Person, ben: Person) -> None:
    connector = await ada.make_connector()
    await town.add_member(ben, connector)
    stranger = await town.create_user()
    notice = Notice(
        kind=NoticeKind.COMMENT_CREATED,
        actor_id=ada.id,
        subject_kind="connector",
        subject_id=connector["id"],
        title="To all",
        connector_id=connector["id"],
    )
    async with town.app.state.context.transaction() as session:
        await notify(session, notice)
    await town.run_jobs()
    assert [await told(person) for person in (ada, ben, stranger)] == [[], ["comment.created"], []]


async def test_letters_follow_the_preferences_of_each_person(
    town: Town, ada: Person, ben: Person, post: dict[str, Any]
) -> None:
    wish = {"kind": "post.liked", "channel": "email", "wanted": True}
    said = (await ada.put("/notifications/preferences", {"preferences": [wish]})).json()["preferences"]
    assert wish in said
    unwanted = {"kind": "comment.created", "channel": "in_app", "wanted": False}
    await ada.put("/notifications/preferences", {"preferences": [unwanted]})
    await ben.post(f"/posts/{post['id']}/like")
    await ben.post(f"/posts/{post['id']}/comments", {"content": "Here"})
    await town.run_jobs()
    assert await told(ada) == ["post.liked"]
    profile = (await ada.get("/users/profile")).json()
    assert [one["Subject"] for one in mailer.list_stored(town.app.state.settings) if one["To"] == profile["email"]] == [
        "Ben Okafor likes your post"
    ]


async def test_reading_one_and_reading_all(town: Town, ada: Person, ben: Person, post: dict[str, Any]) -> None:
    await ben.post(f"/posts/{post['id']}/like")
    for words in ("One", "Two"):
        await ben.post(f"/posts/{post['id']}/comments", {"content": words})
    await town.run_jobs()
    assert (await ada.get("/notifications/unread")).json() == {"unread_count": 3}
    newest = (await ada.get("/notifications", limit=1)).json()["items"][0]
    for _ in range(2):
        left = (await ada.post("/notifications/mark-read", {"notification_ids": [newest["id"]]})).json()
        assert left == {"unread_count": 2}
    assert len((await ada.get("/notifications", unread=True)).json()["items"]) == 2
    assert (await ada.post("/notifications/mark-read", {})).json() == {"unread_count": 0}


async def test_nobody_reads_another_s_notifications(town: Town, ada: Person, ben: Person, post: dict[str, Any]) -> None:
    await ben.post(f"/posts/{post['id']}/like")
    await town.run_jobs()
    [one] = (await ada.get("/notifications")).json()["items"]
    await ben.post("/notifications/mark-read", {"notification_ids": [one["id"]]})
    assert (await ada.get("/notifications/unread")).json() == {"unread_count": 1}


async def told_of(person: Person, kind: str) -> list[str]:
    items = (await person.get("/notifications", limit=100)).json()["items"]
    return [one["subject_id"] for one in items if one["kind"] == kind]


async def test_members_hear_of_events_and_of_posts_if_they_ask_to(town: Town, ada: Person, ben: Person) -> None:
    connector = await ada.make_connector()
    quiet = await town.create_user()
    for person in (ben, quiet):
        await town.add_member(person, connector)
    wanted = [{"kind": "post.created", "channel": "in_app", "wanted": True}]
    assert (await ben.put("/notifications/preferences", {"preferences": wanted})).status_code == 200
    post = await ada.make_post(connector)
    start = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    held = (await ada.post("/events", {"connector_id": connector["id"], "title": "Swap", "start_date": start})).json()
    await town.run_jobs()
    assert (await told_of(ben, "post.created"), await told_of(quiet, "post.created")) == ([post["id"]], [])
    for person in (ben, quiet):
        assert await told_of(person, "event.created") == [held["id"]]
    assert await told_of(ada, "event.created") == []


async def test_who_comes_is_reminded_once_a_day_before(town: Town, ada: Person, ben: Person) -> None:
    connector = await ada.make_connector()
    await town.add_member(ben, connector)
    start = datetime.now(UTC) + timedelta(days=3)
    body = {"title": "Swap", "start_date": start.isoformat()}
    event = (await ada.post("/events", body | {"connector_id": connector["id"]})).json()
    await ben.post(f"/events/{event['id']}/rsvp", {"status": "attending"})
    moved = start + timedelta(days=1)
    await ada.put(f"/events/{event['id']}", body | {"start_date": moved.isoformat()})
    await town.run_jobs()
    assert await told_of(ben, "event.soon") == [], "it is not time yet"
    [*planned] = await town.rows(
        "SELECT scheduled_at FROM procrastinate_jobs WHERE args->>'event_id' = :id", id=event["id"]
    )
    assert {row.scheduled_at for row in planned} == {start - timedelta(days=1), moved - timedelta(days=1)}
    await town.write("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE args->>'event_id' = :id", id=event["id"])
    await town.run_jobs()
    assert await told_of(ben, "event.soon") == [event["id"]]
