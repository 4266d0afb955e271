"""``/notifications``: a person's own."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from transactional_api.auth import ViewerDep, WriterDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import (
    InvalidCursorError,
    InvalidRequestError,
    UnauthenticatedError,
    declare,
)
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.notifications import service
from transactional_api.notifications.schemas import MarkRead, NotificationOut, Preferences, UnreadCount
from transactional_api.paging import Page, PageDep

router = APIRouter(prefix="/notifications", tags=["notifications"], route_class=TransactionalRoute)

READS = (UnauthenticatedError, InvalidRequestError)
WRITES = (*READS, KeyReusedError, KeyInUseError)


@router.get("", operation_id="listNotifications", responses=declare(*READS, InvalidCursorError))
async def list_own(
    *,
    session: SessionDep,
    viewer: ViewerDep,
    page: PageDep,
    unread: Annotated[bool, Query(description="Only what you have not read.")] = False,
) -> Page[NotificationOut]:
    """List your notifications, the newest first."""
    return await service.list_own(session, viewer=viewer, page=page, unread_only=unread)


@router.get("/unread", operation_id="countUnreadNotifications", responses=declare(*READS))
async def count_unread(session: SessionDep, viewer: ViewerDep) -> UnreadCount:
    """Count what you have not read."""
    return await service.count_unread(session, viewer=viewer)


@router.post("/mark-read", operation_id="markNotificationsRead", responses=declare(*WRITES))
async def mark_read(asked: MarkRead, session: SessionDep, writer: WriterDep) -> UnreadCount:
    """Mark notifications as read, those that you name or all, and count what is left."""
    return await service.mark_read(session, viewer=writer, asked=asked)


@router.get("/preferences", operation_id="getNotificationPreferences", responses=declare(*READS))
async def preferences(session: SessionDep, viewer: ViewerDep) -> Preferences:
    """Get, for every kind and channel, whether you want it."""
    return await service.preferences(session, viewer=viewer)


@router.put("/preferences", operation_id="changeNotificationPreferences", responses=declare(*WRITES))
async def prefer(changes: Preferences, session: SessionDep, writer: WriterDep) -> Preferences:
    """Change the preferences that you name; the others stay."""
    return await service.prefer(session, viewer=writer, changes=changes)
