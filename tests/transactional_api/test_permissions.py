"""Who may do what: a row for every route, tried by nobody, a stranger, a member and who it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute

from tests.transactional_api.people import API, Person, Town
from transactional_api.app import ROUTERS

NOBODY, STRANGER, MEMBER, OWNER = "nobody", "stranger", "member", "owner"


@dataclass(frozen=True, slots=True)
class Private:
    """A private connector with a post of its admin, a post of a member, and the people around it."""

    people: dict[str, Person]
    connector: dict[str, Any]
    post: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One route: how it is asked, and the status for each kind of person."""

    method: str
    path: str
    expected: dict[str, int]
    body: Callable[[Private], Any] = lambda _: None
    query: str = ""


def told(nobody: int, stranger: int, member: int, owner: int) -> dict[str, int]:
    return {NOBODY: nobody, STRANGER: stranger, MEMBER: member, OWNER: owner}


def registration(_: Private) -> dict[str, Any]:
    name = uuid4().hex
    return {
        "email": f"{name}@example.org",
        "username": name,
        "password": "a long pass phrase",
        "first_name": "Ada",
        "last_name": "Okafor",
    }


def interaction(private: Private) -> dict[str, Any]:
    return {
        "interactions": [
            {
                "kind": "click",
                "item_kind": "post",
                "item_id": private.post["id"],
                "request_id": str(uuid4()),
                "occurred_at": datetime.now(UTC).isoformat(),
            }
        ]
    }


CONNECTOR_BODY = {"name": "Ours", "category": "gardening", "is_public": False}
TOKEN = {"refresh_token": "x" * 40}
ANYONE = told(401, 200, 200, 200)

MATRIX = [
    Row("POST", "/users/register", told(201, 201, 201, 201), registration),
    Row(
        "POST", "/users/login", told(401, 401, 401, 401), lambda _: {"email": f"{uuid4()}@example.org", "password": "x"}
    ),
    Row("POST", "/users/refresh", told(401, 401, 401, 401), lambda _: TOKEN),
    Row("POST", "/users/logout", told(204, 204, 204, 204), lambda _: TOKEN),
    Row("GET", "/users/profile", ANYONE),
    Row("PUT", "/users/profile", ANYONE, lambda _: {"first_name": "Ada", "last_name": "Okafor"}),
    Row("GET", "/users/search", ANYONE),
    Row("GET", "/users/{user_id}", ANYONE),
    Row("POST", "/connectors", told(401, 201, 201, 201), lambda _: CONNECTOR_BODY),
    Row("GET", "/connectors", ANYONE),
    Row("GET", "/connectors/search", ANYONE, query="?q=garden"),
    Row("GET", "/connectors/{connector_id}", told(401, 404, 200, 200)),
    Row("PUT", "/connectors/{connector_id}", told(401, 404, 403, 200), lambda _: CONNECTOR_BODY),
    Row("POST", "/connectors/{connector_id}/join", told(401, 404, 200, 200)),
    Row("GET", "/connectors/{connector_id}/members", told(401, 404, 200, 200)),
    Row("DELETE", "/connectors/{connector_id}/leave", told(401, 404, 204, 409)),
    Row(
        "POST", "/posts", told(401, 404, 201, 201), lambda it: {"connector_id": it.connector["id"], "content": "Hello"}
    ),
    Row("GET", "/posts/connector/{connector_id}", told(401, 404, 200, 200)),
    Row("GET", "/posts/{post_id}", told(401, 404, 200, 200)),
    Row("PUT", "/posts/{post_id}", told(401, 404, 403, 200), lambda _: {"content": "Other words"}),
    Row("DELETE", "/posts/{post_id}", told(401, 404, 403, 204)),
    Row("POST", "/posts/{post_id}/like", told(401, 404, 200, 200)),
    Row("DELETE", "/posts/{post_id}/like", told(401, 404, 200, 200)),
    Row("POST", "/posts/{post_id}/comments", told(401, 404, 201, 201), lambda _: {"content": "Hello"}),
    Row("GET", "/posts/{post_id}/comments", told(401, 404, 200, 200)),
    Row("POST", "/interactions", told(401, 202, 202, 202), interaction),
    Row("POST", "/recommendations/content", ANYONE, lambda _: {}),
    Row("POST", "/recommendations/connectors", ANYONE, lambda _: {}),
]


@pytest.fixture
async def private(town: Town) -> Private:
    owner, member, stranger = [await town.settle() for _ in range(3)]
    connector = await owner.make_connector(is_public=False)
    await town.admit(member, connector)
    await town.admit(await town.settle(), connector)
    post = await owner.make_post(connector)
    people = {NOBODY: town.nobody, STRANGER: stranger, MEMBER: member, OWNER: owner}
    return Private(people, connector, post)


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: f"{row.method} {row.path}")
async def test_each_kind_of_person_gets_what_the_matrix_says(private: Private, row: Row) -> None:
    path = row.path.format(
        connector_id=private.connector["id"], post_id=private.post["id"], user_id=private.people[OWNER].id
    )
    got = {}
    for who, person in private.people.items():
        answer = await person.ask(row.method, path + row.query, json=row.body(private))
        got[who] = answer.status_code
    assert got == row.expected


def test_the_matrix_has_a_row_for_every_route() -> None:
    routes = {
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert {(row.method, row.path) for row in MATRIX} == routes


async def test_a_route_that_nobody_knows_is_not_found(town: Town) -> None:
    answer = await town.http.get(f"{API}/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_stranger_learns_nothing_of_a_private_post_by_reporting_on_it(private: Private) -> None:
    body = interaction(private)
    stranger = await private.people[STRANGER].post("/interactions", body)
    body["interactions"][0]["item_id"] = str(uuid4())
    nothing_there = await private.people[STRANGER].post("/interactions", body)
    assert (
        stranger.json() == nothing_there.json() == {"accepted": 0, "rejected": [{"index": 0, "code": "unknown_item"}]}
    )
