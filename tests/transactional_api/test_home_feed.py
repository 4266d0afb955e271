"""The home feed: all kinds on one page, paged, logged, explained and replayed as one feed."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from neighborconnect.contracts.events import PredictionEvent
from neighborconnect.contracts.topics import PREDICTIONS_TOPIC
from neighborconnect.feed.policy import ranking_policy
from tests.transactional_api.fake_recommendation_service import Ranker
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_feed_decisions import explanation, replayed

HOME = "/recommendations/home"
KINDS = ("post", "connector", "event", "item")
CATEGORIES, AUTHORS, SHOWN = 5, 60, 30
CROWD = """
WITH people AS (
    INSERT INTO users (id, email_hash, username, password_hash, first_name, last_name, verified)
    SELECT id, id::text, md5(id::text), '!', 'Ada', 'Okafor', true
    FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, :authors)) AS ids RETURNING id
), authors AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM people),
made_connectors AS (
    INSERT INTO connectors (id, name, category, created_by, created_at)
    SELECT gen_random_uuid(), 'Club', 'subject ' || number % :categories, id, now() - make_interval(mins => number)
    FROM generate_series(1, :connectors) AS number JOIN authors ON place = number % :authors RETURNING id, created_at
), clubs AS (SELECT id, row_number() OVER (ORDER BY created_at) - 1 AS place FROM made_connectors),
numbers AS (
    SELECT number, clubs.id AS club, authors.id AS author FROM generate_series(1, :posts) AS number
    JOIN clubs ON clubs.place = number * number % :connectors
    JOIN authors ON authors.place = number * number * 7 % :authors
), made_posts AS (
    INSERT INTO posts (id, connector_id, author_id, content, created_at)
    SELECT gen_random_uuid(), club, author, 'The seedlings are ready.', now() - make_interval(mins => number / 3)
    FROM numbers RETURNING id
), made_events AS (
    INSERT INTO events (id, connector_id, created_by, title, start_date)
    SELECT gen_random_uuid(), club, author, 'Hat', now() + make_interval(mins => 30 + number)
    FROM numbers WHERE number <= :events RETURNING id
), made_items AS (
    INSERT INTO marketplace_items (id, connector_id, seller_id, title, price, category)
    SELECT gen_random_uuid(), club, author, 'Hat', 5, 'hats' FROM numbers WHERE number <= :items RETURNING id
)
SELECT 'post' AS kind, id FROM made_posts UNION ALL SELECT 'connector', id FROM made_connectors
UNION ALL SELECT 'event', id FROM made_events UNION ALL SELECT 'item', id FROM made_items
"""
SOON = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


async def create_data(town: Town, *, count: int) -> dict[str, list[str]]:
    """Publish a post, an event and an item of as many people each, and connectors."""
    made: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for _ in range(count):
        for kind, path, body in (
            ("event", "/events", {"title": "Hat", "start_date": SOON}),
            ("item", "/marketplace/items", {"title": "Hat", "price": "5.00", "category": "hats"}),
        ):
            person = await town.create_user()
            answer = await person.post(path, body | {"connector_id": (await person.make_connector())["id"]})
            made[kind].append(answer.json()["id"])
        person = await town.create_user()
        made["post"].append((await person.make_post(await person.make_connector()))["id"])
        made["connector"].append((await (await town.create_user()).make_connector())["id"])
    return made


async def home(person: Person, **body: Any) -> dict[str, Any]:
    answer = await person.post(HOME, body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ids(answer: dict[str, Any]) -> list[str]:
    return [item[item["kind"]]["id"] for item in answer["items"]]


def rank(ranker: Ranker, made: dict[str, list[str]]) -> None:
    ranker.rank(*(item_id for items in made.values() for item_id in items))
    ranker.indexed_until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


async def test_every_kind_has_its_share_of_the_page(town: Town, ranker: Ranker, ben: Person) -> None:
    rank(ranker, await create_data(town, count=4))
    answer = await home(ben, limit=10)
    counts, shares = Counter(item["kind"] for item in answer["items"]), ranking_policy().home
    assert sum(counts.values()) == 10
    assert all(shares.of(kind).least * 10 <= counts[kind] <= shares.of(kind).most * 10 + 1 for kind in KINDS)
    assert {part["kind"]: part["item_count"] for part in answer["parts"]} == counts
    assert {part["model_version"] for part in answer["parts"]} == {"7"}
    assert [
        request["item_kind"] for request in sorted(ranker.asked, key=lambda one: KINDS.index(one["item_kind"]))
    ] == [*KINDS]
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    assert all(item["reasons"] for item in answer["items"])


async def test_a_home_feed_ends_without_repeats_or_gaps(town: Town, ben: Person) -> None:
    made = await create_data(town, count=2)
    served, cursor = [], None
    while True:
        answer = await home(ben, limit=100, **({} if cursor is None else {"cursor": cursor}))
        served += ids(answer)
        if (cursor := answer["next_cursor"]) is None:
            break
        assert len(served) < 10_000, "the feed has no end"
    assert len(served) == len(set(served))
    assert {item_id for items in made.values() for item_id in items} <= set(served)


async def crowd(town: Town, **counts: int) -> dict[str, set[str]]:
    """Fill the town with items of several categories by authors with many each; some are of one moment."""
    made: dict[str, set[str]] = {kind: set() for kind in KINDS}
    async with town.app.state.engine.begin() as connection:
        values = {"authors": AUTHORS, "categories": CATEGORIES, **counts}
        for row in (await connection.execute(text(CROWD), values)).all():
            made[row.kind].add(str(row.id))
        await connection.execute(text("ANALYZE"))
    return made


async def test_a_long_feed_of_a_full_town_has_every_item_once(town: Town, ben: Person) -> None:
    made = await crowd(town, posts=2_200, connectors=40, events=330, items=40)
    shown = sorted(made["post"])[:SHOWN]
    await town.write(
        "INSERT INTO item_exposures (user_id, item_kind, item_id, shown_at) "
        "SELECT :user_id, 'post', unnest(CAST(:ids AS uuid[])), now() - interval '1 day'",
        user_id=ben.id,
        ids=shown,
    )
    served: list[str] = []
    answer = await home(ben, limit=100)
    while answer["next_cursor"]:
        served += ids(answer)
        answer = await home(ben, limit=100, cursor=answer["next_cursor"])
    served += ids(answer)
    assert len(served) == len(set(served))
    assert {item_id for items in made.values() for item_id in items} <= set(served)
    assert set(served[-SHOWN:]) == set(shown)


async def test_the_first_page_has_several_categories(town: Town, ben: Person) -> None:
    await crowd(town, posts=60, connectors=20, events=20, items=20)
    await town.write("UPDATE users SET interests = '[\"subject 1\"]' WHERE id = :id", id=ben.id)
    answer = await home(ben, limit=20)
    connectors = {str(row.id): row.category for row in await town.rows("SELECT id, category FROM connectors")}
    categories = Counter(
        connectors[item["connector"]["id"] if item["kind"] == "connector" else item[item["kind"]]["connector_id"]]
        for item in answer["items"]
    )
    assert len(answer["items"]) == 20
    assert max(categories.values()) <= math.ceil(ranking_policy().home.most_of_category * 20)


async def test_acts_between_two_pages_count_on_the_next(town: Town, ranker: Ranker, ben: Person) -> None:
    made = await create_data(town, count=6)
    rank(ranker, made)
    first = await home(ben, limit=5)
    left = {kind: [one for one in items if one not in ids(first)] for kind, items in made.items()}
    liked, joined, answered = (left[kind][0] for kind in ("post", "connector", "event"))
    assert (await ben.post(f"/posts/{liked}/like")).is_success
    assert (await ben.post(f"/connectors/{joined}/join")).is_success
    assert (await ben.post(f"/events/{answered}/rsvp", {"status": "attending"})).is_success
    [seller] = await town.rows("SELECT seller_id FROM marketplace_items WHERE id = :id", id=UUID(left["item"][0]))
    [author] = await town.rows("SELECT author_id FROM posts WHERE id = :id", id=UUID(left["post"][1]))
    mute = {"kind": "author", "id": str(seller.seller_id), "signal": "mute"}
    assert (await ben.post("/recommendations/feedback", mute)).is_success
    assert (await ben.post(f"/users/{author.author_id}/mute")).is_success
    second = await home(ben, limit=8, cursor=first["next_cursor"])
    gone = {liked, joined, answered, left["item"][0], left["post"][1]}
    assert not gone & {*ids(second)}
    assert not {*ids(first)} & {*ids(second)}
    assert (await ben.post("/recommendations/content", {"cursor": first["next_cursor"]})).status_code == 422


async def test_without_a_model_the_fallback_of_each_kind_answers(town: Town, ranker: Ranker, ben: Person) -> None:
    await create_data(town, count=1)
    ranker.status = 503
    answer = await home(ben, limit=10)
    assert {item["kind"] for item in answer["items"]} == set(KINDS)
    assert {part["reason_code"] for part in answer["parts"]} == {"service_unavailable"}
    assert {part["path"] for part in answer["parts"]} == {"popular_nearby"}


async def test_a_home_feed_is_explained_and_replayed(town: Town, ranker: Ranker, ben: Person) -> None:
    made = await create_data(town, count=4)
    rank(ranker, made)
    assert (await ben.post(f"/posts/{made['post'][0]}/like")).is_success
    assert (await ben.request("PATCH", "/recommendations/preferences", json={"discovery": 0.5, "near": 1})).is_success
    first = await home(ben, limit=5)
    answer = await home(ben, limit=5, cursor=first["next_cursor"])

    told = await explanation(ben, answer)
    assert (told["item_kind"], told["page"], told["path"]) == ("home", 1, None)
    assert [(item["kind"], item["item_id"]) for item in told["items"]] == [
        (item["kind"], item[item["kind"]]["id"]) for item in answer["items"]
    ]
    assert {part["kind"]: part["excluded_counts"].get("liked") for part in told["parts"]}["post"] == 1

    admin, asked = await town.create_user(role="admin"), len(ranker.asked)
    for asks_model in (True, False):
        again = await replayed(admin, answer, asks_model=asks_model)
        assert [item["item_id"] for item in again["items"]] == ids(answer)
        assert [item["score"] for item in again["items"]] == [item["score"] for item in answer["items"]]
        assert (again["moved_count"], again["added_count"], again["removed_count"]) == (0, 0, 0)
        assert [part["kind"] for part in again["parts"]] == [*KINDS]
    before = {one["item_kind"]: sorted(one["exclude"]) for one in ranker.asked[asked - 4 : asked]}
    assert {one["item_kind"]: sorted(one["exclude"]) for one in ranker.asked[asked:]} == before


async def test_each_kind_is_logged_with_its_own_items(town: Town, ranker: Ranker, ben: Person) -> None:
    rank(ranker, await create_data(town, count=4))
    answer = await home(ben, limit=10)
    rows = await town.rows(
        "SELECT id, payload FROM cdc_outbox WHERE topic = :topic AND payload->>'request_id' = :id",
        topic=PREDICTIONS_TOPIC,
        id=answer["request_id"],
    )
    events = [PredictionEvent(event_id=row.id, **row.payload) for row in rows]
    served = {(item["kind"], item[item["kind"]]["id"]): place for place, item in enumerate(answer["items"])}
    logged = {
        (event.item_kind.value, str(item_id)): item["position"]
        for event in events
        for item_id, item in zip(event.item_ids, event.items or (), strict=True)
    }
    assert logged == served


async def test_reports_about_items_of_a_home_feed_are_accepted(town: Town, ranker: Ranker, ben: Person) -> None:
    rank(ranker, await create_data(town, count=2))
    answer = await home(ben, limit=6)
    reports = [
        {
            "kind": "impression",
            "item_kind": item["kind"],
            "item_id": item[item["kind"]]["id"],
            "request_id": answer["request_id"],
            "occurred_at": datetime.now(UTC).isoformat(),
        }
        for item in answer["items"]
    ]
    receipt = (await ben.post("/interactions", {"interactions": reports})).json()
    assert (receipt["accepted_count"], receipt["rejected"]) == (6, [])
    assert not set(ids(answer)) & set(ids(await home(ben, limit=6)))
