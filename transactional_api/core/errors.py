"""Errors as RFC 9457 problems: each class defines its status and code, and one handler renders all of them."""

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

from neighborconnect.localization import DEFAULT_LANGUAGE, Language
from neighborconnect.telemetry import get_logger
from transactional_api.core.allowed_methods import Methods
from transactional_api.core.error_texts import text_of, texts
from transactional_api.core.language import negotiate

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:neighborconnect:problem:"

log = get_logger(__name__)


class FieldError(BaseModel):
    """An invalid field of the request."""

    field: str = Field(examples=["body.email"])
    message: str = Field(examples=["This must have at most 200 characters"])


class ProblemBody(BaseModel):
    """Body of every error response (RFC 9457)."""

    model_config = ConfigDict(title="Problem")

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldError] | None = Field(default=None, description="Only for a request that fails validation.")


class Problem(Exception):  # noqa: N818 (the word of RFC 9457)
    """An error response. With ``commits_changes`` the transaction commits although the request failed."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong on our side"
    commits_changes: ClassVar[bool] = False

    def __init__(self, detail: str | None = None, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.headers = headers or {}


class RateLimitedError(Problem):
    """The user exceeded the rate limit of the endpoint."""

    status, code, title = 429, "rate_limited", "Too many requests; wait before the next one"


class UnauthenticatedError(Problem):
    """The bearer token or session cookie is missing, expired or invalid."""

    status, code, title = 401, "unauthenticated", "Log in to do this"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class CsrfTokenError(Problem):
    """A write of a cookie session lacks the CSRF token of the session."""

    status, code, title = 403, "csrf_token_invalid", "Send the CSRF token of this session"


class OriginNotAllowedError(Problem):
    """A page of an origin that is not allowed used a cookie session."""

    status, code, title = 403, "origin_not_allowed", "Pages of this origin may not use this session"


class ForbiddenError(Problem):
    """The viewer may see the resource but not perform this action."""

    status, code, title = 403, "forbidden", "You may not do this"


class InsufficientScopeError(Problem):
    """The access token of an app lacks the scope of this route."""

    status, code, title = 403, "insufficient_scope", "This app may not do this for you"


class NotFoundError(Problem):
    """The resource does not exist, or the viewer may not know of it; the responses are identical."""

    status, code, title = 404, "not_found", "There is nothing here that you can see"


class InvalidRequestError(Problem):
    """The request fails validation; ``errors`` lists the fields."""

    status, code, title = 422, "invalid_request", "The request is not valid"


class InvalidCursorError(Problem):
    """The cursor was not issued by this API."""

    status, code, title = 422, "invalid_cursor", "The cursor is not valid; start again without one"


class MalformedBodyError(Problem):
    """The body cannot be parsed."""

    status, code, title = 400, "malformed_body", "The body cannot be read"


class BodyTooLargeError(Problem):
    """The body exceeds the size limit."""

    status, code, title = 413, "body_too_large", "The body is too large"


class BodyTooSlowError(Problem):
    """The body did not arrive within the time limit."""

    status, code, title = 408, "body_too_slow", "The request took too long to arrive"

    def __init__(self) -> None:
        super().__init__(headers={"Connection": "close"})


class TookTooLongError(Problem):
    """The request exceeded its time limit: its transaction is rolled back unless it was just committing."""

    status, code = 503, "took_too_long"
    title = "This took too long and was canceled; repeating it with its Idempotency-Key is safe"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})


class UnavailableError(Problem):
    """A store that the request needs does not respond."""

    status, code, title = 503, "service_unavailable", "Try again in a moment"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


def problem_responses(*problems: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of the problems that a route may return.

    Every authenticated route also has a rate limit and may be called by an app.
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
        body["errors"] = [{"field": "body.title", "message": "This must have at most 200 characters"}]
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


def problem_response(
    problem: Problem,
    *,
    request_id: str,
    language: Language = DEFAULT_LANGUAGE,
    errors: list[dict[str, str]] | None = None,
) -> Response:
    """Render a problem; a detail that names values stays in English."""
    title, detail = texts.translate(problem.title, language), texts.translate(problem.detail, language)
    body = _body(status=problem.status, code=problem.code, title=title, detail=detail, request_id=request_id)
    if errors is not None:
        body["errors"] = errors
    return Response(orjson.dumps(body), problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def _language(request: Request) -> Language:
    return negotiate(request.headers.get("accept-language"))


def _request_id(request: Request) -> str:
    return str(request.scope.get("request_id", ""))


async def _on_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)  # noqa: S101 (registered for this type)
    return problem_response(problem, request_id=_request_id(request), language=_language(request))


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for this type)
    on_path = any(e["loc"][0] == "path" for e in error.errors())
    if on_path and (methods := _methods(request)) and request.method not in methods:
        return await _on_http_exception(request, HTTPException(HTTPStatus.METHOD_NOT_ALLOWED))
    language = _language(request)
    fields = [{"field": _path(e["loc"]), "message": _printable(text_of(e, language=language))} for e in error.errors()]
    return problem_response(
        InvalidRequestError(), request_id=_request_id(request), language=_language(request), errors=fields
    )


def _path(location: tuple[Any, ...]) -> str:
    return _printable(".".join(str(part) for part in location))


def _printable(text: str) -> str:
    # A field name of the body may contain lone surrogates, which UTF-8 cannot encode.
    return text.encode("utf-8", "replace").decode()[:500]


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for this type)
    problems: dict[int, type[Problem]] = {
        kind.status: kind for kind in (MalformedBodyError, NotFoundError, BodyTooLargeError)
    }
    problem = problems[error.status_code]() if error.status_code in problems else _plain(error)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (methods := _methods(request)):
        problem.headers["Allow"] = ", ".join(methods)
    return problem_response(problem, request_id=_request_id(request), language=_language(request))


def _methods(request: Request) -> list[str]:
    methods: Methods = request.app.state.methods
    return methods.of(request.scope["path"])


def _plain(error: HTTPException) -> Problem:
    """Convert an exception of the framework, such as 405, to a problem."""
    name = str(error.detail).lower().replace(" ", "_")
    kind = type("HttpProblem", (Problem,), {"status": error.status_code, "code": name, "title": str(error.detail)})
    problem: Problem = kind(headers=dict(error.headers or {}))
    return problem


async def _on_store_failure(request: Request, error: Exception) -> Response:
    log.error("store.unavailable", error=type(error).__name__, path=request.url.path)
    return problem_response(UnavailableError(), request_id=_request_id(request), language=_language(request))


def install(app: FastAPI, methods: Methods) -> None:
    """Register handlers that render every failure as a problem; ``methods`` are the methods of the paths."""
    app.state.methods = methods
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    for failure in (OperationalError, InterfaceError, PoolTimeoutError, psycopg.OperationalError, PoolTimeout):
        app.add_exception_handler(failure, _on_store_failure)
