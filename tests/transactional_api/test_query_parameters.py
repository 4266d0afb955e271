"""A query parameter that a route does not declare is refused by name, on every route."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi.exceptions import WebSocketRequestValidationError
from fastapi.routing import APIRoute
from starlette.websockets import WebSocket

from tests.transactional_api.people import Person, Town
from transactional_api.app import ROUTERS
from transactional_api.community.chat.socket import chat
from transactional_api.core.http.query_parameters import StrictQueryRoute, unknown
from transactional_api.openapi import PATH

DOCUMENT = json.loads(Path(PATH).read_text(encoding="utf-8"))
ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
LENIENT = {
    ("get", "/oauth/authorize"),
    ("post", "/oauth/authorize"),
    ("post", "/oauth/token"),
    ("get", "/notifications/unsubscribe/{token}"),
    ("post", "/notifications/unsubscribe/{token}"),
    ("get", "/media/avatars/{media_id}"),
}
OPERATIONS = [
    (method.upper(), path.removeprefix("/api/v1"))
    for path, operations in DOCUMENT["paths"].items()
    for method in operations
    if path.startswith("/api/v1") and (method, path.removeprefix("/api/v1")) not in LENIENT
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_every_operation_refuses_an_unknown_parameter(town: Town, ada: Person, method: str, path: str) -> None:
    place = re.sub(r"{\w+}", str(uuid4()), path)
    answer = await ada.request(method, place, params={"no_such_parameter": "1"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), answer.text
    assert answer.json()["errors"][0]["field"] == "query.no_such_parameter"
    assert "'no_such_parameter'" in answer.json()["errors"][0]["message"]


def test_every_route_is_strict_except_oauth_letters_and_avatars() -> None:
    assert all(isinstance(route, StrictQueryRoute) for route in ROUTES)
    lenient = [route for route in ROUTES if isinstance(route, StrictQueryRoute) and not route.is_strict]
    found = {(method.lower(), route.path) for route in lenient for method in route.methods or ()}
    assert {(method, path) for method, path in found if method != "head"} == LENIENT


@pytest.mark.parametrize(
    ("path", "name", "nearest"),
    [
        ("/notifications", "limt", "limit"),
        ("/notifications", "unreed", "unread"),
        ("/notifications", "Limit", "limit"),
        ("/search", "query", "q"),
        ("/users/search", "neighbourhood", "neighborhood"),
    ],
)
async def test_the_error_names_the_nearest_parameter(ada: Person, path: str, name: str, nearest: str) -> None:
    answer = await ada.get(path, **{name: "1"})
    assert answer.status_code == 422
    assert f"did you mean '{nearest}'?" in answer.json()["errors"][0]["message"]


async def test_every_unknown_parameter_is_named_once(ada: Person) -> None:
    answer = await ada.request("GET", "/notifications?a=1&limit=2&a=3&b=")
    assert [one["field"] for one in answer.json()["errors"]] == ["query.a", "query.b"]


async def test_a_parameter_name_of_any_kind_is_answered(ada: Person) -> None:
    for name in ("%00", "%ED%A0%80", "x" * 3_000, "%E2%80%AE", "limit[]"):
        answer = await ada.request("GET", f"/notifications?{name}=1")
        assert answer.status_code == 422, answer.text


async def test_declared_parameters_still_work(ada: Person) -> None:
    for path in ("/notifications?limit=1&unread=true", "/notifications/unread", "/users/search?q=ada&limit=1"):
        assert (await ada.request("GET", path)).status_code == 200


async def test_oauth_ignores_parameters_that_it_does_not_know(town: Town) -> None:
    asked = {"client_id": str(uuid4()), "redirect_uri": "https://a.example.org/", "prompt": "login"}
    assert (await town.nobody.get("/oauth/authorize", **asked)).status_code == 404
    form = {"grant_type": "authorization_code", "client_id": str(uuid4())}
    answer = await town.nobody.request("POST", "/oauth/token", params={"audience": "x"}, data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")


async def test_links_ignore_parameters_of_trackers_and_caches(town: Town) -> None:
    for method, path in (
        ("GET", "/notifications/unsubscribe/x?utm_source=letter"),
        ("POST", "/notifications/unsubscribe/x?utm_source=letter"),
        ("GET", f"/media/avatars/{uuid4()}?v=2"),
    ):
        answer = await town.nobody.request(method, path)
        assert "query parameter" not in answer.text


async def test_a_chat_socket_refuses_an_unknown_parameter(town: Town) -> None:
    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(_message: Any) -> None:
        raise AssertionError("the socket was accepted")

    scope = {"type": "websocket", "headers": [], "query_string": b"last_event=1", "app": town.app}
    with pytest.raises(WebSocketRequestValidationError):
        await chat(WebSocket(scope, receive, send), uuid4())


def test_a_route_without_parameters_says_so() -> None:
    assert unknown(["x"], known=frozenset())[0]["msg"] == (
        "There is no query parameter 'x' here; this endpoint takes none"
    )
