"""``/notifications``: the viewer's notifications, preferences and push devices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from transactional_api.community.notifications import groups, push, quiet_hours, service, stream, tickets
from transactional_api.community.notifications.push import (
    DeviceInUseError,
    TooManyDevicesError,
    UnknownPushServiceError,
)
from transactional_api.community.notifications.schemas import (
    Announcement,
    AnnouncementReceipt,
    DeliverySchedule,
    MarkRead,
    NewPushDevice,
    NotificationGroup,
    NotificationOut,
    Preferences,
    PushDeviceOut,
    PushDevices,
    PushKey,
    StreamTicket,
    UnreadCount,
    UnreadTotals,
)
from transactional_api.community.notifications.tickets import StreamViewerDep
from transactional_api.core.cache import RedisDep
from transactional_api.core.db.session import SessionDep
from transactional_api.core.db.statements import RunnerDep
from transactional_api.core.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    problem_responses,
)
from transactional_api.core.http.auth import (
    CurrentUser,
    EmailNotVerifiedError,
    WritingUser,
    require_verified_email,
)
from transactional_api.core.http.fast_path import fast_read
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.language import LanguageDep
from transactional_api.core.pagination import Cursor, Page, PageDep
from transactional_api.identity.users import recovery
from transactional_api.identity.users.recovery import Change

router = APIRouter(prefix="/notifications", tags=["notifications"], route_class=TransactionalRoute)

STREAM_SECONDS = 900
READS = (UnauthenticatedError, InvalidRequestError)
WRITES = (*READS, KeyReusedError, KeyInUseError)


@router.get(
    "",
    operation_id="listNotifications",
    summary="List notifications",
    responses=problem_responses(*READS, InvalidCursorError),
)
async def list_notifications(
    *,
    session: SessionDep,
    viewer: CurrentUser,
    language: LanguageDep,
    page: PageDep,
    unread: Annotated[bool, Query(description="Only unread notifications.")] = False,
) -> Page[NotificationOut]:
    """List your notifications, newest first."""
    return await service.list_notifications(session, viewer=viewer, language=language, page=page, unread_only=unread)


@router.get(
    "/grouped",
    operation_id="listNotificationGroups",
    summary="List grouped notifications",
    responses=problem_responses(*READS, InvalidCursorError),
)
async def list_groups(
    *,
    session: SessionDep,
    viewer: CurrentUser,
    language: LanguageDep,
    page: PageDep,
    unread: Annotated[bool, Query(description="Only groups with an unread notification.")] = False,
) -> Page[NotificationGroup]:
    """List your notifications with those about the same thing as one entry, the latest first.

    A group with a new notification moves to the beginning of the list.
    """
    return await groups.list_groups(session, viewer=viewer, language=language, page=page, unread_only=unread)


@router.get(
    "/unread",
    operation_id="countUnreadNotifications",
    summary="Count unread notifications",
    responses=problem_responses(*READS),
)
@fast_read
async def count_unread(runner: RunnerDep, viewer: CurrentUser, redis: RedisDep) -> UnreadCount:
    """Count your unread notifications."""
    return await service.count_unread(runner, redis, viewer=viewer)


@router.get(
    "/unread-totals",
    operation_id="getUnreadTotals",
    summary="Get unread totals",
    responses=problem_responses(*READS),
)
async def get_unread_totals(runner: RunnerDep, viewer: CurrentUser, redis: RedisDep) -> UnreadTotals:
    """Get the numbers of your unread notifications and of the conversations with unread messages."""
    return await service.unread_totals(runner, redis, viewer=viewer)


@router.post(
    "/mark-read",
    operation_id="markNotificationsRead",
    summary="Mark notifications as read",
    responses=problem_responses(*WRITES),
)
async def mark_read(body: MarkRead, session: SessionDep, writer: WritingUser, redis: RedisDep) -> UnreadCount:
    """Mark the given notifications and groups, or all, as read; the response has the remaining unread count."""
    return await service.mark_read(session, redis, viewer=writer, body=body)


@router.get(
    "/preferences",
    operation_id="getNotificationPreferences",
    summary="Get notification preferences",
    responses=problem_responses(*READS),
)
async def get_preferences(session: SessionDep, viewer: CurrentUser) -> Preferences:
    """Get your preference for every kind and channel."""
    return await service.preferences(session, viewer=viewer)


@router.put(
    "/preferences",
    operation_id="updateNotificationPreferences",
    summary="Update notification preferences",
    responses=problem_responses(*WRITES),
)
async def update_preferences(changes: Preferences, session: SessionDep, writer: WritingUser) -> Preferences:
    """Update the given preferences; others do not change."""
    return await service.update_preferences(session, viewer=writer, changes=changes)


@router.get(
    "/delivery-schedule",
    operation_id="getDeliverySchedule",
    summary="Get the delivery schedule",
    responses=problem_responses(*READS),
)
async def get_delivery_schedule(session: SessionDep, viewer: CurrentUser) -> DeliverySchedule:
    """Get your quiet hours and the hour of your daily digest."""
    return await quiet_hours.delivery_schedule(session, viewer=viewer)


@router.put(
    "/delivery-schedule",
    operation_id="replaceDeliverySchedule",
    summary="Replace the delivery schedule",
    responses=problem_responses(*WRITES),
)
async def replace_delivery_schedule(
    body: DeliverySchedule, session: SessionDep, writer: WritingUser
) -> DeliverySchedule:
    """Replace your quiet hours and the hour of your daily digest."""
    return await quiet_hours.replace_delivery_schedule(session, viewer=writer, schedule=body)


@router.get(
    "/push-key",
    operation_id="getPushKey",
    summary="Get the Web Push key",
    responses=problem_responses(UnauthenticatedError),
)
async def get_push_key(request: Request, _viewer: CurrentUser) -> PushKey:
    """Get the public key for browser push subscriptions."""
    return push.push_key(request.app.state.settings)


@router.get(
    "/devices",
    operation_id="listPushDevices",
    summary="List push devices",
    responses=problem_responses(UnauthenticatedError),
)
async def list_devices(session: SessionDep, viewer: CurrentUser) -> PushDevices:
    """List your registered browsers and phones."""
    return await push.devices(session, viewer=viewer)


@router.post(
    "/devices",
    operation_id="addPushDevice",
    summary="Register a push device",
    status_code=201,
    responses=problem_responses(
        *WRITES, UnknownPushServiceError, TooManyDevicesError, DeviceInUseError, EmailNotVerifiedError
    ),
)
async def add_device(body: NewPushDevice, request: Request, session: SessionDep, writer: WritingUser) -> PushDeviceOut:
    """Register this browser or phone for pushes; idempotent."""
    require_verified_email(writer)
    known_ids = {device.id for device in (await push.devices(session, viewer=writer)).items}
    added = await push.add_device(session, settings=request.app.state.settings, viewer=writer, device=body)
    if added.id not in known_ids:
        await recovery.notify_change(session, user_id=writer.id, change=Change.DEVICE)
    return added


@router.delete(
    "/devices/{device_id}",
    operation_id="removePushDevice",
    summary="Remove a push device",
    status_code=204,
    responses=problem_responses(*WRITES, NotFoundError),
)
async def remove_device(device_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Stop pushes to one of your browsers or phones."""
    await push.remove_device(session, viewer=writer, device_id=device_id)


@router.post(
    "/send",
    operation_id="sendAnnouncement",
    summary="Send an announcement",
    status_code=202,
    responses=problem_responses(*WRITES, ForbiddenError),
)
async def announce(body: Announcement, session: SessionDep, writer: WritingUser) -> AnnouncementReceipt:
    """Send an announcement in the name of the platform; for its admins."""
    return await service.announce(session, viewer=writer, body=body)


@router.post(
    "/stream/tickets",
    operation_id="createStreamTicket",
    summary="Create a stream ticket",
    status_code=201,
    responses=problem_responses(*READS, UnavailableError),
)
async def create_ticket(viewer: CurrentUser, redis: RedisDep) -> StreamTicket:
    """Create a single-use ticket for `EventSource`, which sends no headers. It is valid for 30 seconds."""
    return await tickets.issue(redis, viewer=viewer)


async def _resumed_after(
    last_event_id: Annotated[str | None, Header(max_length=64, description="Sent automatically by browsers.")] = None,
    after: Annotated[
        str | None, Query(max_length=64, description="Id of the last event, for clients that send no headers.")
    ] = None,
) -> Cursor | None:
    # A dependency, so that an invalid cursor is refused before the stream starts.
    event_id = last_event_id or after
    return Cursor.decode(event_id) if event_id else None


ResumedAfterDep = Annotated[Cursor | None, Depends(_resumed_after)]
"""Event after which a stream resumes."""


@router.get(
    "/stream",
    operation_id="streamNotifications",
    summary="Stream notifications",
    response_class=EventSourceResponse,
    responses=problem_responses(*READS, InvalidCursorError, UnavailableError),
)
async def stream_notifications(
    *,
    request: Request,
    viewer: StreamViewerDep,
    language: LanguageDep,
    after: ResumedAfterDep,
    seconds: Annotated[
        int, Query(ge=0, le=STREAM_SECONDS, description="Maximum duration in seconds.")
    ] = STREAM_SECONDS,
) -> AsyncIterator[ServerSentEvent]:
    """Stream your notifications as server-sent events.

    Reconnect with the id of the last event to resume without loss or repetition.
    """
    state = request.app.state
    async for event in stream.stream(
        state.context,
        state.notification_signals,
        state.access_changes,
        viewer=viewer,
        language=language,
        after=after,
        seconds=seconds,
    ):
        yield event
