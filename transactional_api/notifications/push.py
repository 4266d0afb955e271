"""Pushes to browsers (RFC 8030, signed as RFC 8292 says) and to phones (Expo's service).

A device that its service no longer knows is forgotten; one that cannot be reached is tried again by the job queue.
"""

from __future__ import annotations

import asyncio
import base64
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
from transactional_api.auth import Viewer
from transactional_api.db.tables import PushDevice
from transactional_api.errors import NotFoundError, Problem
from transactional_api.jobs import queue
from transactional_api.notifications.schemas import Device, DeviceKind, Devices, NewDevice, PushKey
from transactional_api.resources import Resources

TIMEOUT_SECONDS = 10.0
MAX_DEVICES = 20
_GONE = {404, 410}
_NOT_REGISTERED = "DeviceNotRegistered"

log = get_logger(__name__)


class UnknownPushServiceError(Problem):
    """The browser's push service is none that we know; we send nothing to addresses that anybody names."""

    status, code, title = 409, "unknown_push_service", "This push service is not known here, or browsers get no pushes"


class DeviceInUseError(Problem):
    """The address is registered by another account whose session on the device is open, and nothing proves the move."""

    status, code, title = 409, "device_in_use", "Log the other account out on this device first"


class TooManyDevicesError(Problem):
    """The person has as many devices as there may be."""

    status, code, title = 409, "too_many_devices", "Remove a device first"


def push_key(settings: Settings) -> PushKey:
    """Return the public key that browsers subscribe with (uncompressed point, base64url)."""
    if settings.vapid_private_key is None:
        return PushKey(public_key=None)
    key = Vapid.from_string(settings.vapid_private_key.get_secret_value()).public_key
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return PushKey(public_key=base64.urlsafe_b64encode(point).decode().rstrip("="))


async def devices(session: AsyncSession, *, viewer: Viewer) -> Devices:
    """Return the viewer's devices, the newest first."""
    mine = select(PushDevice).where(PushDevice.user_id == viewer.id).order_by(PushDevice.created_at.desc())
    rows = await session.scalars(mine)
    return Devices(items=[Device.model_validate(row, from_attributes=True) for row in rows])


async def add_device(session: AsyncSession, *, settings: Settings, viewer: Viewer, new: NewDevice) -> Device:
    """Add a device to the viewer's session, with which it goes.

    An address moves from another account only where its session is over, or the browser's secret proves the device.

    Raises:
        DeviceInUseError: when another account has it.
        UnknownPushServiceError: for a browser whose service is not among those of the settings.
        TooManyDevicesError: when the viewer has as many as there may be.
    """
    if new.kind is DeviceKind.WEB and not _known(new.address, settings):
        raise UnknownPushServiceError
    others = select(func.count()).where(PushDevice.user_id == viewer.id, PushDevice.address != new.address)
    if (await session.scalar(others) or 0) >= MAX_DEVICES:
        raise TooManyDevicesError
    values = {"user_id": viewer.id, "session_id": viewer.session_id, **new.model_dump(mode="json")}
    statement = insert(PushDevice).values(values)
    movable = (PushDevice.user_id == viewer.id) | PushDevice.session_id.is_(None)
    if new.kind is DeviceKind.WEB:
        movable |= (PushDevice.auth == new.auth) & (PushDevice.p256dh == new.p256dh)
    kept = statement.on_conflict_do_update(index_elements=["address"], set_=values, where=movable).returning(PushDevice)
    device = (await session.scalars(kept.execution_options(populate_existing=True))).one_or_none()
    if device is None:
        raise DeviceInUseError
    return Device.model_validate(device, from_attributes=True)


async def remove_device(session: AsyncSession, *, viewer: Viewer, device_id: UUID) -> None:
    """Remove a device of the viewer's; raises ``NotFoundError`` for any other."""
    mine = delete(PushDevice).where(PushDevice.id == device_id, PushDevice.user_id == viewer.id)
    if await session.scalar(mine.returning(PushDevice.id)) is None:
        raise NotFoundError


@queue.task("push.send", priority=queue.Priority.NOTICE)
async def send(resources: Resources, *, user_id: str, words: dict[str, str]) -> None:
    """Queue a push to each device of a person: one that fails does not make the others ring twice."""
    async with resources.transaction() as session:
        for device_id in await session.scalars(select(PushDevice.id).where(PushDevice.user_id == UUID(user_id))):
            await queue.defer(session, deliver, device_id=str(device_id), user_id=user_id, words=words)


@queue.task("push.deliver", priority=queue.Priority.NOTICE)
async def deliver(resources: Resources, *, device_id: str, user_id: str, words: dict[str, str]) -> None:
    """Push to one device, if it is still this person's."""
    async with resources.transaction() as session:
        device = await session.get(PushDevice, UUID(device_id))
    if device is None or device.user_id != UUID(user_id):
        return
    to = _to_browser if device.kind == DeviceKind.WEB else _to_phone
    if not await to(resources.settings, device, words):
        async with resources.transaction() as session:
            await session.execute(delete(PushDevice).where(PushDevice.id == device.id))
        log.info("push.device_forgotten", device=device_id)


async def _to_browser(settings: Settings, device: PushDevice, words: dict[str, str]) -> bool:
    """Push; tells whether the service still knows the device."""
    if settings.vapid_private_key is None or not _known(device.address, settings):
        return False
    subscription = {"endpoint": device.address, "keys": {"p256dh": device.p256dh, "auth": device.auth}}
    try:
        await asyncio.to_thread(
            webpush,
            subscription,
            orjson.dumps(words),
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


async def _to_phone(settings: Settings, device: PushDevice, words: dict[str, str]) -> bool:
    """Push; tells whether the service still knows the device."""
    data = {name: words[name] for name in ("kind", "subject_kind", "subject_id")}
    message = {"to": device.address, "title": words["title"], "body": words["body"], "data": data}
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
        answer = await client.post(settings.expo_push_url, json=message)
    answer.raise_for_status()
    ticket: dict[str, Any] = answer.json()["data"]
    if ticket["status"] == "ok":
        return True
    error = ticket.get("details", {}).get("error")
    if error != _NOT_REGISTERED:
        raise RuntimeError(f"Expo did not take the push: {error}")
    return False


def _known(address: str, settings: Settings) -> bool:
    url = AnyHttpUrl(address)
    origin = f"{url.scheme}://{url.host}" + ("" if url.port in {80, 443} else f":{url.port}")
    return any(fnmatchcase(origin, pattern) for pattern in settings.push_services)
