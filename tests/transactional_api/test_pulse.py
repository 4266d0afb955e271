"""State cached in Redis: the live status of a connector, unread notifications, and the last use of sessions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_events import hold
from transactional_api.community.chat import presence
from transactional_api.community.live_status.service import EVENTS, MEMBERS, POSTS
from transactional_api.community.notifications.unread import MAX_CACHED
from transactional_api.core import cache
from transactional_api.core.session_activity import session_key

LONG = 600


@pytest.fixture(autouse=True)
def _long(monkeypatch: pytest.MonkeyPatch) -> None:
    """No machine is so slow that a list passes within a test."""
    monkeypatch.setattr(cache, "DEFAULT_TTL_SECONDS", LONG)


async def live_status(person: Person, connector_id: Any, **params: Any) -> dict[str, Any]:
    answer = await person.get(f"/connectors/{connector_id}/live-status", **params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.fixture
async def redis(town: Town) -> Redis:
    redis: Redis = town.app.state.redis
    return redis


@pytest.fixture
async def connector(ada: Person, ben: Person, town: Town) -> dict[str, Any]:
    connector = await ada.make_connector()
    await town.add_member(ben, connector)
    return connector


async def forget(redis: Redis, connector: dict[str, Any]) -> None:
    await redis.delete(*(one.key(connector["id"]) for one in (MEMBERS, POSTS, EVENTS)))


async def test_live_status_has_posts_events_and_online_members(
    town: Town, ada: Person, ben: Person, redis: Redis
) -> None:
    event = await hold(ada)
    connector = {"id": event["connector_id"]}
    await town.add_member(ben, connector)
    old, new = [await ada.make_post(connector) for _ in range(2)]
    assert await live_status(ben, connector["id"]) == {
        "connector_id": connector["id"],
        "online_member_count": 0,
        "new_post_ids": [new["id"], old["id"]],
        "upcoming_event_ids": [event["id"]],
    }
    await presence.mark_online(redis, ada.id)
    await presence.mark_online(redis, uuid4())
    assert (await live_status(ben, connector["id"]))["online_member_count"] == 1
    assert (await live_status(ben, connector["id"], after_post_id=old["id"]))["new_post_ids"] == [new["id"]]
    assert (await live_status(ben, connector["id"], after_post_id=new["id"]))["new_post_ids"] == []


async def test_who_left_a_minute_ago_is_not_there(ada: Person, connector: dict[str, Any], redis: Redis) -> None:
    await redis.zadd(presence.ONLINE, {str(ada.id): datetime.now(UTC).timestamp() - 1})
    assert (await live_status(ada, connector["id"]))["online_member_count"] == 0


async def test_only_members_learn_how_many_are_there(town: Town, connector: dict[str, Any]) -> None:
    stranger = await town.create_user()
    assert (await live_status(stranger, connector["id"]))["online_member_count"] is None


async def test_the_keys_are_a_set_and_lists_that_pass(
    ada: Person, ben: Person, connector: dict[str, Any], redis: Redis
) -> None:
    post = await ada.make_post(connector)
    await live_status(ada, connector["id"])
    keys = [f"connector:{connector['id']}:{what}" for what in ("members", "posts", "events")]
    assert [await redis.type(key) for key in keys] == [b"set", b"list", b"list"]
    assert {one.decode() for one in await redis.smembers(keys[0])} == {str(ada.id), str(ben.id)}  # type: ignore[misc]
    assert await redis.lrange(keys[1], 0, -1) == [post["id"].encode()]  # type: ignore[misc]
    assert {0 < await redis.ttl(key) <= LONG for key in keys} == {True}


async def test_lost_cache_is_rebuilt_and_hit_saves_statements(
    ada: Person, connector: dict[str, Any], redis: Redis, statements: Any
) -> None:
    post = await ada.make_post(connector)

    async def asked() -> int:
        with statements() as sent:
            assert (await live_status(ada, connector["id"], after_post_id=post["id"]))["new_post_ids"] == []
        return len(sent)

    first, second = await asked(), await asked()
    assert second == first - 3
    await forget(redis, connector)
    assert await asked() == first


async def test_what_is_kept_is_narrowed_to_who_asks(
    town: Town, ada: Person, ben: Person, connector: dict[str, Any]
) -> None:
    post, gone = [await ada.make_post(connector) for _ in range(2)]
    cora = await town.create_user()
    assert (await live_status(cora, connector["id"]))["new_post_ids"] == [gone["id"], post["id"]]
    await ada.delete(f"/posts/{gone['id']}")
    await town.block(ada, ben)
    assert (await live_status(cora, connector["id"]))["new_post_ids"] == [post["id"]]
    assert (await live_status(ben, connector["id"]))["new_post_ids"] == []
    await ada.put(f"/connectors/{connector['id']}", {"name": "Ours", "category": "gardening", "is_public": False})
    assert (await cora.get(f"/connectors/{connector['id']}/live-status")).status_code == 404


async def test_without_redis_there_is_an_answer(town: Town, ada: Person, connector: dict[str, Any]) -> None:
    post = await ada.make_post(connector)
    before, away = town.app.state.redis, Redis.from_url("redis://127.0.0.1:9", socket_connect_timeout=1)
    town.app.state.redis = away
    try:
        assert (await live_status(ada, connector["id"])) == {
            "connector_id": connector["id"],
            "online_member_count": None,
            "new_post_ids": [post["id"]],
            "upcoming_event_ids": [],
        }
        assert (await ada.get("/notifications/unread")).json() == {"unread_count": 0}
        assert (await ada.post("/notifications/mark-read", {})).json() == {"unread_count": 0}
        assert (await ada.get("/users/sessions")).status_code == 200
    finally:
        town.app.state.redis = before
        await away.aclose()


async def test_the_unread_are_a_list_that_a_new_one_and_a_reading_drop(
    town: Town, ada: Person, ben: Person, redis: Redis, connector: dict[str, Any]
) -> None:
    post, key = await ada.make_post(connector), f"user:{ada.id}:notifications"
    for count, deed in enumerate(("like", "comments"), start=1):
        assert (await ada.get("/notifications/unread")).json() == {"unread_count": count - 1}
        await ben.post(f"/posts/{post['id']}/{deed}", {"content": "Here"} if deed == "comments" else None)
        await town.run_jobs()
        assert (await ada.get("/notifications/unread")).json() == {"unread_count": count}
    listed = [one["id"].encode() for one in (await ada.get("/notifications")).json()["items"]]
    assert await redis.lrange(key, 0, -1) == listed  # type: ignore[misc]
    await ada.post("/notifications/mark-read", {})
    assert (await ada.get("/notifications/unread")).json() == {"unread_count": 0}


async def test_more_unread_than_are_kept_are_counted_all_the_same(town: Town, ada: Person, redis: Redis) -> None:
    await town.write(
        "INSERT INTO notifications (user_id, notice_id, kind, subject_kind, subject_id, title, body) "
        "SELECT :me, gen_random_uuid(), 'platform.announced', 'user', :me, 'T', 'B' FROM generate_series(1, :many)",
        me=ada.id,
        many=MAX_CACHED + 3,
    )
    for _ in range(2):
        assert (await ada.get("/notifications/unread")).json() == {"unread_count": MAX_CACHED + 3}
    assert await redis.llen(f"user:{ada.id}:notifications") == MAX_CACHED  # type: ignore[misc]


async def test_a_session_tells_when_it_was_last_used(town: Town, ada: Person, redis: Redis) -> None:
    await town.write(
        "UPDATE user_sessions SET last_used_at = now() - interval '20 minutes' WHERE user_id = :me", me=ada.id
    )
    await ada.get("/users/profile")
    [one] = (await ada.get("/users/sessions")).json()["items"]
    used = datetime.fromisoformat(one["last_used_at"])
    assert abs((datetime.now(UTC) - used).total_seconds()) < 60
    assert {one.decode() for one in await redis.hkeys(session_key(ada.id))} == {one["id"]}  # type: ignore[misc]


async def test_session_unknown_to_redis_was_last_used_at_refresh(town: Town, ada: Person) -> None:
    await town.write("UPDATE user_sessions SET last_used_at = '2026-01-01T00:00:00Z' WHERE user_id = :me", me=ada.id)
    before = town.app.state.redis
    town.app.state.redis = Redis.from_url("redis://127.0.0.1:9", socket_connect_timeout=1)
    try:
        [one] = (await ada.get("/users/sessions")).json()["items"]
    finally:
        await town.app.state.redis.aclose()
        town.app.state.redis = before
    assert one["last_used_at"] == "2026-01-01T00:00:00Z"


async def test_who_is_online_is_not_counted_across_a_block(
    town: Town, ada: Person, ben: Person, redis: Redis, connector: dict[str, Any]
) -> None:
    for person in (ada, ben):
        await presence.mark_online(redis, person.id)
    assert (await live_status(ben, connector["id"]))["online_member_count"] == 2
    await town.block(ada, ben)
    for person in (ada, ben):
        assert (await live_status(person, connector["id"]))["online_member_count"] == 1
