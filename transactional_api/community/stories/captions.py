"""Captions of stories and reels as rows, so that they are screened, reported and hidden like other texts."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import Connector, MediaCaption, User
from transactional_api.core.documents import StoredDocument
from transactional_api.core.jobs import queue
from transactional_api.core.media.stores import open_media
from transactional_api.core.moderation import SubjectKind, request_screening
from transactional_api.identity.users.mentions import mention

_KINDS = {"stories": SubjectKind.STORY, "reels": SubjectKind.REEL}
_FIELDS = ("title", "content", "description")
_BATCH = 100

log = get_logger(__name__)


async def add(session: AsyncSession, kind: SubjectKind, stored: StoredDocument) -> None:
    """Insert the caption of a story or reel and queue its screening; idempotent."""
    document = stored.document
    caption = "\n".join(str(document[name]) for name in _FIELDS if document.get(name))
    new = insert(MediaCaption).values(
        id=stored.id,
        kind=kind,
        connector_id=UUID(document["connector_id"]),
        author_id=UUID(document["author_id"]),
        caption=caption,
        created_at=stored.created_at,
        expires_at=stored.expires_at,
    )
    if await session.scalar(new.on_conflict_do_nothing().returning(MediaCaption.id)) is not None:
        await mention(session, actor_id=UUID(document["author_id"]), subject=(kind, stored.id), text=caption)
        await request_screening(session, kind, stored.id)


async def hidden_of(session: AsyncSession, document_ids: Collection[UUID]) -> set[UUID]:
    """Return the ids that moderation hides."""
    hidden = select(MediaCaption.id).where(MediaCaption.id.in_(document_ids), MediaCaption.is_active.is_(False))
    return set(await session.scalars(hidden))


@queue.periodic("47 4 * * *")
@queue.task("media.add_captions", priority=queue.Priority.UPKEEP)
async def add_missing(context: AppContext, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Add missing captions, of documents whose transaction failed."""
    documents, count = open_media(context).documents, 0
    for collection, kind in _KINDS.items():
        before = None
        while batch := await documents.find(collection, matching={"is_active": True}, limit=_BATCH, before=before):
            before = (batch[-1].created_at, batch[-1].id)
            async with context.transaction() as session:
                count += await _add_missing_of(session, kind, batch)
    log.info("media.captions_added", count=count)


async def _add_missing_of(session: AsyncSession, kind: SubjectKind, batch: list[StoredDocument]) -> int:
    existing = set(
        await session.scalars(select(MediaCaption.id).where(MediaCaption.id.in_([document.id for document in batch])))
    )
    authors = {UUID(document.document["author_id"]) for document in batch}
    authors = set(await session.scalars(select(User.id).where(User.id.in_(authors))))
    connectors = {UUID(document.document["connector_id"]) for document in batch}
    connectors = set(await session.scalars(select(Connector.id).where(Connector.id.in_(connectors))))
    missing = [
        document
        for document in batch
        if document.id not in existing
        and UUID(document.document["author_id"]) in authors
        and UUID(document.document["connector_id"]) in connectors
    ]
    for document in missing:
        await add(session, kind, document)
    return len(missing)
