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
from transactional_api.audit.heads import Head, PublishedHeads
from transactional_api.db.tables import AuditEntry
from transactional_api.jobs import queue
from transactional_api.resources import Resources

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
    """Say who acts in the session's transaction, which makes it an entry of the trail."""
    session.info[_ACTOR] = user_id


async def enter(session: AsyncSession, request: Request) -> None:
    """Write the entry of a request that somebody acted in."""
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
async def seal(resources: Resources, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Seal what was committed, each minute."""
    await seal_and_publish(resources)


async def seal_and_publish(resources: Resources) -> None:
    """Add committed entries to the chain, and publish its new head."""
    while True:
        async with resources.transaction() as session:
            if await seal_some(session) < BATCH:
                break
    published = PublishedHeads(resources.settings)
    async with resources.transaction() as session:
        head = await newest_link(session)
    if head is not None and head != await published.newest():
        await published.publish(head)


async def seal_some(session: AsyncSession) -> int:
    """Seal at most a batch of entries; returns how many."""
    await session.execute(_ONE_SEALER)
    last = await newest_link(session) or Head(0, BEGINNING)
    place, digest = last.place, last.digest
    waiting = select(AuditEntry).where(AuditEntry.place.is_(None)).order_by(AuditEntry.id).limit(BATCH)
    entries = (await session.scalars(waiting)).all()
    for entry in entries:
        place, digest = place + 1, digest_of(entry, place=place + 1, before=digest)
        entry.place, entry.digest = place, digest
    await session.flush()
    if entries:
        log.info("audit.sealed", place=place, digest=digest)
    return len(entries)


async def newest_link(session: AsyncSession) -> Head | None:
    """Return the end of the chain in the database, None where nothing is sealed."""
    links = select(AuditEntry.place, AuditEntry.digest).where(AuditEntry.place.is_not(None))
    last = (await session.execute(links.order_by(AuditEntry.place.desc()).limit(1))).one_or_none()
    return Head(last.place or 0, last.digest or BEGINNING) if last else None


def digest_of(entry: AuditEntry, *, place: int, before: str) -> str:
    """Return the SHA-256 of an entry, its place, and the digest before it; hex."""
    said = [
        before,
        place,
        entry.id,
        entry.at.astimezone(UTC).isoformat(),
        str(entry.actor_id),
        entry.action,
        entry.subject,
        entry.request_id,
    ]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


async def verify(session: AsyncSession, *, published: Head | None) -> Verdict:
    """Verify the whole chain: every digest, every place, the published head, and that sealing goes on.

    Args:
        session: of the database with the chain.
        published: the newest head of the audit bucket, None where it has none.
    """
    place, digest = 0, BEGINNING
    while links := await _links(session, after=place):
        for entry in links:
            if entry.place != place + 1:
                return Verdict(place, 0, f"entry {place + 1} of the chain is missing")
            if entry.digest != digest_of(entry, place=entry.place, before=digest):
                return Verdict(place, 0, f"entry {entry.place} of the chain (id {entry.id}) was changed")
            place, digest = entry.place, entry.digest
            if published is not None and place == published.place and digest != published.digest:
                return Verdict(place - 1, 0, f"entry {place} of the chain is not the one whose head was published")
    if published is not None and place < published.place:
        return Verdict(place, 0, f"the chain ends at {place}, and the head of {published.place} was published")
    if published is None and place:
        return Verdict(place, 0, "no head was ever published; does the jobs worker reach the audit bucket?")
    waiting = select(func.count(), func.min(AuditEntry.at) < func.now() - SEALED_WITHIN)
    unsealed, late = (await session.execute(waiting.where(AuditEntry.place.is_(None)))).one()
    fault = "entries wait longer than they should; does the jobs worker run?" if late else None
    return Verdict(place, unsealed, fault)


async def _links(session: AsyncSession, *, after: int) -> Sequence[AuditEntry]:
    links = select(AuditEntry).where(AuditEntry.place > after).order_by(AuditEntry.place).limit(BATCH)
    found = (await session.scalars(links)).all()
    session.expunge_all()
    return found
