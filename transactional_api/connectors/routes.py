"""``/connectors``: making, finding, joining and leaving them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import StringConstraints

from transactional_api.auth import ViewerDep, WriterDep
from transactional_api.connectors import service
from transactional_api.connectors.schemas import ConnectorBody, ConnectorDetail, ConnectorOut, MemberOut, Membership
from transactional_api.connectors.service import LastAdminError
from transactional_api.db.session import SessionDep
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    declare,
)
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.paging import Page, PageDep
from transactional_api.text import Line

router = APIRouter(prefix="/connectors", tags=["connectors"], route_class=TransactionalRoute)

LISTS = declare(UnauthenticatedError, InvalidRequestError, InvalidCursorError)
WRITES = (UnauthenticatedError, NotFoundError, InvalidRequestError, KeyReusedError, KeyInUseError)
SearchText = Annotated[Line, StringConstraints(min_length=1, max_length=100)]


@router.post(
    "",
    operation_id="createConnector",
    status_code=201,
    responses=declare(UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError),
)
async def create(body: ConnectorBody, session: SessionDep, writer: WriterDep) -> ConnectorDetail:
    """Create a connector; you become its admin."""
    return await service.create(session, viewer=writer, body=body)


@router.get("", operation_id="listConnectors", responses=LISTS)
async def list_connectors(
    session: SessionDep,
    viewer: ViewerDep,
    page: PageDep,
    category: Annotated[SearchText | None, Query(examples=["gardening"])] = None,
) -> Page[ConnectorOut]:
    """List the connectors that you may see, the newest first."""
    return await service.find(session, viewer=viewer, page=page, category=category)


@router.get("/search", operation_id="searchConnectors", responses=LISTS)
async def search(
    *,
    session: SessionDep,
    viewer: ViewerDep,
    page: PageDep,
    q: Annotated[SearchText, Query(description="Part of the name or description.", examples=["garden"])],
    category: Annotated[SearchText | None, Query(examples=["gardening"])] = None,
) -> Page[ConnectorOut]:
    """Find connectors by words and category, the newest first."""
    return await service.find(session, viewer=viewer, page=page, words=q, category=category)


@router.get(
    "/{connector_id}",
    operation_id="getConnector",
    responses=declare(UnauthenticatedError, NotFoundError, InvalidRequestError),
)
async def get(connector_id: UUID, session: SessionDep, viewer: ViewerDep) -> ConnectorDetail:
    """Get a connector, and your role in it."""
    return await service.get(session, viewer=viewer, connector_id=connector_id)


@router.put("/{connector_id}", operation_id="replaceConnector", responses=declare(*WRITES, ForbiddenError))
async def replace(connector_id: UUID, body: ConnectorBody, session: SessionDep, writer: WriterDep) -> ConnectorDetail:
    """Replace a connector's description; for its admins."""
    return await service.replace(session, viewer=writer, connector_id=connector_id, body=body)


@router.post("/{connector_id}/join", operation_id="joinConnector", responses=declare(*WRITES))
async def join(connector_id: UUID, session: SessionDep, writer: WriterDep) -> Membership:
    """Join a connector. Joining twice changes nothing."""
    return await service.join(session, viewer=writer, connector_id=connector_id)


@router.delete(
    "/{connector_id}/leave", operation_id="leaveConnector", status_code=204, responses=declare(*WRITES, LastAdminError)
)
async def leave(connector_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Leave a connector. The last admin stays while others are there; the last to leave closes it."""
    await service.leave(session, viewer=writer, connector_id=connector_id)


@router.get(
    "/{connector_id}/members",
    operation_id="listMembers",
    responses=declare(UnauthenticatedError, NotFoundError, InvalidRequestError, InvalidCursorError),
)
async def members(connector_id: UUID, session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[MemberOut]:
    """List a connector's members, the first to join first."""
    return await service.members(session, viewer=viewer, connector_id=connector_id, page=page)
