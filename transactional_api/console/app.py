"""Application of the console, which serves ``/console`` within the API and shares its connections."""

from __future__ import annotations

from http import HTTPStatus

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from neighborconnect.telemetry import get_logger
from transactional_api.console.data_routes import router as data
from transactional_api.console.experiments_routes import router as experiments
from transactional_api.console.health_routes import router as health
from transactional_api.console.login_routes import router as logins
from transactional_api.console.models_routes import router as models
from transactional_api.console.moderation_routes import router as moderation
from transactional_api.console.pages import RefusedFormError, page, redirect
from transactional_api.console.people_routes import router as people
from transactional_api.console.routing import ConsoleMount
from transactional_api.console.sessions import PREFIX, STAFF, LoginRequiredError
from transactional_api.console.traces_routes import router as traces
from transactional_api.console.why_routes import router as why
from transactional_api.core.errors import InvalidRequestError, NotFoundError, Problem, UnavailableError
from transactional_api.core.http.rate_limits import READS

ROUTERS = (logins, moderation, health, traces, why, people, models, experiments, data)

log = get_logger(__name__)


def install(app: FastAPI) -> None:
    """Serve the console at ``/console`` of the API."""
    console = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, title="NeighborConnect console")
    console.state = app.state
    for router in ROUTERS:
        console.include_router(router)
    console.add_exception_handler(LoginRequiredError, _on_login_required)
    console.add_exception_handler(RefusedFormError, _on_refused_form)
    console.add_exception_handler(Problem, _on_problem)
    console.add_exception_handler(RequestValidationError, _on_validation_error)
    console.add_exception_handler(HTTPException, _on_http_exception)
    for failure in (OperationalError, InterfaceError, PoolTimeoutError, psycopg.OperationalError, PoolTimeout):
        console.add_exception_handler(failure, _on_store_failure)
    app.router.routes.append(ConsoleMount(console))


async def _on_login_required(request: Request, _error: Exception) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    wanted = request.url.path + query if request.method in READS else PREFIX
    return redirect(f"{PREFIX}/login", next=wanted)


async def _on_refused_form(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedFormError)  # noqa: S101 (registered for this type)
    return error.response


async def _on_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)  # noqa: S101 (registered for this type)
    return _problem_page(request, problem)


async def _on_validation_error(request: Request, _error: Exception) -> Response:
    return _problem_page(request, InvalidRequestError("The address of this page is not valid"))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for this type)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return _problem_page(request, NotFoundError())
    title = HTTPStatus(error.status_code).phrase
    kind = type("HttpProblem", (Problem,), {"status": error.status_code, "code": "http_error", "title": title})
    return _problem_page(request, kind(headers=dict(error.headers or {})))


async def _on_store_failure(request: Request, error: Exception) -> Response:
    log.error("store.unavailable", error=type(error).__name__, path=request.url.path)
    return _problem_page(request, UnavailableError())


def _problem_page(request: Request, problem: Problem) -> Response:
    response = page(
        request,
        "problem.html",
        viewer=request.scope.get(STAFF),
        status=problem.status,
        problem=problem,
        request_id=request.scope.get("request_id", ""),
    )
    response.headers.update(problem.headers)
    return response
