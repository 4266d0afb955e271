"""The fast path: hot reads marked with ``@fast_read`` skip FastAPI's routing, dependency resolution and validation.

FastAPI tries every route in turn and resolves the dependencies of an endpoint with each request; together that takes
several times as long as a hot read itself. ``FastPathRouter`` stands before all other routes, finds a marked route by
the shape of its path, and calls the same endpoint with the same arguments. It takes only requests that it can decide
on alone: a bearer token, lower-case ids, at most ``limit`` and ``cursor``. Every other request goes on to FastAPI,
which describes, validates and refuses. A marked endpoint that the fast path cannot serve stops the start of the API.

Measured by ``python -m benchmarks reads``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIRouter
from pydantic import BaseModel, TypeAdapter
from starlette.routing import BaseRoute, Match, compile_path
from starlette.types import Receive, Scope, Send

from transactional_api.core.cache import redis_of
from transactional_api.core.db.statements import statement_runner
from transactional_api.core.http.auth import authorize, viewer_of
from transactional_api.core.pagination import DEFAULT_LIMIT, MAX_CURSOR, MAX_LIMIT, page_request

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ID_LENGTH = 36
_FAST_PATH = "neighborconnect.fast_path"
_BEARER = b"Bearer "
_LIMIT = re.compile(r"[1-9][0-9]{0,2}")
MAX_FAST_READS = 5
_MARK = "__fast_read__"
# Dependencies that an endpoint on the fast path may have.
_INJECTABLE: dict[Any, str] = {
    statement_runner: "runner",
    viewer_of: "viewer",
    page_request: "page",
    redis_of: "redis",
}

Shape = tuple[str, ...]
EndpointT = TypeVar("EndpointT", bound=Callable[..., Any])


def fast_read(endpoint: EndpointT) -> EndpointT:
    """Mark an endpoint for the fast path. For hot reads alone, at most ``MAX_FAST_READS``.

    Its parameters may be UUIDs of the path, ``RunnerDep``, ``CurrentUser``, ``PageDep``, ``RedisDep`` and ``Response``.
    """
    setattr(endpoint, _MARK, True)
    return endpoint


@dataclass(frozen=True, slots=True)
class _FastRoute:
    """A route whose endpoint is called without FastAPI."""

    route: APIRoute
    ids: tuple[str, ...]
    injected: dict[str, str]
    """Parameter of the endpoint by the name of what is injected."""
    response_argument: str | None
    render: Callable[..., bytes]


class FastPathRouter(BaseRoute):
    """The first route of the application: serves the requests for marked endpoints that it can decide on alone."""

    def __init__(self, routers: Iterable[APIRouter], *, prefix: str) -> None:
        """Find the marked endpoints among the routes of ``routers``, all of which are under ``prefix``.

        Raises:
            TypeError: when the fast path cannot serve a marked endpoint, or too many are marked.
        """
        self._reads: dict[Shape, _FastRoute] = {}
        before: list[re.Pattern[str]] = []
        for router in routers:
            for route in router.routes:
                if not isinstance(route, APIRoute) or "GET" not in (route.methods or ()):
                    continue
                path = prefix + route.path
                if getattr(route.endpoint, _MARK, False):
                    example = re.sub(r"{[^}]*}", str(UUID(int=0)), path)
                    if any(pattern.match(example) for pattern in before):
                        raise TypeError(f"FastAPI would serve {path} by a route before it")
                    self._reads[_shape(example)[0]] = _read(route)
                before.append(compile_path(path)[0])
        if len(self._reads) > MAX_FAST_READS:
            raise TypeError(f"{len(self._reads)} endpoints are marked with @fast_read, more than {MAX_FAST_READS}")

    @property
    def routes(self) -> list[APIRoute]:
        """The marked routes."""
        return [read.route for read in self._reads.values()]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether the fast path can decide on this request."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope.get("root_path"):
            return Match.NONE, {}
        shape, ids = _shape(scope["path"])
        read = self._reads.get(shape)
        if read is None or (token := _token(scope)) is None:
            return Match.NONE, {}
        page = _page(scope["query_string"]) if "page" in read.injected else {}
        if page is None or (scope["query_string"] and "page" not in read.injected):
            return Match.NONE, {}
        return Match.FULL, {
            "route": read.route,
            "endpoint": read.route.endpoint,
            "path_params": dict(zip(read.ids, ids, strict=True)),
            _FAST_PATH: (read, token, page),
        }

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond; exceptions of the endpoint are handled where those of every other are."""
        read, token, page = scope[_FAST_PATH]
        request = Request(scope, receive)
        async with request.app.state.psycopg_pool.autocommit() as runner:
            viewer = await authorize(request, runner, token=token)
            arguments: dict[str, Any] = {name: UUID(value) for name, value in scope["path_params"].items()}
            values: dict[str, Any] = {"runner": runner, "viewer": viewer, "redis": request.app.state.redis}
            if "page" in read.injected:
                values["page"] = await page_request(**page)
            arguments |= {parameter: values[name] for name, parameter in read.injected.items()}
            headers = Response()
            if read.response_argument is not None:
                arguments[read.response_argument] = headers
            body = read.render(await read.route.endpoint(**arguments), by_alias=True)
        response = Response(body, media_type="application/json")
        if read.response_argument is not None:
            response.raw_headers += [pair for pair in headers.raw_headers if pair[0] != b"content-length"]
        await response(scope, receive, send)


def install(app: FastAPI, routers: Iterable[APIRouter], *, prefix: str) -> None:
    """Put the fast path before all routes of ``app``; to be called once they are added."""
    app.router.routes.insert(0, FastPathRouter(routers, prefix=prefix))


def _read(route: APIRoute) -> _FastRoute:
    """Return how to call the endpoint of a marked route; raises ``TypeError`` if the fast path cannot."""
    wants, model = route.dependant, route.response_model
    injected = {_INJECTABLE.get(one.call): one.name for one in wants.dependencies}
    others = (wants.query_params, wants.header_params, wants.cookie_params, wants.body_params, route.dependencies)
    problems = {
        "has parameters other than ids of the path and injectable dependencies": any(others) or None in injected,
        "does not depend on the current user": "viewer" not in injected,
        "does not return a model": not (isinstance(model, type) and issubclass(model, BaseModel)),
        "has a path parameter that is not a UUID": any(
            field.field_info.annotation is not UUID for field in wants.path_params
        ),
        "has options of the response that the fast path does not apply": not _has_plain_response(route, wants),
    }
    if found := [problem for problem, is_there in problems.items() if is_there]:
        raise TypeError(f"@fast_read cannot serve {route.path}: it {'; it '.join(found)}")
    return _FastRoute(
        route=route,
        ids=tuple(route.param_convertors),
        injected={str(name): str(parameter) for name, parameter in injected.items()},
        response_argument=wants.response_param_name,
        render=TypeAdapter(model).dump_json,
    )


def _has_plain_response(route: APIRoute, wants: Dependant) -> bool:
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
    """Return the arguments of ``page_request``; None where FastAPI has to validate them."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    values = dict(pairs)
    limit, cursor = values.pop("limit", str(DEFAULT_LIMIT)), values.pop("cursor", None)
    if values or len(pairs) > len({name for name, _ in pairs}) or not _LIMIT.fullmatch(limit) or int(limit) > MAX_LIMIT:
        return None
    if cursor is not None and not (cursor.isascii() and len(cursor) <= MAX_CURSOR):
        return None
    return {"limit": int(limit), "cursor": cursor}
