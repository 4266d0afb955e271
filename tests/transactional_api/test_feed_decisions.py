"""Decisions of feeds: stored with consent, explained to the person, and replayed by operators."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from neighborconnect.contracts.events import PredictionEvent
from neighborconnect.contracts.topics import PREDICTIONS_TOPIC
from neighborconnect.feed.policy import ranking_policy
from tests.transactional_api.fake_recommendation_service import Ranker
from tests.transactional_api.people import Person, Town
from transactional_api.governance.privacy.retention import purge

CONTENT, CONNECTORS = "/recommendations/content", "/recommendations/connectors"
EVENTS, MARKETPLACE = "/recommendations/events", "/recommendations/marketplace"
INDEX = "2026-11-22T00:00:00Z"


@pytest.fixture
async def admin(town: Town) -> Person:
    """An admin of the platform."""
    return await town.create_user(role="admin")


def rank_indexed(ranker: Ranker, *posts: str) -> None:
    """Let the service rank ``posts`` by an index that has every public post, so that no new post competes."""
    ranker.rank(*posts)
    ranker.indexed_until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


async def write(town: Town, *, count: int) -> list[str]:
    """Posts of as many people, each in a connector of its own."""
    authors = [await town.create_user() for _ in range(count)]
    return [(await author.make_post(await author.make_connector()))["id"] for author in authors]


async def feed(person: Person, path: str = CONTENT, **body: Any) -> dict[str, Any]:
    answer = await person.post(path, body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def explanation(person: Person, answer: dict[str, Any]) -> dict[str, Any]:
    told = await person.get(f"/recommendations/{answer['request_id']}")
    assert told.status_code == 200, told.text
    return dict(told.json())


async def replayed(admin: Person, answer: dict[str, Any], **body: Any) -> dict[str, Any]:
    told = await admin.post(f"/recommendations/{answer['request_id']}/replay", body)
    assert told.status_code == 200, told.text
    return dict(told.json())


async def test_an_answer_is_explained_to_its_person(town: Town, ranker: Ranker, ben: Person) -> None:
    liked, *posts = await write(town, count=6)
    assert (await ben.post(f"/posts/{liked}/like")).is_success
    rank_indexed(ranker, *posts)
    first = await feed(ben, limit=2)
    answer = await feed(ben, limit=2, cursor=first["next_cursor"])
    told = await explanation(ben, answer)
    assert (told["page"], told["path"], told["model_version"]) == (1, "collaborative", "7")
    assert (told["item_index_version"], told["policy_version"]) == (INDEX, ranking_policy().version)
    assert told["excluded_counts"] == {"liked": 1, "on_screen": 2}
    assert [item["position"] for item in told["items"]] == [0, 1]
    for item, served in zip(told["items"], answer["items"], strict=True):
        assert (item["item_id"], item["score"]) == (served["post"]["id"], served["score"])
        assert (item["reasons"], item["path"]) == ([{"code": "neighbors_like_you", "share": 0.75}], served["path"])
    assert "model" in told["items"][0]["sources"]


async def test_sources_name_every_source_of_an_item(town: Town, ranker: Ranker, ben: Person) -> None:
    [post] = await write(town, count=1)
    ranker.rank(post)
    answer = await feed(ben, limit=1)
    assert (await explanation(ben, answer))["items"][0]["sources"] == ["model", "new"]


@pytest.mark.parametrize("path", [CONNECTORS, EVENTS, MARKETPLACE])
async def test_every_kind_of_feed_is_explained(ben: Person, path: str) -> None:
    answer = await feed(ben, path, limit=3)
    told = await explanation(ben, answer)
    assert (told["path"], len(told["items"])) == (answer["path"], len(answer["items"]))
    assert told["reason_code"] == answer["reason_code"]


async def test_nobody_else_gets_an_explanation(ada: Person, ben: Person, admin: Person) -> None:
    answer = await feed(ben, limit=1)
    for person in (ada, admin):
        assert (await person.get(f"/recommendations/{answer['request_id']}")).status_code == 404
    assert (await ben.get(f"/recommendations/{uuid4()}")).status_code == 404


async def test_without_consent_to_tracking_there_is_no_record(town: Town, ranker: Ranker) -> None:
    private = await town.create_user(personalised=False, analysed=False)
    for path in (CONTENT, EVENTS):
        answer = await feed(private, path, limit=1)
        assert (await private.get(f"/recommendations/{answer['request_id']}")).status_code == 404
    assert await town.rows("SELECT FROM feed_decisions WHERE user_id = :id", id=private.id) == []


async def test_the_last_withdrawal_of_consent_deletes_the_records(town: Town, ben: Person) -> None:
    await feed(ben, limit=1)
    rows = []
    for purpose in ("personalization", "analytics"):
        assert (await ben.put(f"/privacy/consents/{purpose}", {"granted": False})).is_success
        rows.append(len(await town.rows("SELECT FROM feed_decisions WHERE user_id = :id", id=ben.id)))
    assert rows == [1, 0]


async def test_records_end_after_a_week(town: Town, ben: Person) -> None:
    old, new = await feed(ben, limit=1), await feed(ben, limit=1)
    await town.write(
        "UPDATE feed_decisions SET created_at = now() - interval '8 days' WHERE request_id = CAST(:id AS uuid)",
        id=old["request_id"],
    )
    await purge(town.app.state.engine)
    statuses = [(await ben.get(f"/recommendations/{one['request_id']}")).status_code for one in (old, new)]
    assert statuses == [404, 200]


async def test_a_record_names_no_author(town: Town, ranker: Ranker, ben: Person) -> None:
    author = await town.create_user()
    post = (await author.make_post(await author.make_connector()))["id"]
    ranker.rank(post)
    answer = await feed(ben, limit=1)
    [row] = await town.rows(
        "SELECT record::text AS record FROM feed_decisions WHERE request_id = CAST(:id AS uuid)",
        id=answer["request_id"],
    )
    assert post in row.record
    assert str(author.id) not in row.record


async def test_the_prediction_event_has_what_explains_it(town: Town, ranker: Ranker, ben: Person) -> None:
    ranker.rank(*await write(town, count=3))
    answer = await feed(ben, limit=2)
    [row] = await town.rows(
        "SELECT id, payload FROM cdc_outbox WHERE topic = :topic AND payload->>'request_id' = :id",
        topic=PREDICTIONS_TOPIC,
        id=answer["request_id"],
    )
    event = PredictionEvent(event_id=row.id, **row.payload)
    assert (event.item_index_version, event.policy_version, event.page) == (INDEX, ranking_policy().version, 0)
    assert event.items is not None
    assert event.stage_ms is not None
    assert [item["reasons"][0]["code"] for item in event.items] == [
        item["reasons"][0]["code"] for item in answer["items"]
    ]
    assert [item["path"] for item in event.items] == [item["path"] for item in answer["items"]]
    assert set(event.stage_ms) == {"acts", "model", "page"}
    assert all(stage >= 0 for stage in event.stage_ms.values())


async def test_events_of_earlier_releases_stay_readable(town: Town, ranker: Ranker, ben: Person) -> None:
    answer = await feed(ben, limit=1)
    [row] = await town.rows(
        "SELECT payload FROM cdc_outbox WHERE topic = :topic AND payload->>'request_id' = :id",
        topic=PREDICTIONS_TOPIC,
        id=answer["request_id"],
    )
    added = {"item_index_version", "policy_version", "page", "excluded_counts", "items", "stage_ms"}
    old = {name: value for name, value in row.payload.items() if name not in added}
    assert len(old) == len(row.payload) - len(added)
    assert PredictionEvent(event_id=1, **old).items is None


@pytest.mark.parametrize("asks_model", [True, False], ids=["model", "recorded"])
@pytest.mark.parametrize("limit", [1, 5, 20])
async def test_a_replay_gives_the_order_that_was_served(
    town: Town, ranker: Ranker, ben: Person, admin: Person, *, limit: int, asks_model: bool
) -> None:
    ranker.rank(*await write(town, count=8))
    answer = await feed(ben, limit=limit)
    told = await replayed(admin, answer, asks_model=asks_model)
    assert [item["item_id"] for item in told["items"]] == [item["post"]["id"] for item in answer["items"]]
    assert [item["score"] for item in told["items"]] == [item["score"] for item in answer["items"]]
    assert (told["moved_count"], told["added_count"], told["removed_count"]) == (0, 0, 0)
    assert told["reason_code"] == (None if asks_model else "not_asked")


@pytest.mark.parametrize("path", [CONNECTORS, EVENTS, MARKETPLACE])
async def test_every_kind_of_feed_is_replayed(ben: Person, admin: Person, path: str) -> None:
    answer = await feed(ben, path, limit=5)
    told = await replayed(admin, answer)
    assert [item["score"] for item in told["items"]] == [item["score"] for item in answer["items"]]
    assert (told["moved_count"], told["added_count"], told["removed_count"]) == (0, 0, 0)


async def test_a_replay_asks_the_model_what_it_was_asked(
    town: Town, ranker: Ranker, ben: Person, admin: Person
) -> None:
    liked, *posts = await write(town, count=5)
    assert (await ben.post(f"/posts/{liked}/like")).is_success
    ranker.rank(*posts)
    first = await feed(ben, limit=2)
    answer = await feed(ben, limit=2, cursor=first["next_cursor"])
    # Acts after the answer do not count.
    assert (await ben.post(f"/posts/{posts[3]}/like")).is_success
    await replayed(admin, answer)
    [asked, again] = ranker.asked[1:]
    assert sorted(again.pop("exclude")) == sorted(asked.pop("exclude"))
    assert again == asked


async def test_a_replay_shows_what_another_model_changes(
    town: Town, ranker: Ranker, ben: Person, admin: Person
) -> None:
    posts = await write(town, count=4)
    rank_indexed(ranker, *posts[:3])
    answer = await feed(ben, limit=3)
    rank_indexed(ranker, posts[3], posts[1], posts[0])
    told = await replayed(admin, answer)
    assert [item["item_id"] for item in told["items"]] == [posts[3], posts[1], posts[0], posts[2]]
    assert [item["position"] for item in told["items"]] == [0, 1, 2, None]
    assert [item["recorded_position"] for item in told["items"]] == [None, 1, 0, 2]
    assert (told["moved_count"], told["added_count"], told["removed_count"]) == (1, 1, 1)


async def test_a_replay_under_other_parameters_has_another_order(
    town: Town, ranker: Ranker, ben: Person, admin: Person
) -> None:
    ada, other = await town.create_user(), await town.create_user()
    connector = await ada.make_connector()
    posts = [(await ada.make_post(connector))["id"] for _ in range(2)]
    posts.append((await other.make_post(await other.make_connector()))["id"])
    rank_indexed(ranker, *posts)
    answer = await feed(ben, limit=3)
    assert [item["post"]["id"] for item in answer["items"]] == [posts[0], posts[2], posts[1]]
    parameters = ranking_policy().model_dump()
    for group in ("author", "connector", "category"):
        parameters["repeats"][group] |= {"decay": 1.0, "most_share": 1.0}
    parameters["variety"] |= {"first": 0, "outside_share": 0.0}
    told = await replayed(admin, answer, parameters=parameters)
    assert [item["item_id"] for item in told["items"]] == posts
    assert told["policy_version"] != told["recorded_policy_version"] == ranking_policy().version


@pytest.mark.parametrize("change", [{"age": {"half_life_days": 0, "floor": 0.5}}, {"luck": 1.0}], ids=["range", "name"])
async def test_parameters_that_the_policy_refuses_are_refused(
    ben: Person, admin: Person, change: dict[str, Any]
) -> None:
    answer = await feed(ben, limit=1)
    path = f"/recommendations/{answer['request_id']}/replay"
    assert (await admin.post(path, {"parameters": ranking_policy().model_dump() | change})).status_code == 422


async def test_a_replay_without_a_model_uses_the_record(town: Town, ranker: Ranker, ben: Person, admin: Person) -> None:
    rank_indexed(ranker, *await write(town, count=3))
    answer = await feed(ben, limit=3)
    ranker.status = 503
    told = await replayed(admin, answer)
    assert (told["reason_code"], told["path"], told["moved_count"]) == ("service_unavailable", None, 0)


async def test_only_admins_of_the_platform_replay(town: Town, mod: Person, ben: Person, admin: Person) -> None:
    answer = await feed(ben, limit=1)
    path = f"/recommendations/{answer['request_id']}/replay"
    for person in (ben, mod):
        assert (await person.post(path, {})).status_code == 403
    assert (await admin.post(f"/recommendations/{uuid4()}/replay", {})).status_code == 404
    assert (await admin.post(path, {})).status_code == 200
    [entry] = await town.rows(
        "SELECT action FROM audit_log WHERE actor_id = :id AND subject->>'request_id' = :request",
        id=admin.id,
        request=answer["request_id"],
    )
    assert entry.action.endswith("/replay")
