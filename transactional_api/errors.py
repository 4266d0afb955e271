"""Errors as RFC 9457 problems: each class carries its status and code, one handler renders them all."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, ClassVar

import orjson
import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from neighborconnect.telemetry import get_logger
from transactional_api.methods import Methods

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:neighborconnect:problem:"

log = get_logger(__name__)


class FieldError(BaseModel):
    """One field that is not as it should be."""

    field: str = Field(examples=["body.email"])
    message: str = Field(examples=["value is not a valid email address"])


class ProblemBody(BaseModel):
    """What every error answers (RFC 9457)."""

    model_config = ConfigDict(title="Problem")

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldError] | None = Field(default=None, description="Only of a request that does not validate.")


class Problem(Exception):  # noqa: N818 (the word of RFC 9457)
    """An answer other than success. ``keeps_changes`` commits what was done before it was raised."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong on our side"
    keeps_changes: ClassVar[bool] = False

    def __init__(self, detail: str | None = None, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.headers = headers or {}


class RateLimitedError(Problem):
    """The person asked too much of this endpoint."""

    status, code, title = 429, "rate_limited", "Too many requests; wait before the next one"


class UnauthenticatedError(Problem):
    """The bearer token is missing, expired or not ours."""

    status, code, title = 401, "unauthenticated", "Log in to do this"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class ForbiddenError(Problem):
    """The viewer may see the thing but not do this to it."""

    status, code, title = 403, "forbidden", "You may not do this"


class InsufficientScopeError(Problem):
    """Who asks is an app that its person did not let do this."""

    status, code, title = 403, "insufficient_scope", "This app may not do this for you"


class NotFoundError(Problem):
    """There is no such thing, or the viewer may not know of it; the two look the same."""

    status, code, title = 404, "not_found", "There is nothing here that you can see"


class InvalidRequestError(Problem):
    """The request does not validate; ``errors`` lists the fields."""

    status, code, title = 422, "invalid_request", "The request is not valid"


class InvalidCursorError(Problem):
    """The cursor is not one that this API gave out."""

    status, code, title = 422, "invalid_cursor", "The cursor is not valid; start again without one"


class MalformedBodyError(Problem):
    """The body cannot be read at all."""

    status, code, title = 400, "malformed_body", "The body cannot be read"


class BodyTooLargeError(Problem):
    """The body is larger than the API takes."""

    status, code, title = 413, "body_too_large", "The body is too large"


class BodyTooSlowError(Problem):
    """The body did not come in time; the rest of it is not waited for."""

    status, code, title = 408, "body_too_slow", "The request took too long to arrive"

    def __init__(self) -> None:
        super().__init__(headers={"Connection": "close"})


class TookTooLongError(Problem):
    """The answer was not there in time: what was done for it is undone, unless it was being committed just then."""

    status, code = 503, "took_too_long"
    title = "This took too long and was given up; repeating it with its Idempotency-Key is safe"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})


class UnavailableError(Problem):
    """A store that the request needs does not answer."""

    status, code, title = 503, "service_unavailable", "Try again in a moment"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


def declare(*problems: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """Describe, for a route's OpenAPI entry, the problems that it may answer with.

    Whoever has to be somebody has a rate limit, and may be an app.
    """
    if UnauthenticatedError in problems:
        problems = (*problems, RateLimitedError, InsufficientScopeError)
    responses: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        entry = responses.setdefault(problem.status, {"description": problem.title, "content": {MEDIA_TYPE: {}}})
        media = entry["content"][MEDIA_TYPE]
        media["schema"] = {"$ref": "#/components/schemas/Problem"}
        media.setdefault("examples", {})[problem.code] = {"summary": problem.title, "value": _example(problem)}
    return responses


def _example(problem: type[Problem]) -> dict[str, Any]:
    body = _body(
        status=problem.status, code=problem.code, title=problem.title, detail=problem.title, request_id="8d1f…"
    )
    if problem is InvalidRequestError:
        body["errors"] = [{"field": "body.title", "message": "String should have at most 200 characters"}]
    return body


def _body(*, status: int, code: str, title: str, detail: str, request_id: str) -> dict[str, Any]:
    return {
        "type": TYPE_PREFIX + code,
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }


def problem_response(problem: Problem, *, request_id: str, errors: list[dict[str, str]] | None = None) -> Response:
    """Render a problem."""
    body = _body(
        status=problem.status, code=problem.code, title=problem.title, detail=problem.detail, request_id=request_id
    )
    if errors is not None:
        body["errors"] = errors
    return Response(orjson.dumps(body), problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def _request_id(request: Request) -> str:
    return str(request.scope.get("request_id", ""))


async def _on_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)  # noqa: S101 (how the handler is registered)
    return problem_response(problem, request_id=_request_id(request))


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 (how the handler is registered)
    on_path = any(e["loc"][0] == "path" for e in error.errors())
    if on_path and (methods := _methods(request)) and request.method not in methods:
        return await _on_http_exception(request, HTTPException(HTTPStatus.METHOD_NOT_ALLOWED))
    fields = [{"field": _path(e["loc"]), "message": _printable(e["msg"])} for e in error.errors()]
    return problem_response(InvalidRequestError(), request_id=_request_id(request), errors=fields)


def _path(location: tuple[Any, ...]) -> str:
    return _printable(".".join(str(part) for part in location))


def _printable(words: str) -> str:
    # A field name out of the body may hold lone surrogates, which no UTF-8 answer can carry.
    return words.encode("utf-8", "replace").decode()[:500]


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (how the handler is registered)
    known: dict[int, type[Problem]] = {
        kind.status: kind for kind in (MalformedBodyError, NotFoundError, BodyTooLargeError)
    }
    problem = known[error.status_code]() if error.status_code in known else _plain(error)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (methods := _methods(request)):
        problem.headers["Allow"] = ", ".join(methods)
    return problem_response(problem, request_id=_request_id(request))


def _methods(request: Request) -> list[str]:
    methods: Methods = request.app.state.methods
    return methods.of(request.scope["path"])


def _plain(error: HTTPException) -> Problem:
    """Make a problem out of what the framework itself raises, such as 405."""
    name = str(error.detail).lower().replace(" ", "_")
    kind = type("HttpProblem", (Problem,), {"status": error.status_code, "code": name, "title": str(error.detail)})
    problem: Problem = kind(headers=dict(error.headers or {}))
    return problem


async def _on_store_failure(request: Request, error: Exception) -> Response:
    log.error("store.unavailable", error=type(error).__name__, path=request.url.path)
    return problem_response(UnavailableError(), request_id=_request_id(request))


def install(app: FastAPI, methods: Methods) -> None:
    """Make ``app``, whose paths have ``methods``, answer every failure with a problem."""
    app.state.methods = methods
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    for failure in (OperationalError, InterfaceError, PoolTimeoutError, psycopg.OperationalError, PoolTimeout):
        app.add_exception_handler(failure, _on_store_failure)
