"""``/connectors/{id}/pulse``."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from transactional_api.auth import ViewerDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import InvalidRequestError, NotFoundError, UnauthenticatedError, declare
from transactional_api.hot import RedisDep
from transactional_api.pulse import service
from transactional_api.pulse.schemas import Pulse

router = APIRouter(prefix="/connectors", tags=["connectors"], route_class=TransactionalRoute)


@router.get(
    "/{connector_id}/pulse",
    operation_id="getPulse",
    responses=declare(UnauthenticatedError, NotFoundError, InvalidRequestError),
)
async def get_pulse(
    *,
    connector_id: UUID,
    session: SessionDep,
    viewer: ViewerDep,
    redis: RedisDep,
    after: Annotated[UUID | None, Query(description="The newest post that you know.")] = None,
) -> Pulse:
    """Tell what goes on in a connector: who is there, what is new, what comes. Meant to be asked again and again."""
    return await service.pulse(session, redis, viewer=viewer, connector_id=connector_id, after=after)
