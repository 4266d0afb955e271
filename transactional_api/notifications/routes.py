"""``/notifications``: a person's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from transactional_api.auth import AddressNotConfirmedError, ViewerDep, WriterDep, require_confirmed
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
from transactional_api.hot import RedisDep
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.notifications import announcing, hours, push, service, stream
from transactional_api.notifications.push import DeviceInUseError, TooManyDevicesError, UnknownPushServiceError
from transactional_api.notifications.schemas import (
    Announced,
    Announcement,
    Device,
    Devices,
    Hours,
    MarkRead,
    NewDevice,
    NotificationOut,
    Preferences,
    PushKey,
    UnreadCount,
)
from transactional_api.paging import Cursor, Page, PageDep
from transactional_api.users import recovery
from transactional_api.users.recovery import Change

router = APIRouter(prefix="/notifications", tags=["notifications"], route_class=TransactionalRoute)

STREAM_SECONDS = 900
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
async def count_unread(session: SessionDep, viewer: ViewerDep, redis: RedisDep) -> UnreadCount:
    """Count what you have not read."""
    return await service.count_unread(session, redis, viewer=viewer)


@router.post("/mark-read", operation_id="markNotificationsRead", responses=declare(*WRITES))
async def mark_read(asked: MarkRead, session: SessionDep, writer: WriterDep, redis: RedisDep) -> UnreadCount:
    """Mark notifications as read, those that you name or all, and count what is left."""
    return await service.mark_read(session, redis, viewer=writer, asked=asked)


@router.get("/preferences", operation_id="getNotificationPreferences", responses=declare(*READS))
async def preferences(session: SessionDep, viewer: ViewerDep) -> Preferences:
    """Get, for every kind and channel, whether you want it."""
    return await service.preferences(session, viewer=viewer)


@router.put("/preferences", operation_id="changeNotificationPreferences", responses=declare(*WRITES))
async def prefer(changes: Preferences, session: SessionDep, writer: WriterDep) -> Preferences:
    """Change the preferences that you name; the others stay."""
    return await service.prefer(session, viewer=writer, changes=changes)


@router.get("/hours", operation_id="getNotificationHours", responses=declare(*READS))
async def get_hours(session: SessionDep, viewer: ViewerDep) -> Hours:
    """Get your quiet hours and the hour of your daily letter."""
    return await hours.hours(session, viewer=viewer)


@router.put("/hours", operation_id="changeNotificationHours", responses=declare(*WRITES))
async def change_hours(changed: Hours, session: SessionDep, writer: WriterDep) -> Hours:
    """Replace your quiet hours and the hour of your daily letter."""
    return await hours.change_hours(session, viewer=writer, changed=changed)


@router.get("/push-key", operation_id="getPushKey", responses=declare(UnauthenticatedError))
async def push_key(request: Request, _viewer: ViewerDep) -> PushKey:
    """Get the key that a browser subscribes to pushes with."""
    return push.push_key(request.app.state.settings)


@router.get("/devices", operation_id="listPushDevices", responses=declare(UnauthenticatedError))
async def devices(session: SessionDep, viewer: ViewerDep) -> Devices:
    """List the browsers and phones that your pushes go to."""
    return await push.devices(session, viewer=viewer)


@router.post(
    "/devices",
    operation_id="addPushDevice",
    status_code=201,
    responses=declare(
        *WRITES, UnknownPushServiceError, TooManyDevicesError, DeviceInUseError, AddressNotConfirmedError
    ),
)
async def add_device(new: NewDevice, request: Request, session: SessionDep, writer: WriterDep) -> Device:
    """Have pushes sent to this browser or phone. Twice changes nothing."""
    require_confirmed(writer)
    before = {one.id for one in (await push.devices(session, viewer=writer)).items}
    added = await push.add_device(session, settings=request.app.state.settings, viewer=writer, new=new)
    if added.id not in before:
        await recovery.tell(session, user_id=writer.id, change=Change.DEVICE)
    return added


@router.delete(
    "/devices/{device_id}",
    operation_id="removePushDevice",
    status_code=204,
    responses=declare(*WRITES, NotFoundError),
)
async def remove_device(device_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Have no more pushes sent to a browser or phone of yours."""
    await push.remove_device(session, viewer=writer, device_id=device_id)


@router.post("/send", operation_id="announce", status_code=202, responses=declare(*WRITES, ForbiddenError))
async def announce(body: Announcement, session: SessionDep, writer: WriterDep) -> Announced:
    """Tell people something in the platform's name; for its admins."""
    return await announcing.announce(session, viewer=writer, body=body)


@router.get(
    "/stream",
    operation_id="streamNotifications",
    response_class=EventSourceResponse,
    responses=declare(*READS, InvalidCursorError),
)
async def stream_own(
    *,
    request: Request,
    viewer: ViewerDep,
    last_event_id: Annotated[str | None, Header(max_length=64, description="Sent by browsers themselves.")] = None,
    seconds: Annotated[int, Query(ge=0, le=STREAM_SECONDS, description="How long at most.")] = STREAM_SECONDS,
) -> AsyncIterator[ServerSentEvent]:
    """Get your notifications as they come, as server-sent events.

    Connect anew with the last event's id, as browsers do, and nothing is lost or repeated.
    """
    after = Cursor.decode(last_event_id) if last_event_id else None
    state = request.app.state
    async for one in stream.stream(
        state.resources, state.bells, state.access_changes, viewer=viewer, after=after, seconds=seconds
    ):
        yield one
