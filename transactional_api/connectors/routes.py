"""``/connectors``: making, finding, changing and closing them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import StringConstraints

from transactional_api.auth import ViewerDep, WriterDep
from transactional_api.connectors import service
from transactional_api.connectors.schemas import Categories, ConnectorBody, ConnectorDetail, ConnectorOut
from transactional_api.db.session import SessionDep
from transactional_api.db.tables import Connector
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
from transactional_api.places import NearDep
from transactional_api.text import Line
from transactional_api.versions import StaleError, meant_for, tagged

router = APIRouter(prefix="/connectors", tags=["connectors"], route_class=TransactionalRoute)

# What a write of an older version than the present one is refused by.
VERSION = meant_for(Connector.updated_at, Connector.id, path="connector_id")

LISTS = declare(UnauthenticatedError, InvalidRequestError, InvalidCursorError)
WRITES = (UnauthenticatedError, NotFoundError, InvalidRequestError, KeyReusedError, KeyInUseError)
SearchText = Annotated[Line, StringConstraints(min_length=1, max_length=100)]
Category = Annotated[SearchText | None, Query(examples=["gardening"])]


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
    *,
    session: SessionDep,
    viewer: ViewerDep,
    page: PageDep,
    near: NearDep,
    category: Category = None,
    mine: Annotated[bool, Query(description="Only those that you belong to.")] = False,
) -> Page[ConnectorOut]:
    """List the connectors that you may see, the newest first."""
    return await service.find(session, viewer=viewer, page=page, category=category, near=near, mine=mine)


@router.get("/discover", operation_id="discoverConnectors", responses=LISTS)
async def discover(
    *,
    session: SessionDep,
    viewer: ViewerDep,
    page: PageDep,
    near: NearDep,
    any_interest: Annotated[bool, Query(description="Also those outside your interests.")] = False,
) -> Page[ConnectorOut]:
    """Find connectors of your interests that you are not in yet, near a point if you name one; the newest first."""
    return await service.discover(session, viewer=viewer, page=page, near=near, any_interest=any_interest)


@router.get("/categories", operation_id="listConnectorCategories", responses=declare(UnauthenticatedError))
async def categories(session: SessionDep, viewer: ViewerDep) -> Categories:
    """List the categories and how many connectors of each you may see, the largest first."""
    return await service.categories(session, viewer=viewer)


@router.get("/search", operation_id="searchConnectors", responses=LISTS)
async def search(
    *,
    session: SessionDep,
    viewer: ViewerDep,
    page: PageDep,
    near: NearDep,
    q: Annotated[SearchText, Query(description="Part of the name or description.", examples=["garden"])],
    category: Category = None,
) -> Page[ConnectorOut]:
    """Find connectors by words, category and distance, the newest first."""
    return await service.find(session, viewer=viewer, page=page, words=q, category=category, near=near)


@router.get(
    "/{connector_id}",
    operation_id="getConnector",
    responses=declare(UnauthenticatedError, NotFoundError, InvalidRequestError),
)
async def get(connector_id: UUID, response: Response, session: SessionDep, viewer: ViewerDep) -> ConnectorDetail:
    """Get a connector, and your role in it."""
    return tagged(response, await service.get(session, viewer=viewer, connector_id=connector_id))


@router.put(
    "/{connector_id}",
    operation_id="replaceConnector",
    dependencies=[VERSION],
    responses=declare(StaleError, *WRITES, ForbiddenError),
)
async def replace(
    connector_id: UUID, body: ConnectorBody, response: Response, session: SessionDep, writer: WriterDep
) -> ConnectorDetail:
    """Replace a connector's description; for its admins."""
    return tagged(response, await service.replace(session, viewer=writer, connector_id=connector_id, body=body))


@router.delete(
    "/{connector_id}",
    operation_id="closeConnector",
    status_code=204,
    dependencies=[VERSION],
    responses=declare(StaleError, *WRITES, ForbiddenError),
)
async def close(connector_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Close a connector; for its admins. Nobody sees it or what is in it any more."""
    await service.close(session, viewer=writer, connector_id=connector_id)
