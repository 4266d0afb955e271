"""Preferences order the next feed, a preview writes nothing, and authors keep strangers out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import h3
import pytest

from tests.transactional_api.fake_recommendation_service import Ranker
from tests.transactional_api.people import Person, Town, somewhere
from tests.transactional_api.test_feed_feedback import feed, ids, items_of

PREFERENCES = "/recommendations/preferences"
DEFAULTS = {
    **dict.fromkeys(("near", "friends", "discovery", "recency"), 0),
    "recommend_my_content": True,
    "personalization_reset_at": None,
}


async def change(person: Person, **preferences: Any) -> dict[str, Any]:
    answer = await person.request("PATCH", PREFERENCES, json=preferences)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_preferences_change_one_by_one_and_are_ones_own(ada: Person, ben: Person) -> None:
    assert (await ben.get(PREFERENCES)).json() == DEFAULTS
    assert await change(ben, near=1, recency=-0.5) == DEFAULTS | {"near": 1, "recency": -0.5}
    expected = DEFAULTS | {"near": 1, "recency": 0, "recommend_my_content": False}
    assert await change(ben, near=None, recency=0, recommend_my_content=False) == expected
    assert await change(ben) == (await ben.get(PREFERENCES)).json() == expected
    assert (await ada.get(PREFERENCES)).json() == DEFAULTS


@pytest.mark.parametrize(
    "sent",
    [{"near": 1.01}, {"near": -2}, {"friends": "1"}, {"recency": True}, {"taste": 1}, {"recommend_my_content": 0}],
)
async def test_preferences_out_of_range_are_refused(ben: Person, sent: dict[str, Any]) -> None:
    assert (await ben.request("PATCH", PREFERENCES, json=sent)).status_code == 422
    assert (await ben.post(f"{PREFERENCES}/preview", sent)).status_code == 422
    assert (await ben.get(PREFERENCES)).json() == DEFAULTS


@pytest.mark.parametrize("dial", ["near", "friends", "discovery", "recency"])
async def test_a_dial_orders_the_next_feed_as_its_preview_did(town: Town, ranker: Ranker, dial: str) -> None:
    spot = somewhere()
    cell = h3.latlng_to_cell(spot["latitude"], spot["longitude"], 7)
    viewer, far, wanted = await town.create_user(home_cell=cell), await town.create_user(), await town.create_user()
    center = dict(zip(("latitude", "longitude"), h3.cell_to_latlng(cell), strict=True))
    connector = await far.make_connector()
    best = (await far.make_post(connector))["id"]
    other = (await wanted.make_post(await wanted.make_connector(point=center if dial == "near" else None)))["id"]
    if dial == "friends":
        await viewer.post(f"/users/{wanted.id}/follow")
    elif dial == "discovery":
        await town.add_member(viewer, connector)
    elif dial == "recency":
        await town.write("UPDATE posts SET created_at = now() - interval '10 days' WHERE id = :id", id=UUID(best))
    ranker.rank(best, other)
    ranker.items[0]["relevance"], ranker.items[1]["relevance"] = 1.0, 0.55
    # The index has every post: those of other tests do not compete.
    ranker.indexed_until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()

    async def preview(value: float) -> list[str]:
        answer = await viewer.post(f"{PREFERENCES}/preview", {dial: value, "limit": 2})
        assert answer.status_code == 200, answer.text
        return ids(answer.json())

    assert await preview(0) == await preview(-1) == [best, other]
    assert await preview(1) == [other, best]
    assert ids(await feed(viewer, limit=2)) == [best, other]
    assert ranker.asked[-1]["limit"] == 22
    await change(viewer, **{dial: 1})
    assert ids(await feed(viewer, limit=2)) == [other, best]
    assert ranker.asked[-1]["limit"] == 100
    assert await preview(0) == [best, other]


async def test_a_preview_writes_nothing(town: Town, ranker: Ranker, ada: Person, ben: Person) -> None:
    post = (await ada.make_post(await ada.make_connector()))["id"]
    ranker.rank(post)
    stored = (
        "SELECT request_id FROM feed_decisions WHERE user_id = :id",
        "SELECT user_id FROM recommendation_preferences WHERE user_id = :id",
        "SELECT item_id FROM item_exposures WHERE user_id = :id",
        "SELECT id FROM cdc_outbox WHERE key = CAST(:id AS text)",
    )
    before = [await town.rows(statement, id=ben.id) for statement in stored]
    preview = (await ben.post(f"{PREFERENCES}/preview", {"near": 1, "limit": 1})).json()
    assert ids(preview) == [post]
    assert preview["next_cursor"] is None
    assert [await town.rows(statement, id=ben.id) for statement in stored] == before
    assert await town.app.state.redis.keys(f"*{preview['request_id']}*") == []
    assert await town.app.state.redis.keys(f"user:{ben.id}:feeds") == []
    act = {
        "kind": "impression",
        "item_kind": "post",
        "item_id": post,
        "request_id": preview["request_id"],
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    answer = (await ben.post("/interactions", {"interactions": [act]})).json()
    assert [one["code"] for one in answer["rejected"]] == ["unknown_request"]


@pytest.mark.parametrize("has_model", [True, False], ids=["model", "rules"])
async def test_an_author_keeps_strangers_out(town: Town, ranker: Ranker, ada: Person, *, has_model: bool) -> None:
    mine = await items_of(ada, "gardening")
    stranger, follower, member = [await town.create_user() for _ in range(3)]
    await follower.post(f"/users/{ada.id}/follow")
    await town.add_member(member, {"id": mine["connector"]})

    async def served(viewer: Person) -> list[str]:
        found = []
        for kind in ("post", "event", "item"):
            ranker.rank(mine[kind])
            ranker.status = 200 if has_model else 503
            found += [kind for one in ids(await feed(viewer, kind, limit=100), kind) if one == mine[kind]]
        return found

    if has_model:
        assert await served(stranger) == ["post", "event", "item"]
    await change(ada, recommend_my_content=False)
    assert await served(stranger) == []
    for viewer in (follower, member) if has_model else ():
        assert await served(viewer) == ["post", "event", "item"]


async def test_after_a_reset_the_model_is_asked_as_for_a_stranger(town: Town, ranker: Ranker, ben: Person) -> None:
    made = [await items_of(await town.create_user(), uuid4().hex) for _ in range(4)]
    liked, hidden, wanted, later = [one["post"] for one in made]
    assert (await ben.post(f"/posts/{liked}/like")).is_success
    for post, signal in ((hidden, "less_like_this"), (wanted, "more_like_this")):
        assert (await ben.post("/recommendations/feedback", {"kind": "post", "id": post, "signal": signal})).is_success

    async def asked() -> dict[str, Any]:
        ranker.rank(liked, hidden, wanted, later)
        answer = await feed(ben, limit=4)
        assert not {liked, hidden} & set(ids(answer))
        return answer | ranker.asked[-1]

    before = await asked()
    assert (before["liked"], before["acts_since"], len(before["hidden"]["categories"])) == ([liked], None, 2)

    reset = await ben.post(f"{PREFERENCES}/reset")
    assert reset.json() == (await ben.get(PREFERENCES)).json()
    at = reset.json()["personalization_reset_at"]
    answer = await asked()
    assert datetime.fromisoformat(answer["acts_since"]) == datetime.fromisoformat(at)
    assert (answer["liked"], answer["hidden"]) == ([], {"connectors": {}, "categories": {}})
    assert answer["notes"][0]["code"] == "reset"
    explained = (await ben.get(f"/recommendations/{answer['request_id']}")).json()
    assert datetime.fromisoformat(explained["acts_since"]) == datetime.fromisoformat(at)
    assert (await ben.post(f"/posts/{later}/like")).is_success
    assert (await asked())["liked"] == [later]

    assert (await ben.delete(f"{PREFERENCES}/reset")).status_code == 204
    again = await asked()
    assert (set(again["liked"]), again["acts_since"], again["notes"]) == ({later, liked}, None, before["notes"])
