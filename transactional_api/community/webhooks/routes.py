"""``/oauth/apps/{app_id}/webhooks``: webhooks of the viewer's apps."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from transactional_api.community.webhooks import service
from transactional_api.community.webhooks.schemas import (
    NewWebhookOut,
    WebhookBody,
    WebhookDeliveryOut,
    WebhookOut,
)
from transactional_api.community.webhooks.service import TooManyWebhooksError, UnsafeUrlError, WebhookDisabledError
from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import (
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.http.auth import (
    AuditedUser,
    CurrentUser,
    EmailNotVerifiedError,
    WritingUser,
    require_verified_email,
)
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.pagination import Page, PageDep
from transactional_api.identity.users.account_routes import AccountsDep

router = APIRouter(prefix="/oauth/apps/{app_id}/webhooks", tags=["oauth"], route_class=TransactionalRoute)

READS = (UnauthenticatedError, InvalidRequestError, NotFoundError)


@router.post(
    "",
    operation_id="createWebhook",
    summary="Create a webhook",
    status_code=201,
    responses=problem_responses(*READS, EmailNotVerifiedError, UnsafeUrlError, TooManyWebhooksError),
)
async def create(
    app_id: UUID, body: WebhookBody, session: SessionDep, actor: AuditedUser, accounts: AccountsDep
) -> NewWebhookOut:
    """Create a webhook of an app of yours. Its secret is shown only once."""
    require_verified_email(actor)
    return await service.create(
        session, viewer=actor, app_id=app_id, body=body, cipher=accounts.cipher, settings=accounts.settings
    )


@router.get(
    "",
    operation_id="listWebhooks",
    summary="List webhooks",
    responses=problem_responses(*READS, InvalidCursorError),
)
async def list_webhooks(app_id: UUID, session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[WebhookOut]:
    """List the webhooks of an app of yours, newest first."""
    return await service.list_webhooks(session, viewer=viewer, app_id=app_id, page=page)


@router.get(
    "/{webhook_id}",
    operation_id="getWebhook",
    summary="Get a webhook",
    responses=problem_responses(*READS),
)
async def get(app_id: UUID, webhook_id: UUID, session: SessionDep, viewer: CurrentUser) -> WebhookOut:
    """Get a webhook of an app of yours."""
    return await service.get(session, viewer=viewer, app_id=app_id, webhook_id=webhook_id)


@router.put(
    "/{webhook_id}",
    operation_id="replaceWebhook",
    summary="Replace a webhook",
    responses=problem_responses(*READS, UnsafeUrlError, KeyReusedError, KeyInUseError),
)
async def replace(
    *,
    app_id: UUID,
    webhook_id: UUID,
    body: WebhookBody,
    session: SessionDep,
    writer: WritingUser,
    accounts: AccountsDep,
) -> WebhookOut:
    """Replace the address, the events and the state of a webhook; its secret stays."""
    return await service.replace(
        session, viewer=writer, app_id=app_id, webhook_id=webhook_id, body=body, settings=accounts.settings
    )


@router.delete(
    "/{webhook_id}",
    operation_id="deleteWebhook",
    summary="Delete a webhook",
    status_code=204,
    responses=problem_responses(*READS, KeyReusedError, KeyInUseError),
)
async def delete(app_id: UUID, webhook_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Delete a webhook with its log. Messages that wait are not sent."""
    await service.remove(session, viewer=writer, app_id=app_id, webhook_id=webhook_id)


@router.post(
    "/{webhook_id}/secret",
    operation_id="rotateWebhookSecret",
    summary="Rotate the secret of a webhook",
    responses=problem_responses(*READS),
)
async def rotate_secret(
    app_id: UUID, webhook_id: UUID, session: SessionDep, actor: AuditedUser, accounts: AccountsDep
) -> NewWebhookOut:
    """Replace the secret, which is shown only once. For 24 hours, messages have a signature of each secret."""
    return await service.rotate_secret(
        session, viewer=actor, app_id=app_id, webhook_id=webhook_id, cipher=accounts.cipher
    )


@router.post(
    "/{webhook_id}/test",
    operation_id="testWebhook",
    summary="Send a test message",
    status_code=202,
    responses=problem_responses(*READS, WebhookDisabledError, KeyReusedError, KeyInUseError),
)
async def send_test(app_id: UUID, webhook_id: UUID, session: SessionDep, writer: WritingUser) -> WebhookDeliveryOut:
    """Send a signed message of the type `webhook.test`, once and without retries; the log has the result."""
    return await service.send_test(session, viewer=writer, app_id=app_id, webhook_id=webhook_id)


@router.get(
    "/{webhook_id}/deliveries",
    operation_id="listWebhookDeliveries",
    summary="List deliveries of a webhook",
    responses=problem_responses(*READS, InvalidCursorError),
)
async def list_deliveries(
    app_id: UUID, webhook_id: UUID, session: SessionDep, viewer: CurrentUser, page: PageDep
) -> Page[WebhookDeliveryOut]:
    """List the messages of the last 30 days with their attempts, newest first."""
    return await service.list_deliveries(session, viewer=viewer, app_id=app_id, webhook_id=webhook_id, page=page)
