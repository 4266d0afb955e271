"""Push notifications to browsers (RFC 8030, signed by RFC 8292) and to phones (the Expo push service).

A device that its push service no longer knows is removed; failed deliveries are retried by the job queue.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

import httpx
import orjson
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid
from pydantic import AnyHttpUrl
from pywebpush import WebPushException, webpush
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from transactional_api.community.notifications import rendering
from transactional_api.community.notifications.schemas import (
    DeviceKind,
    NewPushDevice,
    NotificationOut,
    PushDeviceOut,
    PushDevices,
    PushKey,
)
from transactional_api.core.app_context import AppContext
from transactional_api.core.compiled_queries import VIEWER_PLACEHOLDER
from transactional_api.core.db.tables import PushDevice
from transactional_api.core.errors import NotFoundError, Problem
from transactional_api.core.jobs import queue
from transactional_api.core.viewer import Viewer, language_of

TIMEOUT_SECONDS = 10.0
MAX_DEVICES = 20
_GONE = {404, 410}
_NOT_REGISTERED = "DeviceNotRegistered"

log = get_logger(__name__)


class UnknownPushServiceError(Problem):
    """The browser's push service is not in the allowed list of the settings."""

    status, code, title = 409, "unknown_push_service", "This push service is not allowed, or Web Push is not configured"


class DeviceInUseError(Problem):
    """The address belongs to another account with an open session, and no secret proves the device."""

    status, code, title = 409, "device_in_use", "Log the other account out on this device first"


class TooManyDevicesError(Problem):
    """The user has registered the maximum number of devices."""

    status, code, title = 409, "too_many_devices", "Remove a device first"


def push_key(settings: Settings) -> PushKey:
    """Return the VAPID public key for browser subscriptions (uncompressed point, base64url)."""
    if settings.vapid_private_key is None:
        return PushKey(public_key=None)
    key = Vapid.from_string(settings.vapid_private_key.get_secret_value()).public_key
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return PushKey(public_key=base64.urlsafe_b64encode(point).decode().rstrip("="))


async def devices(session: AsyncSession, *, viewer: Viewer) -> PushDevices:
    """Return the viewer's devices, newest first."""
    own = select(PushDevice).where(PushDevice.user_id == viewer.id).order_by(PushDevice.created_at.desc())
    rows = await session.scalars(own)
    return PushDevices(items=[PushDeviceOut.model_validate(row, from_attributes=True) for row in rows])


async def add_device(
    session: AsyncSession, *, settings: Settings, viewer: Viewer, device: NewPushDevice
) -> PushDeviceOut:
    """Register a device for the viewer's session; it is removed with the session.

    An address moves from another account only if the account's session has ended or the browser's secret proves the
    device.

    Raises:
        DeviceInUseError: when it belongs to another account.
        UnknownPushServiceError: when the push service of a browser is not allowed.
        TooManyDevicesError: when the viewer has ``MAX_DEVICES`` devices.
    """
    if device.kind is DeviceKind.WEB and not _is_allowed(device.address, settings):
        raise UnknownPushServiceError
    others = select(func.count()).where(PushDevice.user_id == viewer.id, PushDevice.address != device.address)
    if (await session.scalar(others) or 0) >= MAX_DEVICES:
        raise TooManyDevicesError
    values = {"user_id": viewer.id, "session_id": viewer.session_id, **device.model_dump(mode="json")}
    statement = insert(PushDevice).values(values)
    movable = (PushDevice.user_id == viewer.id) | PushDevice.session_id.is_(None)
    if device.kind is DeviceKind.WEB:
        movable |= (PushDevice.auth == device.auth) & (PushDevice.p256dh == device.p256dh)
    upserted = statement.on_conflict_do_update(index_elements=["address"], set_=values, where=movable).returning(
        PushDevice
    )
    row = (await session.scalars(upserted.execution_options(populate_existing=True))).one_or_none()
    if row is None:
        raise DeviceInUseError
    return PushDeviceOut.model_validate(row, from_attributes=True)


async def remove_device(session: AsyncSession, *, viewer: Viewer, device_id: UUID) -> None:
    """Remove a device of the viewer.

    Raises:
        NotFoundError: when the viewer has no such device.
    """
    own = delete(PushDevice).where(PushDevice.id == device_id, PushDevice.user_id == viewer.id)
    if await session.scalar(own.returning(PushDevice.id)) is None:
        raise NotFoundError


@queue.task("push.send", priority=queue.Priority.NOTICE)
async def send(context: AppContext, *, user_id: str, notification_id: str) -> None:
    """Queue a push to each device of a user, so that a failed device does not repeat the push to others."""
    async with context.transaction() as session:
        for device_id in await session.scalars(select(PushDevice.id).where(PushDevice.user_id == UUID(user_id))):
            await queue.defer(
                session, deliver, device_id=str(device_id), user_id=user_id, notification_id=notification_id
            )


@queue.task("push.deliver", priority=queue.Priority.NOTICE)
async def deliver(context: AppContext, *, device_id: str, user_id: str, notification_id: str) -> None:
    """Push to one device, if it still belongs to the user and the notification is visible and unread."""
    async with context.transaction() as session:
        device = await session.get(PushDevice, UUID(device_id))
        if device is None or device.user_id != UUID(user_id):
            return
        viewer = replace(VIEWER_PLACEHOLDER, id=device.user_id)
        language = await language_of(session, device.user_id)
        notification = await rendering.find(
            session, viewer=viewer, language=language, notification_id=UUID(notification_id)
        )
    if notification is None or notification.read_at is not None:
        return
    to = _to_browser if device.kind == DeviceKind.WEB else _to_phone
    if not await to(context.settings, device, _payload(notification)):
        async with context.transaction() as session:
            await session.execute(delete(PushDevice).where(PushDevice.id == device.id))
        log.info("push.device_removed", device=device_id)


def _payload(notification: NotificationOut) -> dict[str, str]:
    return {
        "title": notification.title,
        "body": notification.body,
        "kind": notification.kind,
        "subject_kind": notification.subject_kind,
        "subject_id": str(notification.subject_id),
    }


async def _to_browser(settings: Settings, device: PushDevice, payload: dict[str, str]) -> bool:
    """Send a push; return False if the push service no longer knows the device."""
    if settings.vapid_private_key is None or not _is_allowed(device.address, settings):
        return False
    subscription = {"endpoint": device.address, "keys": {"p256dh": device.p256dh, "auth": device.auth}}
    try:
        await asyncio.to_thread(
            webpush,
            subscription,
            orjson.dumps(payload),
            vapid_private_key=settings.vapid_private_key.get_secret_value(),
            vapid_claims={"sub": settings.vapid_contact},
            ttl=86_400,
            timeout=TIMEOUT_SECONDS,
        )
    except WebPushException as error:
        if error.response is not None and error.response.status_code in _GONE:
            return False
        raise
    return True


async def _to_phone(settings: Settings, device: PushDevice, payload: dict[str, str]) -> bool:
    """Send a push; return False if the push service no longer knows the device."""
    data = {name: payload[name] for name in ("kind", "subject_kind", "subject_id")}
    message = {"to": device.address, "title": payload["title"], "body": payload["body"], "data": data}
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
        response = await client.post(settings.expo_push_url, json=message)
    response.raise_for_status()
    ticket: dict[str, Any] = response.json()["data"]
    if ticket["status"] == "ok":
        return True
    error = ticket.get("details", {}).get("error")
    if error != _NOT_REGISTERED:
        raise RuntimeError(f"Expo rejected the push: {error}")
    return False


def _is_allowed(address: str, settings: Settings) -> bool:
    url = AnyHttpUrl(address)
    origin = f"{url.scheme}://{url.host}" + ("" if url.port in {80, 443} else f":{url.port}")
    return any(fnmatchcase(origin, pattern) for pattern in settings.push_services)
