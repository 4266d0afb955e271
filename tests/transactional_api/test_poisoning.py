"""New accounts move nothing in the feed of a stranger, however many they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from neighborconnect.feed.policy import ranking_policy
from tests.transactional_api.people import Person, Town, feed_id
from tests.transactional_api.test_recommendations import feed, ids
from transactional_api.core.db.tables import User
from transactional_api.intelligence.recommendations import standing

PATHS = {
    "post": "/recommendations/content",
    "connector": "/recommendations/connectors",
    "event": "/recommendations/events",
    "item": "/recommendations/marketplace",
}


async def publish(town: Town, kind: str, category: str) -> str:
    """Publish an item of an author, a connector and a category of its own."""
    author = await town.create_user()
    connector = await author.make_connector(category=category)
    if kind == "connector":
        return str(connector["id"])
    if kind == "post":
        return str((await author.make_post(connector))["id"])
    body: dict[str, Any] = {"title": "Hat", "connector_id": connector["id"]}
    if kind == "event":
        start = (datetime.now(UTC) + timedelta(days=20)).isoformat()
        return str((await author.post("/events", body | {"start_date": start})).json()["id"])
    return str((await author.post("/marketplace/items", body | {"price": "5.00", "category": "hats"})).json()["id"])


async def act_on(person: Person, kind: str, item_id: str) -> None:
    """Like, join, attend or look at an item."""
    path, body = {
        "post": (f"/posts/{item_id}/like", None),
        "connector": (f"/connectors/{item_id}/join", None),
        "event": (f"/events/{item_id}/rsvp", {"status": "attending"}),
        "item": (f"/marketplace/items/{item_id}/view", None),
    }[kind]
    answer = await person.post(path, body)
    assert answer.is_success, answer.text


async def click(person: Person, item_id: str) -> None:
    seen = {"kind": "click", "item_kind": "post", "item_id": item_id, "request_id": feed_id(person)}
    occurred = {"occurred_at": datetime.now(UTC).isoformat()}
    assert (await person.post("/interactions", {"interactions": [seen | occurred]})).json()["accepted_count"] == 1


async def forget_popular(town: Town) -> None:
    """Drop the cached lists of popular items."""
    redis = town.app.state.redis
    async for key in redis.scan_iter("popular:*"):
        await redis.delete(key)


@pytest.mark.parametrize("kind", PATHS)
async def test_new_accounts_move_nothing_in_a_strangers_feed(town: Town, kind: str) -> None:
    place, categories = {"neighborhood": uuid4().hex, "city": uuid4().hex}, [uuid4().hex for _ in range(3)]
    viewer = await town.create_user(**place, interests=categories)
    made = [await publish(town, kind, category) for category in categories]
    neighbors = [await town.create_user(**place) for _ in range(4)]
    for item_id, count in zip(made, (4, 3, 2), strict=True):
        for person in neighbors[:count]:
            await act_on(person, kind, item_id)
    assert ids(await feed(viewer, PATHS[kind], limit=3), kind) == made

    for _ in range(20):
        person = await town.create_user(**place, created_at=datetime.now(UTC))
        await act_on(person, kind, made[2])
        if kind == "post":
            await click(person, made[2])
    await forget_popular(town)
    assert ids(await feed(viewer, PATHS[kind], limit=3), kind) == made

    # The acts themselves would move the item.
    await town.write("UPDATE users SET created_at = now() - interval '60 days' WHERE city = :city", city=place["city"])
    await forget_popular(town)
    assert ids(await feed(viewer, PATHS[kind], limit=3), kind)[0] == made[2]


async def test_the_weight_of_an_account_is_that_of_the_policy(town: Town) -> None:
    rules, now = ranking_policy().standing, datetime.now(UTC)
    ages = [0.0, 1.9, 2.1, 8.0, 13.9, 14.1, 400.0]
    people = [await town.create_user(created_at=now - timedelta(days=age)) for age in ages]
    refused = [
        await town.create_user(verified=False),
        await town.create_user(is_active=False),
        await town.create_user(suspended_until=now + timedelta(days=1)),
    ]
    async with town.app.state.engine.connect() as connection:
        of = {person.id: None for person in (*people, *refused)}
        rows = await connection.execute(select(User.id, standing.weight().label("weight")).where(User.id.in_(list(of))))
        weights = {row.id: row.weight for row in rows}
    assert [weights[one.id] for one in people] == pytest.approx([rules.weight(age) for age in ages], abs=1e-3)
    assert [weights[one.id] for one in refused] == [0, 0, 0]
