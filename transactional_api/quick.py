"""A shorter way to the plainest reads.

FastAPI looks through every route, and resolves what an endpoint asks for anew with each request; together that takes
several times as long as the read itself. Most reads ask for nothing but ids in the path, a session, the viewer and
perhaps a page. For those, ``QuickReads`` finds the route by the shape of the path and calls the same endpoint with
the same things. It takes only requests that are as plain as that: whatever else, and whatever does not validate, goes
on to FastAPI, which stays the one that describes, validates and refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIRouter
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel, TypeAdapter
from starlette.routing import BaseRoute, Match, compile_path
from starlette.types import Receive, Scope, Send

from transactional_api.auth import viewer_of
from transactional_api.db.session import session_of
from transactional_api.hot import redis_of
from transactional_api.paging import DEFAULT_LIMIT, MAX_CURSOR, MAX_LIMIT, page_request

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ID_LENGTH = 36
_QUICK = "neighborconnect.quick"
_BEARER = b"Bearer "
_LIMIT = re.compile(r"[1-9][0-9]{0,2}")
# What an endpoint may ask for, by the dependency that gives it.
_GIVEN: dict[Any, str] = {session_of: "session", viewer_of: "viewer", page_request: "page", redis_of: "redis"}

Shape = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    """A route whose endpoint is called without FastAPI."""

    route: APIRoute
    ids: tuple[str, ...]
    given: dict[str, str]
    """Name of the endpoint's argument by what it is given."""
    response_argument: str | None
    render: Callable[..., bytes]


class QuickReads(BaseRoute):
    """Stands before all routes, and takes the requests that it can answer alone."""

    def __init__(self, routers: Iterable[APIRouter], *, prefix: str) -> None:
        """Find the plain reads among the routes of ``routers``, all of which are under ``prefix``."""
        self._reads: dict[Shape, _Read] = {}
        before: list[re.Pattern[str]] = []
        for router in routers:
            for route in router.routes:
                if not isinstance(route, APIRoute) or "GET" not in (route.methods or ()):
                    continue
                path = prefix + route.path
                read = _read(route)
                example = re.sub(r"{[^}]*}", str(UUID(int=0)), path)
                # One that FastAPI would give to another route stays FastAPI's.
                if read is not None and not any(pattern.match(example) for pattern in before):
                    self._reads[_shape(example)[0]] = read
                before.append(compile_path(path)[0])

    @property
    def routes(self) -> list[APIRoute]:
        """The routes that are answered here."""
        return [read.route for read in self._reads.values()]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether this request is plain enough."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope.get("root_path"):
            return Match.NONE, {}
        shape, ids = _shape(scope["path"])
        read = self._reads.get(shape)
        if read is None or (token := _token(scope)) is None:
            return Match.NONE, {}
        page = _page(scope["query_string"]) if "page" in read.given else {}
        if page is None:
            return Match.NONE, {}
        return Match.FULL, {
            "route": read.route,
            "endpoint": read.route.endpoint,
            "path_params": dict(zip(read.ids, ids, strict=True)),
            _QUICK: (read, token, page),
        }

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; what the endpoint raises becomes a problem where it always does."""
        read, token, page = scope[_QUICK]
        request = Request(scope, receive)
        async with request.app.state.plain.reads() as session:
            credentials = HTTPAuthorizationCredentials(scheme="Bearer", credentials=token)
            viewer = await viewer_of(request, session, credentials)
            arguments: dict[str, Any] = {name: UUID(value) for name, value in scope["path_params"].items()}
            given: dict[str, Any] = {"session": session, "viewer": viewer, "redis": request.app.state.redis}
            if "page" in read.given:
                given["page"] = await page_request(**page)
            arguments |= {name: given[what] for what, name in read.given.items()}
            headers = Response()
            if read.response_argument is not None:
                arguments[read.response_argument] = headers
            body = read.render(await read.route.endpoint(**arguments), by_alias=True)
        response = Response(body, media_type="application/json")
        if read.response_argument is not None:
            response.raw_headers += [pair for pair in headers.raw_headers if pair[0] != b"content-length"]
        await response(scope, receive, send)


def install(app: FastAPI, routers: Iterable[APIRouter], *, prefix: str) -> None:
    """Let the plain reads of ``app`` take the shorter way; to be called once all routes are there."""
    app.router.routes.insert(0, QuickReads(routers, prefix=prefix))


def _read(route: APIRoute) -> _Read | None:
    """Return how to call the endpoint of a route; None if it asks for more than a plain read does."""
    wants = route.dependant
    answer = route.response_model
    others = (wants.query_params, wants.header_params, wants.cookie_params, wants.body_params, route.dependencies)
    if any(others) or not (isinstance(answer, type) and issubclass(answer, BaseModel)):
        return None
    if any(field.field_info.annotation is not UUID for field in wants.path_params):
        return None
    given = {_GIVEN.get(one.call): one.name for one in wants.dependencies}
    if None in given or "viewer" not in given or not _is_plain(route, wants):
        return None
    return _Read(
        route=route,
        ids=tuple(route.param_convertors),
        given={str(what): str(name) for what, name in given.items()},
        response_argument=wants.response_param_name,
        render=TypeAdapter(answer).dump_json,
    )


def _is_plain(route: APIRoute, wants: Dependant) -> bool:
    asks_for_more = (
        wants.request_param_name,
        wants.websocket_param_name,
        wants.http_connection_param_name,
        wants.background_tasks_param_name,
        route.response_model_include,
        route.response_model_exclude,
        route.response_model_exclude_unset,
        route.response_model_exclude_defaults,
        route.response_model_exclude_none,
    )
    return route.status_code in (None, 200) and not any(asks_for_more)


def _shape(path: str) -> tuple[Shape, list[str]]:
    """Return the segments of a path with its ids left out, and the ids."""
    segments, ids = path.split("/"), []
    for place, segment in enumerate(segments):
        if len(segment) == _ID_LENGTH and _ID.fullmatch(segment):
            ids.append(segment)
            segments[place] = ""
    return tuple(segments), ids


def _token(scope: Scope) -> str | None:
    found = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(found) != 1 or not found[0].startswith(_BEARER):
        return None
    token = found[0].removeprefix(_BEARER)
    return token.decode() if token.isascii() and token and b" " not in token else None


def _page(query: bytes) -> dict[str, Any] | None:
    """Return the arguments of ``page_request``; None where FastAPI has to look at them."""
    asked = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    said = dict(asked)
    limit, cursor = said.pop("limit", str(DEFAULT_LIMIT)), said.pop("cursor", None)
    if said or len(asked) > len({name for name, _ in asked}) or not _LIMIT.fullmatch(limit) or int(limit) > MAX_LIMIT:
        return None
    if cursor is not None and not (cursor.isascii() and len(cursor) <= MAX_CURSOR):
        return None
    return {"limit": int(limit), "cursor": cursor}
