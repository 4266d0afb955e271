"""The shorter way to plain reads answers what the ordinary way answers, to everybody and whatever is asked."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.transactional_api.people import Person, Town
from transactional_api.app import assemble
from transactional_api.quick import QuickReads

QUERIES = (
    "",
    "limit=1",
    "limit=0",
    "limit=101",
    "limit=one",
    "limit=1&limit=2",
    "limit=01",
    "cursor=nonsense",
    "cursor=",
    "cursor=%E2%82%AC",
    f"cursor={'A' * 65}",
    "other=1",
)
# Of each answer: what is about the request alone, or counts it, or is moved by it.
_ITS_OWN = {"x-request-id", "ratelimit-remaining", "ratelimit-reset", "date", "content-length"}
_MOVED = re.compile(r'(?<="last_used_at":")[^"]+')


def quick_reads(app: Any) -> QuickReads:
    first = app.router.routes[0]
    assert isinstance(first, QuickReads)
    return first


PATHS = sorted(route.path for route in quick_reads(assemble()).routes)


@pytest.fixture
async def ids(town: Town, ada: Person) -> dict[str, str]:
    """What there is to read, by the name that it has in paths; what is not here is nobody's."""
    connector = await ada.make_connector(is_public=False)
    await town.admit(await town.settle(first_name="Ben"), connector)
    posts = [await ada.make_post(connector) for _ in range(3)]
    await ada.post(f"/posts/{posts[0]['id']}/comments", {"content": "Here"})
    return {"connector_id": connector["id"], "post_id": posts[0]["id"], "user_id": str(ada.id)}


@asynccontextmanager
async def the_ordinary_way(town: Town) -> AsyncIterator[None]:
    quick = town.app.router.routes.pop(0)
    try:
        yield
    finally:
        town.app.router.routes.insert(0, quick)


async def both(town: Town, person: Person, path: str, **request: Any) -> tuple[httpx.Response, httpx.Response]:
    """Ask the same of both ways."""
    quickly = await person.ask("GET", path, **request)
    async with the_ordinary_way(town):
        return quickly, await person.ask("GET", path, **request)


def same(left: httpx.Response, right: httpx.Response) -> None:
    told = [{key: value for key, value in one.headers.items() if key not in _ITS_OWN} for one in (left, right)]
    bodies = [{**json.loads(_MOVED.sub("", one.text)), "request_id": None} for one in (left, right)]
    assert [int(one.headers["content-length"]) for one in (left, right)] == [len(one.content) for one in (left, right)]
    if left.status_code < 400:
        assert len(_MOVED.sub("", left.text)) == len(_MOVED.sub("", right.text))
    assert (left.status_code, told[0], bodies[0]) == (right.status_code, told[1], bodies[1])


def filled(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda found: ids.get(found[1]) or str(uuid4()), path)


@pytest.mark.parametrize("path", PATHS)
async def test_everybody_gets_the_same_answer_either_way(
    town: Town, ada: Person, ids: dict[str, str], path: str
) -> None:
    place = filled(path, ids)
    stranger = await town.settle()
    blocked = await town.settle()
    await town.block(ada, blocked)
    moderator = await town.settle(role="moderator")
    for person in (ada, stranger, blocked, moderator, town.nobody):
        same(*await both(town, person, place))
    same(*await both(town, Person(ada.id, ada.http, ada.token + "x"), place))


@pytest.mark.parametrize("query", QUERIES)
async def test_a_page_is_asked_for_the_same_way(town: Town, ada: Person, ids: dict[str, str], query: str) -> None:
    same(*await both(town, ada, f"/posts/connector/{ids['connector_id']}?{query}"))


async def test_pages_follow_one_another(town: Town, ada: Person, ids: dict[str, str]) -> None:
    path, seen, cursor = f"/posts/connector/{ids['connector_id']}", [], None
    while True:
        asked = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        quickly, ordinarily = await both(town, ada, path, params=asked)
        same(quickly, ordinarily)
        seen += [item["id"] for item in quickly.json()["items"]]
        if (cursor := quickly.json()["next_cursor"]) is None:
            break
    assert len(seen) == len(set(seen)) == 3


@pytest.mark.parametrize(
    "strange",
    [
        "/posts/{post}/",
        "/posts/{POST}",
        "/posts/urn:uuid:{post}",
        "/posts/not-an-id",
        "/posts/{post}%00",
        "/posts//{post}",
    ],
)
async def test_a_strange_path_is_left_to_the_ordinary_way(
    town: Town, ada: Person, ids: dict[str, str], strange: str
) -> None:
    post = ids["post_id"]
    quickly, ordinarily = await both(town, ada, strange.format(post=post, POST=post.upper()))
    assert (quickly.status_code, quickly.headers.get("location")) == (
        ordinarily.status_code,
        ordinarily.headers.get("location"),
    )


@pytest.mark.parametrize("header", ["bearer {token}", "Bearer  {token}", "Basic {token}", "Bearer", "Bearer ü"])
async def test_whoever_says_it_strangely_is_heard_the_same(
    town: Town, ada: Person, ids: dict[str, str], header: str
) -> None:
    said = {"Authorization": header.format(token=ada.token).encode("latin-1")}
    same(*await both(town, town.nobody, f"/posts/{ids['post_id']}", headers=said))


async def test_only_reads_of_ids_and_pages_take_the_shorter_way(town: Town) -> None:
    routes = {route.path for route in quick_reads(town.app).routes}
    assert {"/posts/{post_id}", "/posts/connector/{connector_id}"} <= routes
    assert {"/chat/conversations/{conversation_id}/messages", "/users/{user_id}"} <= routes
    assert not {"/search", "/posts/feed/{kind}", "/privacy/exports/{export_id}"} & routes


async def test_reads_go_on_after_the_database_closed_every_connection(
    town: Town, ada: Person, ids: dict[str, str]
) -> None:
    path = f"/posts/{ids['post_id']}"
    assert (await ada.get(path)).status_code == 200
    await town.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'neighborconnect-api' AND pid <> pg_backend_pid()"
    )
    assert (await ada.get(path)).status_code == 200
