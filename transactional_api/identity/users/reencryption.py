"""Hourly job that encrypts personal data stored as plaintext or under a rotated key."""

from __future__ import annotations

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import User, WebhookEndpoint
from transactional_api.core.jobs import queue
from transactional_api.core.security.field_encryption import FieldCipher
from transactional_api.core.security.personal_data import (
    email_columns,
    email_of,
    home_columns,
    home_of,
    phone_columns,
    phone_of,
)

BATCH = 500

log = get_logger(__name__)


@queue.periodic("17 * * * *")
@queue.task("users.reencrypt")
async def reencrypt(context: AppContext, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Encrypt personal data that is not encrypted under the current key."""
    total = 0
    while True:
        async with context.transaction() as session:
            done = await reencrypt_batch(session, cipher=context.cipher)
        total += done
        if done < BATCH:
            break
    async with context.transaction() as session:
        await reencrypt_webhook_secrets(session, cipher=context.cipher)
    if total:
        log.info("users.reencrypted", users=total)


async def reencrypt_batch(session: AsyncSession, *, cipher: FieldCipher) -> int:
    """Encrypt at most ``BATCH`` users again; return their number."""
    stale = (
        User.email_encrypted.is_(None),
        User.phone.is_not(None),
        *(
            ~column.startswith(cipher.key_id)
            for column in (User.email_encrypted, User.phone_encrypted, User.home_encrypted)
        ),
    )
    users = await session.scalars(
        select(User)
        .where(User.erased_at.is_(None), or_(*stale))
        .order_by(User.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True, key_share=True)
    )
    done = 0
    for user in users:
        columns = email_columns(cipher, email_of(cipher, user)) | phone_columns(cipher, phone_of(cipher, user))
        if user.home_encrypted:
            columns |= home_columns(cipher, home_of(cipher, user))
        for name, value in columns.items():
            setattr(user, name, value)
        done += 1
    await session.flush()
    return done


async def reencrypt_webhook_secrets(session: AsyncSession, *, cipher: FieldCipher) -> None:
    """Encrypt the secrets of webhooks that are not encrypted under the current key again."""
    columns = (WebhookEndpoint.secret_encrypted, WebhookEndpoint.previous_secret_encrypted)
    stale = or_(*(~column.startswith(cipher.key_id) for column in columns))
    for endpoint in await session.scalars(select(WebhookEndpoint).where(stale).with_for_update(skip_locked=True)):
        endpoint.secret_encrypted = cipher.encrypt(cipher.decrypt(endpoint.secret_encrypted))
        if endpoint.previous_secret_encrypted is not None:
            endpoint.previous_secret_encrypted = cipher.encrypt(cipher.decrypt(endpoint.previous_secret_encrypted))
    await session.flush()
