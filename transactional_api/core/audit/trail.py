"""The audit trail: an entry for every change, in its transaction, then sealed into a chain of digests.

Sealing is a separate job, since a chain that every writer appends to would let only one write at a time. Each digest
covers the one before, and the job publishes the signed head of the chain outside of the database (``audit.heads``).
An entry can be changed without a trace for the minute before it is sealed and its head published, and not after.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from uuid import UUID

import orjson
from fastapi import Request
from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from transactional_api.core.app_context import AppContext
from transactional_api.core.audit.heads import Head, PublishedHeads
from transactional_api.core.db.tables import AuditEntry
from transactional_api.core.jobs import queue

BATCH = 1_000
SEALED_WITHIN = timedelta(minutes=10)
BEGINNING = "0" * 64
_ACTOR = "neighborconnect.actor"
_ONE_SEALER = text("SELECT pg_advisory_xact_lock(hashtextextended('audit_log', 0))")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a verification: how many entries are valid, and why the chain is broken if it is."""

    entries: int
    unsealed: int
    fault: str | None


def acts(session: AsyncSession, user_id: UUID) -> None:
    """Record the actor of the session's transaction, so that the request gets an audit entry."""
    session.info[_ACTOR] = user_id


async def enter_event(
    session: AsyncSession, *, actor_id: UUID, action: str, subject: dict[str, str], request_id: str
) -> None:
    """Write an entry for a change that no request of its actor made, such as a job's."""
    entry = {"actor_id": actor_id, "action": action, "subject": subject, "request_id": request_id}
    await session.execute(insert(AuditEntry).values(entry))


async def enter(session: AsyncSession, request: Request) -> None:
    """Write the audit entry of a request with a recorded actor."""
    actor_id = session.info.get(_ACTOR)
    if actor_id is None:
        return
    action = f"{request.method} {getattr(request.scope.get('route'), 'path', request.url.path)}"
    await session.execute(
        insert(AuditEntry).values(
            actor_id=actor_id,
            action=action,
            subject={name: str(value) for name, value in request.path_params.items()},
            request_id=request.scope["request_id"],
        )
    )


@queue.periodic("* * * * *")
@queue.task("audit.seal")
async def seal(context: AppContext, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Seal committed entries each minute."""
    await seal_and_publish(context)


async def seal_and_publish(context: AppContext) -> None:
    """Add committed entries to the chain, and publish its new head."""
    while True:
        async with context.transaction() as session:
            if await seal_some(session) < BATCH:
                break
    published = PublishedHeads(context.settings)
    async with context.transaction() as session:
        head = await newest_link(session)
    if head is not None and head != await published.newest():
        await published.publish(head)


async def seal_some(session: AsyncSession) -> int:
    """Seal at most a batch of entries; return their number."""
    await session.execute(_ONE_SEALER)
    last = await newest_link(session) or Head(0, BEGINNING)
    position, digest = last.position, last.digest
    waiting = select(AuditEntry).where(AuditEntry.position.is_(None)).order_by(AuditEntry.id).limit(BATCH)
    entries = (await session.scalars(waiting)).all()
    for entry in entries:
        position, digest = position + 1, digest_of(entry, position=position + 1, before=digest)
        entry.position, entry.digest = position, digest
    await session.flush()
    if entries:
        log.info("audit.sealed", position=position, digest=digest)
    return len(entries)


async def newest_link(session: AsyncSession) -> Head | None:
    """Return the end of the chain in the database, None where nothing is sealed."""
    links = select(AuditEntry.position, AuditEntry.digest).where(AuditEntry.position.is_not(None))
    last = (await session.execute(links.order_by(AuditEntry.position.desc()).limit(1))).one_or_none()
    return Head(last.position or 0, last.digest or BEGINNING) if last else None


def digest_of(entry: AuditEntry, *, position: int, before: str) -> str:
    """Return the SHA-256 of an entry, its position, and the digest before it; hex."""
    fields = [
        before,
        position,
        entry.id,
        entry.created_at.astimezone(UTC).isoformat(),
        str(entry.actor_id),
        entry.action,
        entry.subject,
        entry.request_id,
    ]
    return hashlib.sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()


async def verify(session: AsyncSession, *, published: Head | None) -> Verdict:
    """Verify the whole chain: every digest, every position, the published head, and that sealing goes on.

    Args:
        session: of the database with the chain.
        published: the newest head of the audit bucket, None where it has none.
    """
    position, digest = 0, BEGINNING
    while links := await _links(session, after=position):
        for entry in links:
            if entry.position != position + 1:
                return Verdict(position, 0, f"entry {position + 1} of the chain is missing")
            if entry.digest != digest_of(entry, position=entry.position, before=digest):
                return Verdict(position, 0, f"entry {entry.position} of the chain (id {entry.id}) was changed")
            position, digest = entry.position, entry.digest
            if published is not None and position == published.position and digest != published.digest:
                return Verdict(
                    position - 1, 0, f"entry {position} of the chain is not the one whose head was published"
                )
    if published is not None and position < published.position:
        return Verdict(position, 0, f"the chain ends at {position}, and the head of {published.position} was published")
    if published is None and position:
        return Verdict(position, 0, "no head was ever published; does the jobs worker reach the audit bucket?")
    waiting = select(func.count(), func.min(AuditEntry.created_at) < func.now() - SEALED_WITHIN)
    unsealed, late = (await session.execute(waiting.where(AuditEntry.position.is_(None)))).one()
    fault = "entries wait longer than they should; does the jobs worker run?" if late else None
    return Verdict(position, unsealed, fault)


async def _links(session: AsyncSession, *, after: int) -> Sequence[AuditEntry]:
    links = select(AuditEntry).where(AuditEntry.position > after).order_by(AuditEntry.position).limit(BATCH)
    entries = (await session.scalars(links)).all()
    session.expunge_all()
    return entries
