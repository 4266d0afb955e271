"""``/interactions``: impressions, clicks, dwells and hides of feed items."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from neighborconnect.contracts.events import ReportableKind
from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import (
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.http.auth import CurrentUser, IdempotentUser
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.pagination import Page, PageDep
from transactional_api.intelligence.interactions import hides, service
from transactional_api.intelligence.interactions.schemas import HiddenItemOut, InteractionBatch, InteractionReceipt

router = APIRouter(prefix="/interactions", tags=["interactions"], route_class=TransactionalRoute)


@router.post(
    "",
    operation_id="recordInteractions",
    summary="Record interactions",
    status_code=202,
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError),
)
async def record(
    batch: InteractionBatch, request: Request, session: SessionDep, writer: IdempotentUser
) -> InteractionReceipt:
    """Record up to 500 impressions, clicks, dwells and hides of items of your feeds.

    An interaction that does not fit is rejected by its index, with the field; the others are recorded.

    Hidden and opened items are not recommended again; shown items only after a week, or if nothing else is left.
    """
    state = request.app.state
    return await service.record(
        session,
        viewer=writer,
        batch=batch,
        settings=state.settings,
        redis=state.redis,
        documents=state.context.documents,
    )


@router.get(
    "/hides",
    operation_id="listHiddenItems",
    summary="List hidden items",
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def list_hidden(
    *,
    session: SessionDep,
    viewer: CurrentUser,
    page: PageDep,
    kind: Annotated[ReportableKind | None, Query(description="Only items of this kind.")] = None,
) -> Page[HiddenItemOut]:
    """List your hidden items, newest first."""
    return await hides.list_hidden(session, viewer=viewer, page=page, kind=kind)


@router.delete(
    "/hides/{item_kind}/{item_id}",
    operation_id="unhideItem",
    summary="Unhide an item",
    status_code=204,
    responses=problem_responses(
        UnauthenticatedError, InvalidRequestError, NotFoundError, KeyReusedError, KeyInUseError
    ),
)
async def unhide(item_kind: ReportableKind, item_id: UUID, session: SessionDep, writer: IdempotentUser) -> None:
    """Unhide an item, so that it may be recommended again."""
    await hides.unhide(session, viewer=writer, item_kind=item_kind, item_id=item_id)
