"""Job that erases a user, location by location in the order of the data inventory.

Each location is processed in its own transaction together with its line of the receipt, so a killed job resumes where
it stopped. A table without a step of its own is deleted from or unlinked as the inventory says, so a new table is
erased as soon as it is in the inventory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import column, delete, func, literal, select, table, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.privacy import PRODUCT_LOCATIONS, USERS_LOCATION, DataLocation, ErasureAction, Store
from neighborconnect.telemetry import get_logger
from transactional_api.community.search import embeddings, vocabulary
from transactional_api.community.stories import engagement
from transactional_api.core import mailer
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import Erasure, MediaEngagement, RetiredUsername, User
from transactional_api.core.jobs import queue
from transactional_api.core.mailer import letters
from transactional_api.core.media.objects import LINK_SECONDS
from transactional_api.core.media.stores import open_media
from transactional_api.core.security.personal_data import email_of
from transactional_api.core.viewer import language_of
from transactional_api.governance.privacy import redaction
from transactional_api.governance.privacy.membership_cleanup import (
    COUNTED,
    leave_connectors,
    leave_events,
    remove_marks,
)
from transactional_api.governance.privacy.receipts import sign_if_complete
from transactional_api.identity.users import usernames

log = get_logger(__name__)

Step = Callable[[AsyncSession, Erasure], Awaitable[int]]

STEPS: dict[str, Step] = {
    "connector_members.user_id": leave_connectors,
    "event_attendees.user_id": leave_events,
    **{f"{name}.user_id": remove_marks(name) for name in COUNTED},
    "embeddings.subject_id": embeddings.erase,
    "search_documents.subject_id": vocabulary.erase,
    **redaction.STEPS,
}
"""Steps of locations that need more than a delete or a null."""

# Validity of presigned upload links, plus a minute for an upload in progress.
_UPLOAD_LINK_VALIDITY = timedelta(seconds=LINK_SECONDS + 60)

_CLEARED_COLUMNS = (
    *("avatar_url", "neighborhood", "city", "state", "country", "postal_code", "phone", "phone_encrypted"),
    *("email_encrypted", "home_encrypted", "home_cell", "last_login", "suspended_until", "personalization_reset_at"),
    "language",
)


@queue.task("privacy.erase", priority=queue.Priority.URGENT)
async def erase(context: AppContext, *, erasure_id: str) -> None:
    """Erase a user; a repetition changes nothing."""
    async with context.transaction() as session:
        erasure = await session.scalar(select(Erasure).where(Erasure.id == UUID(erasure_id)))
    if erasure is None or erasure.done_at is not None:
        return
    for location in PRODUCT_LOCATIONS:
        if location.name != "users":
            await _process(context, erasure, location)
    await _send_confirmation(context, erasure)
    async with context.transaction() as session:
        await _redact_account(session, erasure)
        await _add_line(session, erasure, USERS_LOCATION, row_count=1)
        done = update(Erasure).where(Erasure.id == erasure.id).values(done_at=datetime.now(UTC))
        await session.execute(done.execution_options(synchronize_session=False))
        await sign_if_complete(session, erasure_id=erasure.id, settings=context.settings)
        await queue.defer(
            session, remove_late_uploads, at=datetime.now(UTC) + _UPLOAD_LINK_VALIDITY, erasure_id=erasure_id
        )
    # Until then the lexemes are in ``search_changes``.
    await vocabulary.count_all(context)
    log.info("erasure.completed", erasure=erasure_id)


@queue.task("privacy.remove_late_uploads", priority=queue.Priority.URGENT)
async def remove_late_uploads(context: AppContext, *, erasure_id: str) -> None:
    """Remove uploads made through presigned links that were issued before the erasure."""
    async with context.transaction() as session:
        user_id = (await session.scalars(select(Erasure.user_id).where(Erasure.id == UUID(erasure_id)))).one()
    number = await open_media(context).objects.remove_of(str(user_id))
    log.info("erasure.late_uploads_removed", erasure=erasure_id, objects=number)


async def _process(context: AppContext, erasure: Erasure, location: DataLocation) -> None:
    """Process a location and add its line in one transaction, unless the receipt has the line."""
    async with context.transaction() as session:
        receipt = await session.scalar(select(Erasure.receipt).where(Erasure.id == erasure.id).with_for_update())
        if any(line["location"] == location.label for line in receipt or []):
            return
        if location.name == RetiredUsername.__tablename__:
            row_count: int | None = await _retire_username(context, session, erasure)
        elif location.store is Store.DATABASE:
            row_count = await _erase_rows(context, session, erasure, location)
        else:
            row_count = await _erase_outside_tables(context, session, erasure, location)
        await _add_line(session, erasure, location, row_count=row_count)


async def _retire_username(context: AppContext, session: AsyncSession, erasure: Erasure) -> int:
    """Store the hash of the username before the account is redacted, so that nobody can register it in between."""
    username = await session.scalar(select(User.username).where(User.id == erasure.user_id))
    name_hash = context.cipher.blind_index(usernames.retired(username or ""))
    await session.execute(insert(RetiredUsername).values(name_hash=name_hash).on_conflict_do_nothing())
    return 1


async def _add_line(session: AsyncSession, erasure: Erasure, location: DataLocation, *, row_count: int | None) -> None:
    line = {
        "location": location.label,
        "action": location.action,
        "row_count": row_count,
        "completed_at": datetime.now(UTC).isoformat(),
    }
    lines = Erasure.receipt.concat(literal([line], JSONB))
    statement = update(Erasure).where(Erasure.id == erasure.id).values(receipt=lines)
    await session.execute(statement.execution_options(synchronize_session=False))


async def _erase_rows(context: AppContext, session: AsyncSession, erasure: Erasure, location: DataLocation) -> int:
    if location.name == MediaEngagement.__tablename__:
        return await engagement.erase_user(session, open_media(context).documents, user_id=erasure.user_id)
    step = STEPS.get(f"{location.name}.{location.subject_key}")
    if step is not None:
        return await step(session, erasure)
    rows, of_user = table(location.name), column(location.subject_key) == erasure.user_id
    if location.action is ErasureAction.DELETED:
        return int((await session.execute(delete(rows).where(of_user))).rowcount)  # type: ignore[attr-defined]
    if location.action is ErasureAction.UNLINKED:
        unlinked = (
            update(table(location.name, column(location.subject_key)))
            .where(of_user)
            .values({location.subject_key: None})
        )
        return int((await session.execute(unlinked)).rowcount)  # type: ignore[attr-defined]
    return await session.scalar(select(func.count()).select_from(rows).where(of_user)) or 0


async def _erase_outside_tables(
    context: AppContext, session: AsyncSession, erasure: Erasure, location: DataLocation
) -> int | None:
    user_id = str(erasure.user_id)
    if location.store is Store.DOCUMENTS:
        return await _documents(context, location=location, user_id=user_id)
    if location.store is Store.OBJECTS:
        return await open_media(context).objects.remove_of(user_id)
    if location.store is Store.REDIS and location.action is ErasureAction.DELETED:
        return await _in_redis(context.redis, location=location, user_id=user_id)
    if location.store is Store.QUEUE:
        queued = text(
            "DELETE FROM procrastinate_jobs WHERE status IN ('todo', 'failed') AND "
            "(args->>'user_id' = :user_id OR args->'notice'->>'actor_id' = :user_id)"
        )
        return int((await session.execute(queued, {"user_id": user_id})).rowcount)  # type: ignore[attr-defined]
    if location.store is Store.MAIL:
        user = await session.get_one(User, erasure.user_id)
        return await asyncio.to_thread(mailer.purge, context.settings, to=email_of(context.cipher, user))
    return None


async def _in_redis(redis: Redis, *, location: DataLocation, user_id: str) -> int:
    if location.subject_key == "member":
        return int(await redis.zrem(location.name, user_id))
    return int(await redis.delete(location.name.replace("*", user_id)))


async def _documents(context: AppContext, *, location: DataLocation, user_id: str) -> int:
    documents, number = open_media(context).documents, 0
    while rows := await documents.find(location.name, matching={location.subject_key: user_id}, limit=100):
        for row in rows:
            await documents.delete(location.name, document_id=row.id)
        number += len(rows)
    return number


async def _send_confirmation(context: AppContext, erasure: Erasure) -> None:
    """Send the final email while the address is known; without an SMTP server it would stay in the email folder."""
    if context.settings.smtp_url is None:
        return
    async with context.transaction() as session:
        user = await session.get_one(User, erasure.user_id)
        language = await language_of(session, erasure.user_id)
        to = email_of(context.cipher, user)
    await mailer.send_now(
        context.settings,
        to=to,
        subject=letters.render("erased.subject", language),
        text=f"{letters.render('erased.text', language)}\n",
    )


async def _redact_account(session: AsyncSession, erasure: Erasure) -> None:
    """Redact the account; the row stays so that replies of other users keep an author to refer to."""
    values: dict[str, Any] = dict.fromkeys(_CLEARED_COLUMNS) | {
        "email_hash": f"erased-{erasure.id}",
        "username": f"erased-{erasure.id.hex[:20]}",
        "password_hash": "!",
        "first_name": "Former",
        "last_name": "Neighbor",
        "interests": [],
        "verified": False,
        "reputation": 0,
        "is_active": False,
        "personalised": False,
        "analysed": False,
        "shows_read_receipts": True,
        "role": "member",
        "erased_at": datetime.now(UTC),
        "updated_at": datetime.now(UTC),
    }
    await session.execute(update(User).where(User.id == erasure.user_id).values(values))
