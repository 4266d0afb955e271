"""Stories that expire and reels that are liked, shown to whoever sees their connector."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from neighborconnect.contracts.captured.documents import REELS, STORIES
from tests.transactional_api.media.files import png, video
from tests.transactional_api.people import Person, Town, feed_id


@pytest.fixture
async def clip(town: Town, ada: Person) -> dict[str, Any]:
    return await town.keep_upload(ada, video(pictures=90))


def body(garden: dict[str, Any], upload: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"connector_id": garden["id"], "media_id": upload["id"], "title": "First tomatoes", **more}


async def test_a_story_is_gone_after_its_hours(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], clip: dict[str, Any]
) -> None:
    made = (await ada.post("/stories", body(garden, clip, duration_seconds=7_200, content="At last!"))).json()
    assert made["media_url"]
    assert made["thumbnail_url"]
    listed = (await ben.get(f"/stories/connector/{garden['id']}")).json()["items"]
    assert [one["id"] for one in listed] == [made["id"]]
    await town.write("UPDATE media_documents SET expires_at = now() WHERE id = :id", id=made["id"])
    assert (await ben.get(f"/stories/{made['id']}")).status_code == 404
    assert (await ben.get(f"/stories/connector/{garden['id']}")).json()["items"] == []


async def test_views_count_once_a_person_and_not_the_author(
    ada: Person, ben: Person, garden: dict[str, Any], clip: dict[str, Any]
) -> None:
    made = (await ada.post("/stories", body(garden, clip))).json()
    await asyncio.gather(*(person.post(f"/stories/{made['id']}/view") for person in (ada, ben, ben, ben)))
    assert (await ada.get(f"/stories/{made['id']}")).json()["view_count"] == 1


async def test_a_reel_is_liked_once_and_the_like_taken_back(
    ada: Person, ben: Person, garden: dict[str, Any], clip: dict[str, Any]
) -> None:
    made = (await ada.post("/reels", body(garden, clip, description="Use a sharp knife."))).json()
    assert (round(made["duration_seconds"]), made["like_count"]) == (3, 0)
    await asyncio.gather(*(ben.post(f"/reels/{made['id']}/like") for _ in range(3)))
    seen = (await ben.get(f"/reels/{made['id']}")).json()
    assert (seen["like_count"], seen["liked"]) == (1, True)
    await asyncio.gather(*(ben.delete(f"/reels/{made['id']}/like") for _ in range(3)))
    seen = (await ben.get(f"/reels/{made['id']}")).json()
    assert (seen["like_count"], seen["liked"]) == (0, False)


async def test_a_reel_is_a_video(town: Town, ada: Person, garden: dict[str, Any]) -> None:
    picture = await town.keep_upload(ada, png())
    answer = await ada.post("/reels", body(garden, picture))
    assert (answer.status_code, answer.json()["code"]) == (409, "media_not_ready")
    assert (await ada.post("/stories", body(garden, picture))).status_code == 201


async def test_only_members_show_things_and_only_uploads_of_their_own(
    town: Town, ben: Person, garden: dict[str, Any], clip: dict[str, Any]
) -> None:
    outsider = await town.create_user()
    assert (await outsider.post("/stories", body(garden, clip))).status_code == 403
    assert (await ben.post("/stories", body(garden, clip))).status_code == 404


async def test_paging_reels_neither_repeats_nor_skips(
    ada: Person, ben: Person, garden: dict[str, Any], clip: dict[str, Any]
) -> None:
    made = [(await ada.post("/reels", body(garden, clip))).json()["id"] for _ in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await ben.get(f"/reels/connector/{garden['id']}", limit=2, **cursor)).json()
        seen += [one["id"] for one in page["items"]]
        await ada.post("/reels", body(garden, clip))  # Newer ones do not shift the rest.
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert sorted(seen) == sorted(made)


async def test_when_the_upload_is_deleted_the_reel_has_no_link(
    ada: Person, ben: Person, garden: dict[str, Any], clip: dict[str, Any]
) -> None:
    made = (await ada.post("/reels", body(garden, clip))).json()
    await ada.delete(f"/media/{clip['id']}")
    assert (await ben.get(f"/reels/{made['id']}")).json()["video_url"] is None


async def test_a_moderator_takes_a_story_away(town: Town, ada: Person, ben: Person, garden: dict[str, Any]) -> None:
    picture = await town.keep_upload(ben, png())
    made = (await ben.post("/stories", body(garden, picture))).json()
    assert (await ada.delete(f"/stories/{made['id']}")).status_code == 204
    assert (await ben.get(f"/stories/{made['id']}")).status_code == 404
    assert (await ben.get(f"/media/{picture['id']}")).status_code == 200


async def test_each_change_of_a_story_is_published_with_its_document(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], clip: dict[str, Any]
) -> None:
    story = (await ada.post("/stories", body(garden, clip, content="At last!"))).json()
    reel = (await ada.post("/reels", body(garden, clip, description="Use a sharp knife."))).json()
    await ben.post(f"/stories/{story['id']}/view")
    await ada.delete(f"/stories/{story['id']}")

    events = await town.rows(
        "SELECT topic, key, op, before, after FROM cdc_outbox WHERE key IN (:story, :reel) ORDER BY id",
        story=story["id"],
        reel=reel["id"],
    )
    assert [(row.topic.rpartition(".")[2], row.op) for row in events] == [
        ("stories", "c"),
        ("reels", "c"),
        ("stories", "u"),
        ("stories", "d"),
    ]
    created, reel_created, viewed, deleted = events
    for image, contract in ((created.after, STORIES), (reel_created.after, REELS)):
        assert set(image) == {column.name for column in contract.published}
    assert (created.after["title"], created.after["author_id"]) == (story["title"], str(ada.id))
    assert (viewed.before["view_count"], viewed.after["view_count"], deleted.before["view_count"]) == (0, 1, 1)


async def test_visible_stories_reels_and_people_can_be_reported(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], clip: dict[str, Any]
) -> None:
    story = (await ada.post("/stories", body(garden, clip))).json()
    reel = (await ada.post("/reels", body(garden, clip))).json()
    seen = [("story", story["id"]), ("reel", reel["id"]), ("user", str(ada.id)), ("story", reel["id"])]
    now = datetime.now(UTC).isoformat()

    async def report(person: Person) -> dict[str, Any]:
        acts = [
            {"kind": "click", "item_kind": kind, "item_id": item, "request_id": feed_id(person), "occurred_at": now}
            for kind, item in seen
        ]
        answer = await person.post("/interactions", {"interactions": acts})
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    unknown = {"code": "unknown_item", "field": "item_id"}
    assert await report(ben) == {"accepted_count": 3, "rejected": [{"index": 3} | unknown]}
    await town.write("UPDATE connectors SET is_public = false WHERE id = :id", id=garden["id"])
    outsider = await town.create_user()
    assert await report(outsider) == {
        "accepted_count": 1,
        "rejected": [{"index": index} | unknown for index in (0, 1, 3)],
    }
