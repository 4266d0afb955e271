"""Pages of a feed: no repeats and no gaps until its end, whoever else pages, and whatever happens to the session."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.transactional_api.fake_recommendation_service import Ranker
from tests.transactional_api.people import Person, Town, feed_id
from transactional_api.intelligence.recommendations import sessions
from transactional_api.intelligence.recommendations.ranking import RankingClients

CONTENT, CONNECTORS = "/recommendations/content", "/recommendations/connectors"
EVENTS, MARKETPLACE = "/recommendations/events", "/recommendations/marketplace"
ITEM = {CONTENT: "post", CONNECTORS: "connector", EVENTS: "event", MARKETPLACE: "item"}


async def feed(person: Person, path: str = CONTENT, **body: Any) -> dict[str, Any]:
    answer = await person.post(path, body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ids(answer: dict[str, Any], path: str = CONTENT) -> list[str]:
    return [item[ITEM[path]]["id"] for item in answer["items"]]


async def page_through(person: Person, path: str = CONTENT, **body: Any) -> list[list[str]]:
    """Return the ids of all pages of a feed."""
    pages, cursor = [], None
    while True:
        answer = await feed(person, path, **body | ({} if cursor is None else {"cursor": cursor}))
        pages.append(ids(answer, path))
        cursor = answer["next_cursor"]
        if cursor is None:
            return pages
        assert len(pages) < 1_000, "the feed has no end"


WritePosts = Callable[[int], Awaitable[list[str]]]


@pytest.fixture
async def write_posts(town: Town) -> AsyncIterator[WritePosts]:
    """Write posts at one instant, of ten authors in connectors of their own; feeds of other tests do not get them."""
    connectors: list[UUID] = []

    async def write(count: int) -> list[str]:
        people = [await town.create_user() for _ in range(10)]
        made = [UUID((await person.make_connector())["id"]) for person in people]
        connectors.extend(made)
        await town.write(
            "INSERT INTO posts (connector_id, author_id, content) SELECT one.connector_id, one.author_id, 'Seedlings' "
            "FROM unnest(CAST(:connectors AS uuid[]), CAST(:authors AS uuid[])) AS one (connector_id, author_id), "
            "generate_series(1, :each)",
            connectors=made,
            authors=[person.id for person in people],
            each=count // 10,
        )
        rows = await town.rows("SELECT id FROM posts WHERE connector_id = ANY(:made) ORDER BY id", made=made)
        assert len(rows) == count
        return [str(row.id) for row in rows]

    yield write
    await town.write("DELETE FROM posts WHERE connector_id = ANY(:connectors)", connectors=connectors)


def joined(pages: Iterable[list[str]]) -> list[str]:
    return [item_id for page in pages for item_id in page]


async def test_500_posts_are_paged_to_the_end_without_repeats_or_gaps(
    town: Town, write_posts: WritePosts, ben: Person
) -> None:
    posts = await write_posts(500)
    pages = await page_through(ben, limit=60)
    served = joined(pages)
    assert len(served) == len(set(served))
    assert set(posts) <= set(served)
    assert {len(page) for page in pages[:-1]} == {60}


@pytest.mark.parametrize("path", [CONNECTORS, EVENTS, MARKETPLACE])
async def test_every_kind_of_feed_ends_without_repeats_or_gaps(town: Town, ben: Person, path: str) -> None:
    host = await town.create_user()
    connectors = [await host.make_connector() for _ in range(9)]
    made = [one["id"] for one in connectors]
    if path != CONNECTORS:
        body: dict[str, Any] = {"title": "Hat"}
        if path == EVENTS:
            body |= {"start_date": (datetime.now(UTC) + timedelta(minutes=30)).isoformat()}
        else:
            body |= {"price": "5.00", "category": "hats"}
        route = "/events" if path == EVENTS else "/marketplace/items"
        made = [(await host.post(route, body | {"connector_id": one})).json()["id"] for one in made]
    # The feed has the rows of all tests: small pages would exceed the rate limit.
    served = joined(await page_through(ben, path, limit=40 if path == CONNECTORS else 8))
    assert len(served) == len(set(served))
    assert set(made) <= set(served)


async def test_connectors_beyond_the_popular_ones_are_served(town: Town, ben: Person) -> None:
    name = uuid4().hex
    await town.write(
        "INSERT INTO connectors (name, category) SELECT :name, 'gardening' FROM generate_series(1, 330)", name=name
    )
    rows = await town.rows("SELECT id FROM connectors WHERE name = :name", name=name)
    try:
        served = joined(await page_through(ben, CONNECTORS, limit=100))
    finally:
        await town.write("DELETE FROM connectors WHERE name = :name", name=name)
    assert len(served) == len(set(served))
    assert {str(row.id) for row in rows} <= set(served)


async def test_two_clients_page_at_once_without_repeats_or_gaps(
    write_posts: WritePosts, ranker: Ranker, ben: Person
) -> None:
    posts = await write_posts(100)
    ranker.rank(*posts[:50])
    first, second = await asyncio.gather(page_through(ben, limit=30), page_through(ben, limit=20))
    for served in (joined(first), joined(second)):
        assert len(served) == len(set(served))
        assert set(posts) <= set(served)


async def test_a_repeated_request_gets_the_same_page(write_posts: WritePosts, ranker: Ranker, ben: Person) -> None:
    ranker.rank(*await write_posts(40))
    first = await feed(ben, limit=10)
    second = await feed(ben, limit=10, cursor=first["next_cursor"])
    again = await feed(ben, limit=10, cursor=first["next_cursor"])
    assert ids(second) == ids(again)
    third = await feed(ben, limit=10, cursor=second["next_cursor"])
    assert not set(ids(third)) & {*ids(first), *ids(second)}


async def test_a_request_without_a_cursor_begins_again(write_posts: WritePosts, ranker: Ranker, ben: Person) -> None:
    ranker.rank(*await write_posts(20))
    first = await feed(ben, limit=5)
    await feed(ben, limit=5, cursor=first["next_cursor"])
    assert ids(await feed(ben, limit=5)) == ids(first)


async def test_the_model_is_asked_without_the_items_of_earlier_pages(
    write_posts: WritePosts, ranker: Ranker, ben: Person
) -> None:
    posts = await write_posts(20)
    ranker.rank(*posts)
    first = await feed(ben, limit=5)
    await feed(ben, limit=5, cursor=first["next_cursor"], exclude=[posts[-1]])
    assert set(ranker.asked[-1]["exclude"]) == {*ids(first), posts[-1]}


@pytest.mark.parametrize("act", ["like", "hide"])
async def test_an_act_between_pages_counts_on_the_next_page(
    write_posts: WritePosts, ranker: Ranker, ben: Person, act: str
) -> None:
    posts = await write_posts(20)
    ranker.rank(*posts)
    first = await feed(ben, limit=5)
    [target] = ids(await feed(ben, limit=1, cursor=first["next_cursor"]))
    if act == "like":
        answer = await ben.post(f"/posts/{target}/like")
    else:
        hidden = {"kind": "hide", "item_kind": "post", "item_id": target, "request_id": feed_id(ben)}
        occurred = {"occurred_at": datetime.now(UTC).isoformat()}
        answer = await ben.post("/interactions", {"interactions": [hidden | occurred]})
    assert answer.is_success, answer.text
    served, cursor = [], first["next_cursor"]
    while cursor is not None:
        page = await feed(ben, limit=100, cursor=cursor)
        served += ids(page)
        cursor = page["next_cursor"]
    assert target not in served
    assert set(posts) - {target} <= {*served, *ids(first)}


async def test_a_connector_joined_between_pages_is_not_on_the_next(town: Town, ranker: Ranker, ben: Person) -> None:
    host = await town.create_user()
    made = [(await host.make_connector())["id"] for _ in range(6)]
    ranker.rank(*made)
    first = await feed(ben, CONNECTORS, limit=2)
    [target] = ids(await feed(ben, CONNECTORS, limit=1, cursor=first["next_cursor"]), CONNECTORS)
    assert (await ben.post(f"/connectors/{target}/join")).is_success
    second = await feed(ben, CONNECTORS, limit=3, cursor=first["next_cursor"])
    assert target not in ids(second, CONNECTORS)
    assert set(ids(second, CONNECTORS)) == set(made) - {target, *ids(first, CONNECTORS)}


async def test_authors_of_the_page_before_come_later_on_the_next(town: Town, ranker: Ranker, ben: Person) -> None:
    busy, *others = [await town.create_user() for _ in range(4)]
    authors = (busy, busy, busy, *others)
    posts = [(await author.make_post(await author.make_connector()))["id"] for author in authors]
    ranker.items = [{"item_id": post, "score": 0.9 - place / 1_000, "reasons": []} for place, post in enumerate(posts)]
    first = await feed(ben, limit=1)
    assert ids(first) == [posts[0]]
    # Without the first page, the second post of the same author would be next.
    assert ids(await feed(ben, limit=1, exclude=[posts[0]])) == [posts[1]]
    assert ids(await feed(ben, limit=1, cursor=first["next_cursor"])) == [posts[3]]


async def refusal(person: Person, cursor: str, path: str = CONTENT) -> tuple[int, str]:
    answer = await person.post(path, {"cursor": cursor})
    return answer.status_code, answer.json()["code"]


async def test_cursors_of_others_and_invented_ones_are_gone(
    write_posts: WritePosts, ranker: Ranker, ada: Person, ben: Person
) -> None:
    ranker.rank(*await write_posts(10))
    cursor = (await feed(ben, limit=2))["next_cursor"]
    invented = base64.urlsafe_b64encode((2**60).to_bytes(8) + (7).to_bytes(4) + b"ncf1").decode()
    assert await refusal(ada, cursor) == await refusal(ben, invented) == (410, "cursor_expired")


async def test_an_expired_cursor_is_gone(
    town: Town, write_posts: WritePosts, ranker: Ranker, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranker.rank(*await write_posts(10))
    cursor = (await feed(ben, limit=2))["next_cursor"]
    with monkeypatch.context() as later:
        later.setattr(sessions, "TTL_SECONDS", -1)
        assert await refusal(ben, cursor) == (410, "cursor_expired")
    await feed(ben, cursor=cursor)
    await town.app.state.redis.delete(f"user:{ben.id}:feeds")
    assert await refusal(ben, cursor) == (410, "cursor_expired")


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "ü" * 20, base64.b64encode(bytes(16)).decode()])
async def test_a_text_that_is_no_cursor_is_refused(ben: Person, cursor: str) -> None:
    assert await refusal(ben, cursor) == (422, "invalid_cursor")


async def test_a_cursor_of_another_kind_of_feed_is_refused(
    write_posts: WritePosts, ranker: Ranker, ben: Person
) -> None:
    ranker.rank(*await write_posts(10))
    cursor = (await feed(ben, limit=2))["next_cursor"]
    assert await refusal(ben, cursor, EVENTS) == (422, "invalid_cursor")


class DeadRedis:
    """A Redis that is not reached."""

    def __getattr__(self, name: str) -> Any:
        raise RedisConnectionError(name)


@pytest.fixture
def without_redis(town: Town, ranker: Ranker) -> Iterator[Callable[[], None]]:
    """Make Redis unreachable; ``ranker`` restores the clients of the recommender."""
    state = town.app.state
    redis, dead = state.redis, DeadRedis()

    def stop() -> None:
        state.redis, state.recommender = dead, RankingClients(state.recommender.inference, cast("Redis", dead))

    yield stop
    state.redis = redis


async def test_without_redis_the_first_page_is_served_and_has_no_next(
    write_posts: WritePosts, ranker: Ranker, ben: Person, without_redis: Callable[[], None]
) -> None:
    ranker.rank(*await write_posts(10))
    cursor = (await feed(ben, limit=2))["next_cursor"]
    without_redis()
    answer = await feed(ben, limit=2)
    assert (len(answer["items"]), answer["next_cursor"]) == (2, None)
    assert await refusal(ben, cursor) == (503, "service_unavailable")


async def test_sessions_of_one_person_are_bounded_and_expire(
    town: Town, write_posts: WritePosts, ranker: Ranker, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranker.rank(*await write_posts(10))
    monkeypatch.setattr(sessions, "MAX_ENTRIES", 3)
    cursors = [(await feed(ben, limit=1))["next_cursor"] for _ in range(5)]
    assert await refusal(ben, cursors[0]) == (410, "cursor_expired")
    redis, key = town.app.state.redis, f"user:{ben.id}:feeds"
    assert await redis.xlen(key) == 3
    assert 0 < await redis.ttl(key) <= 3_600


async def test_a_session_ends_after_its_last_item(
    write_posts: WritePosts, ranker: Ranker, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_posts(30)
    monkeypatch.setattr(sessions, "MAX_SESSION_ITEMS", 20)
    pages = await page_through(ben, limit=10)
    assert [len(page) for page in pages] == [10, 10]


async def test_shown_posts_come_after_all_others_of_the_session(
    town: Town, write_posts: WritePosts, ranker: Ranker, ben: Person
) -> None:
    posts = await write_posts(20)
    ranker.rank(*posts)
    shown = posts[:3]
    await town.write(
        "INSERT INTO item_exposures (user_id, item_kind, item_id, shown_at) "
        "SELECT :id, 'post', unnest(CAST(:posts AS uuid[])), now()",
        id=ben.id,
        posts=[UUID(post) for post in shown],
    )
    served = joined(await page_through(ben, limit=50))
    assert Counter(served).most_common(1)[0][1] == 1
    assert set(served[-3:]) == set(shown)
