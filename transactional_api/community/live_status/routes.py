"""``/connectors/{id}/live-status``."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from transactional_api.community.live_status import service
from transactional_api.community.live_status.schemas import LiveStatus
from transactional_api.core.cache import RedisDep
from transactional_api.core.db.session import SessionDep
from transactional_api.core.db.statements import RunnerDep
from transactional_api.core.errors import InvalidRequestError, NotFoundError, UnauthenticatedError, problem_responses
from transactional_api.core.http.auth import CurrentUser
from transactional_api.core.http.unit_of_work import TransactionalRoute

router = APIRouter(prefix="/connectors", tags=["connectors"], route_class=TransactionalRoute)


@router.get(
    "/{connector_id}/live-status",
    operation_id="getLiveStatus",
    summary="Get live status of a connector",
    responses=problem_responses(UnauthenticatedError, NotFoundError, InvalidRequestError),
)
async def get_live_status(
    *,
    connector_id: UUID,
    session: SessionDep,
    runner: RunnerDep,
    viewer: CurrentUser,
    redis: RedisDep,
    after_post_id: Annotated[UUID | None, Query(description="Id of the latest post that the client has.")] = None,
) -> LiveStatus:
    """Return the online member count, new posts and upcoming events of a connector.

    Designed for polling; values are cached for up to 10 seconds.
    """
    return await service.live_status(
        session, runner, redis, viewer=viewer, connector_id=connector_id, after_post_id=after_post_id
    )
