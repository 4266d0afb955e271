"""``/connectors``: creation, discovery and administration of connectors."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import StringConstraints

from transactional_api.community.connectors import service
from transactional_api.community.connectors.schemas import (
    ConnectorBody,
    ConnectorCategories,
    ConnectorDetail,
    ConnectorOut,
    ConnectorPatch,
)
from transactional_api.core.db.session import SessionDep
from transactional_api.core.db.tables import Connector
from transactional_api.core.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.geography import NearDep
from transactional_api.core.http.auth import CurrentUser, WritingUser
from transactional_api.core.http.etags import PreconditionFailedError, require_if_match, set_etag
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.media.references import ATTACHING
from transactional_api.core.pagination import IdsQuery, Page, PageDep
from transactional_api.core.text import Line

router = APIRouter(prefix="/connectors", tags=["connectors"], route_class=TransactionalRoute)

VERSION = require_if_match(Connector.updated_at, Connector.id, path="connector_id")

LISTS = problem_responses(UnauthenticatedError, InvalidRequestError, InvalidCursorError)
WRITES = (UnauthenticatedError, NotFoundError, InvalidRequestError, KeyReusedError, KeyInUseError)
SearchText = Annotated[Line, StringConstraints(min_length=1, max_length=100)]
Category = Annotated[SearchText | None, Query(examples=["gardening"])]


@router.post(
    "",
    operation_id="createConnector",
    summary="Create connector",
    status_code=201,
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError, *ATTACHING),
)
async def create(body: ConnectorBody, session: SessionDep, writer: WritingUser) -> ConnectorDetail:
    """Create a connector. You become its first member and admin."""
    return await service.create(session, viewer=writer, body=body)


@router.get("", operation_id="listConnectors", summary="List connectors", responses=LISTS)
async def list_connectors(
    *,
    session: SessionDep,
    viewer: CurrentUser,
    page: PageDep,
    near: NearDep,
    category: Category = None,
    joined: Annotated[bool, Query(description="Only connectors that you are a member of.")] = False,
    ids: IdsQuery = None,
) -> Page[ConnectorOut]:
    """List the connectors that you can see, newest first."""
    return await service.list_connectors(
        session, viewer=viewer, page=page, category=category, near=near, joined=joined, ids=ids
    )


@router.get("/discover", operation_id="discoverConnectors", summary="Discover connectors", responses=LISTS)
async def discover(
    *,
    session: SessionDep,
    viewer: CurrentUser,
    page: PageDep,
    near: NearDep,
    ignore_interests: Annotated[bool, Query(description="Include categories outside your interests.")] = False,
) -> Page[ConnectorOut]:
    """List connectors in the categories of your interests that you are not a member of, newest first."""
    return await service.discover(session, viewer=viewer, page=page, near=near, ignore_interests=ignore_interests)


@router.get(
    "/categories",
    operation_id="listConnectorCategories",
    summary="List connector categories",
    responses=problem_responses(UnauthenticatedError),
)
async def categories(session: SessionDep, viewer: CurrentUser) -> ConnectorCategories:
    """List the categories with the number of connectors that you can see, largest first."""
    return await service.categories(session, viewer=viewer)


@router.get("/search", operation_id="searchConnectors", summary="Search connectors", responses=LISTS)
async def search(
    *,
    session: SessionDep,
    viewer: CurrentUser,
    page: PageDep,
    near: NearDep,
    q: Annotated[SearchText, Query(description="Substring of the name or description.", examples=["garden"])],
    category: Category = None,
) -> Page[ConnectorOut]:
    """List connectors that match a text, category or location, newest first."""
    return await service.list_connectors(session, viewer=viewer, page=page, query=q, category=category, near=near)


@router.get(
    "/{connector_id}",
    operation_id="getConnector",
    summary="Get connector",
    responses=problem_responses(UnauthenticatedError, NotFoundError, InvalidRequestError),
)
async def get(connector_id: UUID, response: Response, session: SessionDep, viewer: CurrentUser) -> ConnectorDetail:
    """Return a connector and your role in it."""
    return set_etag(response, await service.get(session, viewer=viewer, connector_id=connector_id))


@router.put(
    "/{connector_id}",
    operation_id="replaceConnector",
    summary="Replace connector",
    dependencies=[VERSION],
    responses=problem_responses(PreconditionFailedError, *WRITES, ForbiddenError, *ATTACHING),
)
async def replace(
    connector_id: UUID, body: ConnectorBody, response: Response, session: SessionDep, writer: WritingUser
) -> ConnectorDetail:
    """Replace all editable fields of a connector. Requires an admin."""
    return set_etag(response, await service.replace(session, viewer=writer, connector_id=connector_id, body=body))


@router.patch(
    "/{connector_id}",
    operation_id="changeConnector",
    summary="Change connector",
    dependencies=[VERSION],
    responses=problem_responses(PreconditionFailedError, *WRITES, ForbiddenError, *ATTACHING),
)
async def change(
    connector_id: UUID, patch: ConnectorPatch, response: Response, session: SessionDep, writer: WritingUser
) -> ConnectorDetail:
    """Change the given fields of a connector. Requires an admin."""
    return set_etag(response, await service.change(session, viewer=writer, connector_id=connector_id, patch=patch))


@router.delete(
    "/{connector_id}",
    operation_id="closeConnector",
    summary="Close connector",
    status_code=204,
    dependencies=[VERSION],
    responses=problem_responses(PreconditionFailedError, *WRITES, ForbiddenError),
)
async def close(connector_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Close a connector.

    Requires an admin. The connector and its content are hidden from everyone; events, reservations and open purchases
    are cancelled.
    """
    await service.close(session, viewer=writer, connector_id=connector_id)
