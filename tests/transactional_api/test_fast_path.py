"""The fast path responds as FastAPI does, to everybody and whatever the request."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, Request
from pydantic import BaseModel

from tests.transactional_api.people import Person, Town
from transactional_api.app import assemble
from transactional_api.core.http.auth import CurrentUser
from transactional_api.core.http.fast_path import MAX_FAST_READS, FastPathRouter, fast_read

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


def fast_path(app: Any) -> FastPathRouter:
    first = app.router.routes[0]
    assert isinstance(first, FastPathRouter)
    return first


PATHS = sorted(route.path for route in fast_path(assemble()).routes)


@pytest.fixture
async def ids(town: Town, ada: Person) -> dict[str, str]:
    """Ids of what there is to read, by their names in paths: every path of the fast path has its own here."""
    connector = await ada.make_connector(is_public=False)
    await town.add_member(await town.create_user(first_name="Ben"), connector)
    posts = [await ada.make_post(connector) for _ in range(3)]
    await ada.post(f"/posts/{posts[0]['id']}/comments", {"content": "Here"})
    other = await town.create_user()
    chat = (await ada.post("/chat/conversations", {"kind": "direct", "user_id": str(other.id)})).json()
    for number in range(3):
        await ada.post(
            f"/chat/conversations/{chat['id']}/messages", {"content": f"Hello {number}", "client_id": str(number)}
        )
    return {"connector_id": connector["id"], "post_id": posts[0]["id"], "conversation_id": chat["id"]}


@asynccontextmanager
async def fastapi_alone(town: Town) -> AsyncIterator[None]:
    first = town.app.router.routes.pop(0)
    try:
        yield
    finally:
        town.app.router.routes.insert(0, first)


async def both(town: Town, person: Person, path: str, **request: Any) -> tuple[httpx.Response, httpx.Response]:
    """Ask the same of both ways."""
    fast = await person.request("GET", path, **request)
    async with fastapi_alone(town):
        return fast, await person.request("GET", path, **request)


def same(left: httpx.Response, right: httpx.Response) -> None:
    told = [{key: value for key, value in one.headers.items() if key not in _ITS_OWN} for one in (left, right)]
    bodies = [{**json.loads(_MOVED.sub("", one.text)), "request_id": None} for one in (left, right)]
    assert [int(one.headers["content-length"]) for one in (left, right)] == [len(one.content) for one in (left, right)]
    if left.status_code < 400:
        assert len(_MOVED.sub("", left.text)) == len(_MOVED.sub("", right.text))
    assert (left.status_code, told[0], bodies[0]) == (right.status_code, told[1], bodies[1])


def filled(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda name: ids[name[1]], path)


@pytest.mark.parametrize("path", PATHS)
async def test_everybody_gets_the_same_answer_either_way(
    town: Town, ada: Person, ids: dict[str, str], path: str
) -> None:
    url = filled(path, ids)
    assert (await ada.get(url)).status_code == 200, "compares real responses, not two refusals"
    stranger = await town.create_user()
    blocked = await town.create_user()
    await town.block(ada, blocked)
    moderator = await town.create_user(role="moderator")
    for person in (ada, stranger, blocked, moderator, town.nobody):
        same(*await both(town, person, url))
    same(*await both(town, Person(ada.id, ada.http, ada.token + "x"), url))


@pytest.mark.parametrize("query", QUERIES)
async def test_a_page_is_asked_for_the_same_way(town: Town, ada: Person, ids: dict[str, str], query: str) -> None:
    same(*await both(town, ada, f"/posts/connector/{ids['connector_id']}?{query}"))


async def test_pages_follow_one_another(town: Town, ada: Person, ids: dict[str, str]) -> None:
    path, seen, cursor = f"/posts/connector/{ids['connector_id']}", [], None
    while True:
        asked = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        fast, ordinary = await both(town, ada, path, params=asked)
        same(fast, ordinary)
        seen += [item["id"] for item in fast.json()["items"]]
        if (cursor := fast.json()["next_cursor"]) is None:
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
async def test_a_strange_path_is_left_to_fastapi_alone(
    town: Town, ada: Person, ids: dict[str, str], strange: str
) -> None:
    post = ids["post_id"]
    fast, ordinary = await both(town, ada, strange.format(post=post, POST=post.upper()))
    assert (fast.status_code, fast.headers.get("location")) == (
        ordinary.status_code,
        ordinary.headers.get("location"),
    )


@pytest.mark.parametrize("header", ["bearer {token}", "Bearer  {token}", "Basic {token}", "Bearer", "Bearer ü"])
async def test_whoever_says_it_strangely_is_heard_the_same(
    town: Town, ada: Person, ids: dict[str, str], header: str
) -> None:
    said = {"Authorization": header.format(token=ada.token).encode("latin-1")}
    same(*await both(town, town.nobody, f"/posts/{ids['post_id']}", headers=said))


def test_the_hot_reads_are_on_the_fast_path() -> None:
    assert PATHS == [
        "/chat/conversations/{conversation_id}/messages",
        "/notifications/unread",
        "/posts/connector/{connector_id}",
        "/posts/{post_id}",
    ]


class Answer(BaseModel):
    """A response of a test."""


async def with_a_query(viewer: CurrentUser, search: str = "") -> Answer: ...
async def with_a_number(viewer: CurrentUser, number: int) -> Answer: ...
async def for_everybody(thing: UUID) -> Answer: ...
async def without_a_model(viewer: CurrentUser, thing: UUID) -> dict[str, str]: ...
async def with_the_request(request: Request, viewer: CurrentUser, thing: UUID) -> Answer: ...


@pytest.mark.parametrize(
    ("endpoint", "path", "reason"),
    [
        (with_a_query, "/things", "parameters other than ids"),
        (with_a_number, "/things/{number}", "not a UUID"),
        (for_everybody, "/things/{thing}", "current user"),
        (without_a_model, "/things/{thing}", "does not return a model"),
        (with_the_request, "/things/{thing}", "does not apply"),
    ],
)
def test_an_endpoint_that_it_cannot_serve_stops_the_start(endpoint: Callable[..., Any], path: str, reason: str) -> None:
    router = APIRouter()
    router.get(path)(fast_read(endpoint))
    with pytest.raises(TypeError, match=reason):
        FastPathRouter([router], prefix="")


def test_a_sixth_fast_read_stops_the_start() -> None:
    async def endpoint(viewer: CurrentUser, thing: UUID) -> Answer: ...

    router = APIRouter()
    for number in range(MAX_FAST_READS + 1):
        router.get(f"/things{number}/{{thing}}")(fast_read(endpoint))
    with pytest.raises(TypeError, match="more than 5"):
        FastPathRouter([router], prefix="")


def test_a_route_that_fastapi_gives_to_another_stops_the_start() -> None:
    async def endpoint(viewer: CurrentUser, thing: UUID) -> Answer: ...

    async def other(kind: str, thing: UUID) -> dict[str, str]: ...

    router = APIRouter()
    router.get("/{kind}/{thing}")(other)
    router.get("/things/{thing}")(fast_read(endpoint))
    with pytest.raises(TypeError, match="by a route before it"):
        FastPathRouter([router], prefix="")


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
