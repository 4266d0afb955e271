"""Models in the console: what is served, since when and by whom, metrics of versions, promotion and rollback."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.models import MODELS
from transactional_api.console import model_registry
from transactional_api.console.model_registry import Model, RegistryUnavailableError
from transactional_api.console.pages import RefusedFormError, page, redirect
from transactional_api.console.routing import ConsoleRoute
from transactional_api.console.sessions import PREFIX, Admin
from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import InvalidRequestError, NotFoundError, Problem
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.model_changes import service
from transactional_api.intelligence.model_changes.schemas import Action, ModelChangeBody, State

router = APIRouter(prefix=f"{PREFIX}/models", route_class=ConsoleRoute)

HOME: Final = f"{PREFIX}/models"
MAX_METRICS: Final = 60
MAX_REQUESTS: Final = 5


@router.get("")
async def models(request: Request, viewer: Admin) -> Response:
    """Show the champion of each model."""
    listed: list[Model] | None = None
    with suppress(RegistryUnavailableError):
        listed = await model_registry.champions(request.app.state.settings)
    return page(request, "models/list.html", viewer=viewer, models=listed)


@router.get("/{name}")
async def model(request: Request, session: SessionDep, viewer: Admin, name: str) -> Response:
    """Show the versions of a model with their metrics next to those of the champion, and its history."""
    return await _model_page(request, session, viewer=viewer, name=name)


@router.post("/{name}/change")
async def change(
    request: Request,
    session: SessionDep,
    viewer: Admin,
    name: str,
    *,
    action: Annotated[str, Form(max_length=20)] = "",
    version: Annotated[str, Form(max_length=20)] = "",
    reason: Annotated[str, Form(max_length=2_000)] = "",
    is_forced: Annotated[bool, Form()] = False,
) -> Response:
    """Request a promotion or a rollback, which the pipelines make within seconds."""
    given = {"action": action, "version": version, "reason": reason, "is_forced": is_forced}
    try:
        await service.request_change(session, viewer=viewer, model=name, body=_change(given))
    except NotFoundError:
        raise
    except Problem as problem:
        await session.rollback()
        response = await _model_page(request, session, viewer=viewer, name=name, given=given, problem=problem)
        raise RefusedFormError(response) from problem
    return redirect(f"{HOME}/{name}")


def _change(given: dict[str, Any]) -> ModelChangeBody:
    """Return the change of the form.

    Raises:
        InvalidRequestError: it is not valid.
    """
    try:
        action = Action(given["action"])
        # The form has one list of versions for both buttons, and a browser sends its first one with a rollback, too.
        version = (given["version"].strip() or None) if action is Action.PROMOTE else None
        return ModelChangeBody.model_validate(given | {"version": version, "action": action})
    except ValidationError as error:
        fields = {str(one["loc"][0]) for one in error.errors()}
        raise InvalidRequestError(
            "Say why, in at most 500 characters" if "reason" in fields else "The version must be a number"
        ) from None
    except ValueError:
        raise InvalidRequestError("Choose a version to promote, or the rollback") from None


async def _model_page(
    request: Request,
    session: AsyncSession,
    *,
    viewer: Viewer,
    name: str,
    given: dict[str, Any] | None = None,
    problem: Problem | None = None,
) -> HTMLResponse:
    if name not in MODELS:
        raise NotFoundError
    settings = request.app.state.settings
    try:
        found, history = await model_registry.model(settings, name), await model_registry.changes(settings, name)
    except RegistryUnavailableError:
        return page(request, "models/list.html", viewer=viewer, models=None)
    shown = found.versions[:3]
    if found.champion is not None and found.champion not in shown:
        shown = [*shown[:2], found.champion]
    compared = [(version, model_registry.estimates(version.metrics)) for version in shown]
    names = sorted({metric for _, metrics in compared for metric in metrics})
    requested = await service.newest(session, model=name, limit=MAX_REQUESTS)
    accounts = [*(one.account for one in history), *(one.requested_by for one in requested)]
    return page(
        request,
        "models/model.html",
        viewer=viewer,
        status=problem.status if problem else 200,
        model=found,
        compared=compared,
        metric_names=names[:MAX_METRICS],
        hidden_metrics=max(0, len(names) - MAX_METRICS),
        history=history,
        requested=requested,
        is_changing=any(one.state in {State.WAITING, State.RUNNING} for one in requested),
        usernames=await service.usernames(session, ids=[one for one in accounts if one is not None]),
        given=given or {},
        problem=problem,
        mlflow_url=settings.mlflow_tracking_uri,
    )
