"""Webhooks of the viewer's apps."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.settings import Settings
from transactional_api.community.webhooks import delivery
from transactional_api.community.webhooks.schemas import (
    NewWebhookOut,
    WebhookBody,
    WebhookDeliveryOut,
    WebhookOut,
)
from transactional_api.core.db.tables import OAuthApp, WebhookDelivery, WebhookEndpoint
from transactional_api.core.errors import NotFoundError, Problem
from transactional_api.core.jobs import queue
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.safe_http import UnsafeAddressError, check_url
from transactional_api.core.security.field_encryption import FieldCipher
from transactional_api.core.viewer import Viewer

MAX_WEBHOOKS: Final = 10
"""Largest number of webhooks of an app."""
ROTATION: Final = timedelta(hours=24)
"""Time after a rotation in which messages are signed with the previous secret as well."""
_SECRET_BYTES = 32


class TooManyWebhooksError(Problem):
    """The app has the maximum number of webhooks."""

    status, code, title = 409, "too_many_webhooks", "Remove a webhook of this app first"


class UnsafeUrlError(Problem):
    """The URL is not https on a public host."""

    status, code, title = 422, "unsafe_url", "Use an https address on a public host"


class WebhookDisabledError(Problem):
    """The webhook is disabled, so it receives nothing."""

    status, code, title = 409, "webhook_disabled", "Enable this webhook first"


async def create(
    session: AsyncSession, *, viewer: Viewer, app_id: UUID, body: WebhookBody, cipher: FieldCipher, settings: Settings
) -> NewWebhookOut:
    """Create a webhook of an app of the viewer, with a secret that is shown once.

    Raises:
        NotFoundError: the viewer has no such app.
        UnsafeUrlError: the URL is not allowed.
        TooManyWebhooksError: the app has ``MAX_WEBHOOKS`` webhooks.
    """
    own = select(OAuthApp.id).where(OAuthApp.id == app_id, OAuthApp.owner_id == viewer.id)
    # The lock serializes creations, so that the limit holds.
    if await session.scalar(own.with_for_update()) is None:
        raise NotFoundError
    _require_safe(body.url, settings=settings)
    number = select(func.count()).select_from(WebhookEndpoint).where(WebhookEndpoint.app_id == app_id)
    if (await session.scalar(number) or 0) >= MAX_WEBHOOKS:
        raise TooManyWebhooksError
    secret = _new_secret()
    values = {"app_id": app_id, "secret_encrypted": cipher.encrypt(secret), **_columns(body)}
    endpoint = await session.scalar(insert(WebhookEndpoint).values(values).returning(WebhookEndpoint))
    assert endpoint is not None  # noqa: S101 (it was just inserted)
    return NewWebhookOut(**_out(endpoint).model_dump(), secret=secret)


async def list_webhooks(session: AsyncSession, *, viewer: Viewer, app_id: UUID, page: PageRequest) -> Page[WebhookOut]:
    """List the webhooks of an app of the viewer, newest first; raises ``NotFoundError`` for an unknown app."""
    if not await session.scalar(select(exists().where(OAuthApp.id == app_id, OAuthApp.owner_id == viewer.id))):
        raise NotFoundError
    of_app = select(WebhookEndpoint).where(WebhookEndpoint.app_id == app_id)
    statement = page.select(of_app, at=WebhookEndpoint.created_at, row_id=WebhookEndpoint.id)
    return page.of((await session.scalars(statement)).all(), _out)


async def get(session: AsyncSession, *, viewer: Viewer, app_id: UUID, webhook_id: UUID) -> WebhookOut:
    """Return a webhook of an app of the viewer; raises ``NotFoundError`` for any other."""
    return _out(await _own(session, viewer=viewer, app_id=app_id, webhook_id=webhook_id))


async def replace(
    session: AsyncSession, *, viewer: Viewer, app_id: UUID, webhook_id: UUID, body: WebhookBody, settings: Settings
) -> WebhookOut:
    """Replace the address, events and state of a webhook.

    Raises:
        NotFoundError: the viewer has no such webhook.
        UnsafeUrlError: the URL is not allowed.
    """
    endpoint = await _own(session, viewer=viewer, app_id=app_id, webhook_id=webhook_id, for_update=True)
    _require_safe(body.url, settings=settings)
    if body.enabled and not endpoint.is_enabled:
        endpoint.failing_since = None
    for name, value in _columns(body).items():
        setattr(endpoint, name, value)
    await session.flush()
    return _out(endpoint)


async def remove(session: AsyncSession, *, viewer: Viewer, app_id: UUID, webhook_id: UUID) -> None:
    """Delete a webhook and its log; raises ``NotFoundError`` if the viewer has no such webhook."""
    endpoint = await _own(session, viewer=viewer, app_id=app_id, webhook_id=webhook_id)
    await session.execute(delete(WebhookEndpoint).where(WebhookEndpoint.id == endpoint.id))


async def rotate_secret(
    session: AsyncSession, *, viewer: Viewer, app_id: UUID, webhook_id: UUID, cipher: FieldCipher
) -> NewWebhookOut:
    """Replace the secret; for ``ROTATION``, messages are signed with both. Raises ``NotFoundError``."""
    endpoint = await _own(session, viewer=viewer, app_id=app_id, webhook_id=webhook_id, for_update=True)
    secret = _new_secret()
    endpoint.previous_secret_encrypted = endpoint.secret_encrypted
    endpoint.previous_secret_until = datetime.now(UTC) + ROTATION
    endpoint.secret_encrypted = cipher.encrypt(secret)
    await session.flush()
    return NewWebhookOut(**_out(endpoint).model_dump(), secret=secret)


async def send_test(session: AsyncSession, *, viewer: Viewer, app_id: UUID, webhook_id: UUID) -> WebhookDeliveryOut:
    """Queue a test message, which is signed and logged like every other.

    Raises:
        NotFoundError: the viewer has no such webhook.
        WebhookDisabledError: it is disabled.
    """
    endpoint = await _own(session, viewer=viewer, app_id=app_id, webhook_id=webhook_id)
    if not endpoint.is_enabled:
        raise WebhookDisabledError
    now = datetime.now(UTC)
    row = await session.scalar(
        insert(WebhookDelivery)
        .values(
            id=uuid4(),
            endpoint_id=endpoint.id,
            event=delivery.TEST,
            subject_id=endpoint.id,
            occurred_at=now,
            next_attempt_at=now,
        )
        .returning(WebhookDelivery)
    )
    assert row is not None  # noqa: S101 (it was just inserted)
    await queue.defer(session, delivery.deliver, delivery_id=str(row.id), attempt=1)
    return WebhookDeliveryOut.model_validate(row)


async def list_deliveries(
    session: AsyncSession, *, viewer: Viewer, app_id: UUID, webhook_id: UUID, page: PageRequest
) -> Page[WebhookDeliveryOut]:
    """List the messages of a webhook with their attempts, newest first; raises ``NotFoundError``."""
    endpoint = await _own(session, viewer=viewer, app_id=app_id, webhook_id=webhook_id)
    of_endpoint = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint.id)
    statement = page.select(of_endpoint, at=WebhookDelivery.created_at, row_id=WebhookDelivery.id)
    return page.of((await session.scalars(statement)).all(), WebhookDeliveryOut.model_validate)


async def _own(
    session: AsyncSession, *, viewer: Viewer, app_id: UUID, webhook_id: UUID, for_update: bool = False
) -> WebhookEndpoint:
    own = (
        select(WebhookEndpoint)
        .join(OAuthApp, OAuthApp.id == WebhookEndpoint.app_id)
        .where(WebhookEndpoint.id == webhook_id, OAuthApp.id == app_id, OAuthApp.owner_id == viewer.id)
    )
    if for_update:
        own = own.with_for_update(of=WebhookEndpoint)
    endpoint: WebhookEndpoint | None = await session.scalar(own)
    if endpoint is None:
        raise NotFoundError
    return endpoint


def _columns(body: WebhookBody) -> dict[str, object]:
    chosen = dict.fromkeys(event.value for event in body.event_types)
    return {"url": body.url, "event_types": list(chosen), "is_enabled": body.enabled}


def _out(endpoint: WebhookEndpoint) -> WebhookOut:
    return WebhookOut(
        id=endpoint.id,
        url=endpoint.url,
        event_types=endpoint.event_types,
        enabled=endpoint.is_enabled,
        failing_since=endpoint.failing_since,
        created_at=endpoint.created_at,
    )


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"


def _require_safe(url: str, *, settings: Settings) -> None:
    try:
        check_url(url, settings=settings)
    except UnsafeAddressError:
        raise UnsafeUrlError from None
