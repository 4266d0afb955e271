"""Who is told what, once, and never by somebody they block or mute."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert

from tests.transactional_api.people import Person, Town
from transactional_api.db.tables import Mute
from transactional_api.mail import letters
from transactional_api.notifications.channels import NoticeKind
from transactional_api.notifications.notice import Notice, notify


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
        await ben.delete(f"/posts/{post['id']}/like")
    await town.run_jobs()
    assert await told(ada) == ["post.liked"]


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
    assert (await told(ada), (await ada.get("/notifications/unread")).json()) == ([], {"unread": 0})


async def test_a_job_that_runs_twice_tells_once(town: Town, ada: Person, ben: Person) -> None:
    notice = Notice(
        kind=NoticeKind.COMMENT_CREATED, subject_kind="user", subject_id=ben.id, title="Twice", user_ids=[ada.id]
    )
    for _ in range(2):
        async with town.app.state.resources.transaction() as session:
            await notify(session, notice)
        await town.run_jobs()
    assert await told(ada) == ["comment.created"]


async def test_every_member_of_a_connector_is_told_but_who_did_it(town: Town, ada: Person, ben: Person) -> None:
    connector = await ada.make_connector()
    await town.admit(ben, connector)
    stranger = await town.settle()
    notice = Notice(
        kind=NoticeKind.COMMENT_CREATED,
        actor_id=ada.id,
        subject_kind="connector",
        subject_id=connector["id"],
        title="To all",
        connector_id=connector["id"],
    )
    async with town.app.state.resources.transaction() as session:
        await notify(session, notice)
    await town.run_jobs()
    assert [await told(person) for person in (ada, ben, stranger)] == [[], ["comment.created"], []]


async def test_who_wants_letters_gets_one_and_who_wants_nothing_gets_nothing(
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
    assert [one["Subject"] for one in letters.lying(town.app.state.settings) if one["To"] == profile["email"]] == [
        "A neighbour likes your post"
    ]


async def test_reading_one_and_reading_all(town: Town, ada: Person, ben: Person, post: dict[str, Any]) -> None:
    await ben.post(f"/posts/{post['id']}/like")
    for words in ("One", "Two"):
        await ben.post(f"/posts/{post['id']}/comments", {"content": words})
    await town.run_jobs()
    assert (await ada.get("/notifications/unread")).json() == {"unread": 3}
    newest = (await ada.get("/notifications", limit=1)).json()["items"][0]
    for _ in range(2):
        left = (await ada.post("/notifications/mark-read", {"notification_ids": [newest["id"]]})).json()
        assert left == {"unread": 2}
    assert len((await ada.get("/notifications", unread=True)).json()["items"]) == 2
    assert (await ada.post("/notifications/mark-read", {})).json() == {"unread": 0}


async def test_nobody_reads_another_s_notifications(town: Town, ada: Person, ben: Person, post: dict[str, Any]) -> None:
    await ben.post(f"/posts/{post['id']}/like")
    await town.run_jobs()
    [one] = (await ada.get("/notifications")).json()["items"]
    await ben.post("/notifications/mark-read", {"notification_ids": [one["id"]]})
    assert (await ada.get("/notifications/unread")).json() == {"unread": 1}
