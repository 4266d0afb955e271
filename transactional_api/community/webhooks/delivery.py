"""Deliveries of events to webhooks: permission, signature, one attempt per job, and a schedule of retries.

A message is ``{"type", "timestamp", "data"}`` with ids only; the app reads the subject through the API, under the same
permissions. Messages follow Standard Webhooks (``webhook-id``, ``webhook-timestamp``, ``webhook-signature``).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID, uuid5

import httpx
import orjson
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from standardwebhooks.webhooks import Webhook

from neighborconnect.telemetry import get_logger
from transactional_api.community.webhooks import grants
from transactional_api.community.webhooks.schemas import AttemptError, DeliveryState
from transactional_api.core import mailer, safe_http
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import OAuthApp, WebhookDelivery, WebhookEndpoint
from transactional_api.core.jobs import queue
from transactional_api.core.mailer import letters
from transactional_api.core.security.field_encryption import FieldCipher
from transactional_api.core.viewer import language_of
from transactional_api.core.webhooks import DISPATCH, WebhookEvent

TEST: Final = "webhook.test"
"""Event type of a test message."""
DELAYS: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=10),
)
"""Waiting times between the attempts of a message: eight attempts in 28 hours."""
DISABLE_AFTER: Final = timedelta(days=3)
"""Time without a success after which a message that runs out of attempts disables its webhook."""
TIMEOUT_SECONDS: Final = 10.0
_MAX_RESPONSE_BYTES = 1_024

log = get_logger(__name__)


@queue.handler(DISPATCH)
async def dispatch(context: AppContext, *, event: str, events: list[list[str]], occurred_at: str) -> None:
    """Create the deliveries of events to the webhooks that may receive them; a repetition creates none twice."""
    kind = WebhookEvent(event)
    if kind is WebhookEvent.NOTIFICATION_CREATED:
        async with context.transaction() as session:
            ids = [UUID(subject_id) for _, subject_id in events]
            of_app_users = {str(one) for one in await session.scalars(grants.notifications_of_app_users(ids))}
        events = [one for one in events if one[1] in of_app_users]
    for event_id, subject_id in events:
        async with context.transaction() as session:
            chosen = select(WebhookEndpoint.id).where(
                WebhookEndpoint.is_enabled.is_(True),
                WebhookEndpoint.event_types.contains([event]),
                grants.may_receive(kind, UUID(subject_id)),
            )
            endpoint_ids = list(await session.scalars(chosen))
            await _create(
                session,
                endpoint_ids,
                event_id=UUID(event_id),
                values={
                    "event": event,
                    "subject_id": UUID(subject_id),
                    "occurred_at": datetime.fromisoformat(occurred_at),
                },
            )


async def _create(
    session: AsyncSession, endpoint_ids: Sequence[UUID], *, event_id: UUID, values: dict[str, Any]
) -> None:
    if not endpoint_ids:
        return
    rows = [
        {"id": uuid5(event_id, str(endpoint_id)), "endpoint_id": endpoint_id, "next_attempt_at": datetime.now(UTC)}
        | values
        for endpoint_id in endpoint_ids
    ]
    created = insert(WebhookDelivery).values(rows).on_conflict_do_nothing().returning(WebhookDelivery.id)
    for delivery_id in await session.scalars(created):
        await queue.defer(session, deliver, delivery_id=str(delivery_id), attempt=1)


@dataclass(frozen=True, slots=True)
class _Message:
    """A message that is ready to be sent."""

    id: UUID
    url: str
    secrets: Sequence[str]
    body: bytes


@queue.task("webhooks.deliver", lane=queue.Lane.WEBHOOKS)
async def deliver(context: AppContext, *, delivery_id: str, attempt: int) -> None:
    """Attempt a delivery, unless this attempt was made; record it, and queue the next one after a failure."""
    async with context.transaction() as session:
        message = await _prepare(session, UUID(delivery_id), attempt=attempt, cipher=context.cipher)
    if message is None:
        return
    began = time.perf_counter()
    status, error = await _post(context, message)
    entry = {
        "at": datetime.now(UTC).isoformat(),
        "status": status,
        "error": error,
        "milliseconds": round((time.perf_counter() - began) * 1_000),
    }
    async with context.transaction() as session:
        await _record(session, message.id, attempt=attempt, entry=entry)
    log.info("webhook.attempted", delivery=delivery_id, attempt=attempt, status=status, error=error)


async def _prepare(session: AsyncSession, delivery_id: UUID, *, attempt: int, cipher: FieldCipher) -> _Message | None:
    """Return the message, or None if there is nothing to send; without permission, the delivery becomes withheld."""
    found = select(WebhookDelivery, WebhookEndpoint).join(
        WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id
    )
    row = (await session.execute(found.where(WebhookDelivery.id == delivery_id))).one_or_none()
    if row is None:
        return None
    delivery, endpoint = row
    if delivery.state != DeliveryState.PENDING or len(delivery.attempts) >= attempt:
        return None
    data: dict[str, Any] = {"id": delivery.subject_id}
    if delivery.event != TEST:
        users = grants.granting_users(WebhookEvent(delivery.event), delivery.subject_id)
        statement = users.where(WebhookEndpoint.id == endpoint.id).order_by("user_id").limit(1)
        user_id = await session.scalar(statement)
        if not endpoint.is_enabled or user_id is None:
            delivery.state, delivery.next_attempt_at = DeliveryState.WITHHELD, None
            return None
        data["authorized_user_id"] = user_id
    secrets = [cipher.decrypt(endpoint.secret_encrypted)]
    until = endpoint.previous_secret_until
    if endpoint.previous_secret_encrypted and until is not None and until > datetime.now(UTC):
        secrets.append(cipher.decrypt(endpoint.previous_secret_encrypted))
    payload = {"type": delivery.event, "timestamp": delivery.occurred_at, "data": data}
    return _Message(delivery.id, endpoint.url, secrets, orjson.dumps(payload))


async def _post(context: AppContext, message: _Message) -> tuple[int | None, AttemptError | None]:
    """Send a message; return the status of the response, and the error if it is not a success."""
    now = datetime.now(UTC)
    text = message.body.decode()
    signatures = [Webhook(secret).sign(str(message.id), now, text) for secret in message.secrets]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "NeighborConnect-Webhooks/1",
        "webhook-id": str(message.id),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
    try:
        response = await safe_http.request(
            "POST",
            message.url,
            settings=context.settings,
            content=message.body,
            headers=headers,
            max_bytes=_MAX_RESPONSE_BYTES,
            seconds=TIMEOUT_SECONDS,
        )
    except safe_http.UnsafeAddressError:
        return None, AttemptError.ADDRESS_NOT_ALLOWED
    except (TimeoutError, httpx.TimeoutException):
        return None, AttemptError.TIMEOUT
    except httpx.HTTPError:
        return None, AttemptError.CONNECTION
    return response.status, None if httpx.codes.is_success(response.status) else AttemptError.STATUS


async def _record(session: AsyncSession, delivery_id: UUID, *, attempt: int, entry: dict[str, Any]) -> None:
    # The webhook is locked before its delivery, as the removal of a webhook does.
    of_delivery = select(WebhookDelivery.endpoint_id).where(WebhookDelivery.id == delivery_id).scalar_subquery()
    endpoint = await session.scalar(select(WebhookEndpoint).where(WebhookEndpoint.id == of_delivery).with_for_update())
    delivery = await session.get(WebhookDelivery, delivery_id, with_for_update=True)
    if endpoint is None or delivery is None:
        return
    if delivery.state != DeliveryState.PENDING or len(delivery.attempts) >= attempt:
        return
    delivery.attempts = [*delivery.attempts, entry]
    now = datetime.now(UTC)
    if entry["error"] is None:
        delivery.state, delivery.next_attempt_at = DeliveryState.DELIVERED, None
        endpoint.failing_since = None
        return
    endpoint.failing_since = endpoint.failing_since or now
    is_gone = entry["status"] == HTTPStatus.GONE
    if attempt <= len(DELAYS) and not is_gone and delivery.event != TEST:
        delivery.next_attempt_at = now + DELAYS[attempt - 1]
        await session.flush()
        await queue.defer(
            session, deliver, at=delivery.next_attempt_at, delivery_id=str(delivery_id), attempt=attempt + 1
        )
        return
    delivery.state, delivery.next_attempt_at = DeliveryState.FAILED, None
    await session.flush()
    if endpoint.is_enabled and delivery.event != TEST and (is_gone or endpoint.failing_since <= now - DISABLE_AFTER):
        await _disable(session, endpoint)


async def _disable(session: AsyncSession, endpoint: WebhookEndpoint) -> None:
    """Disable a webhook and tell the owner of its app."""
    await session.execute(update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint.id).values(is_enabled=False))
    app = await session.get_one(OAuthApp, endpoint.app_id)
    language = await language_of(session, app.owner_id)
    subject = letters.render("webhook_disabled.subject", language)
    text = letters.render("webhook_disabled.text", language, app=app.name, url=endpoint.url)
    await mailer.enqueue(session, user_id=app.owner_id, subject=subject, text=f"{text}\n")
    log.info("webhook.disabled", webhook=str(endpoint.id))
