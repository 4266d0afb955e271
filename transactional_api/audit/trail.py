"""The audit trail: an entry beside every change, in its transaction; then sealed into a chain of digests.

Sealing is a job of its own, since a chain that every writer appends to would let only one write at a time. An entry
can be changed unseen for the minute before it is sealed, and not after: each digest covers the one before.
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
    """What a look at the chain found: how many entries hold, and the first that does not or why else it is broken."""

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
    """Put what is committed into the chain, in the order that it is found in."""
    while True:
        async with resources.transaction() as session:
            if await seal_some(session) < BATCH:
                return


async def seal_some(session: AsyncSession) -> int:
    """Seal at most a batch of entries; returns how many."""
    await session.execute(_ONE_SEALER)
    newest = select(AuditEntry.place, AuditEntry.digest).where(AuditEntry.place.is_not(None))
    last = (await session.execute(newest.order_by(AuditEntry.place.desc()).limit(1))).one_or_none()
    place, digest = (last.place or 0, last.digest or BEGINNING) if last else (0, BEGINNING)
    waiting = select(AuditEntry).where(AuditEntry.place.is_(None)).order_by(AuditEntry.id).limit(BATCH)
    entries = (await session.scalars(waiting)).all()
    for entry in entries:
        place, digest = place + 1, digest_of(entry, place=place + 1, before=digest)
        entry.place, entry.digest = place, digest
    await session.flush()
    if entries:
        # Kept elsewhere with the logs, so that taking off the chain's end shows, too.
        log.info("audit.sealed", place=place, digest=digest)
    return len(entries)


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


async def verify(session: AsyncSession) -> Verdict:
    """Look at the whole chain: every digest, every place, and what should have been sealed long ago."""
    place, digest = 0, BEGINNING
    while links := await _links(session, after=place):
        for entry in links:
            if entry.place != place + 1:
                return Verdict(place, 0, f"entry {place + 1} of the chain is missing")
            if entry.digest != digest_of(entry, place=entry.place, before=digest):
                return Verdict(place, 0, f"entry {entry.place} of the chain (id {entry.id}) was changed")
            place, digest = entry.place, entry.digest
    waiting = select(func.count(), func.min(AuditEntry.at) < func.now() - SEALED_WITHIN)
    unsealed, late = (await session.execute(waiting.where(AuditEntry.place.is_(None)))).one()
    fault = "entries wait longer than they should; does the jobs worker run?" if late else None
    return Verdict(place, unsealed, fault)


async def _links(session: AsyncSession, *, after: int) -> Sequence[AuditEntry]:
    links = select(AuditEntry).where(AuditEntry.place > after).order_by(AuditEntry.place).limit(BATCH)
    found = (await session.scalars(links)).all()
    session.expunge_all()
    return found
