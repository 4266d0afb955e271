"""Captions of stories and reels as rows, so that they are screened, reported and hidden like every other text."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from transactional_api.db.tables import Connector, MediaCaption, User
from transactional_api.jobs import queue
from transactional_api.media.documents import StoredDocument
from transactional_api.media.stores import open_media
from transactional_api.moderation import screening
from transactional_api.moderation.schemas import SubjectKind
from transactional_api.resources import Resources

_KINDS = {"stories": SubjectKind.STORY, "reels": SubjectKind.REEL}
_FIELDS = ("title", "content", "description")
_AT_ONCE = 100

log = get_logger(__name__)


async def add(session: AsyncSession, kind: SubjectKind, stored: StoredDocument) -> None:
    """Add the caption of a story or reel and have it screened; twice changes nothing."""
    document = stored.document
    caption = insert(MediaCaption).values(
        id=stored.id,
        kind=kind,
        connector_id=UUID(document["connectorId"]),
        author_id=UUID(document["authorId"]),
        words="\n".join(str(document[name]) for name in _FIELDS if document.get(name)),
        created_at=stored.created_at,
        expires_at=stored.expires_at,
    )
    if await session.scalar(caption.on_conflict_do_nothing().returning(MediaCaption.id)) is not None:
        await screening.screen(session, kind, stored.id)


async def hidden_of(session: AsyncSession, document_ids: Collection[UUID]) -> set[UUID]:
    """Return those that moderation hides."""
    hidden = select(MediaCaption.id).where(MediaCaption.id.in_(document_ids), MediaCaption.is_active.is_(False))
    return set(await session.scalars(hidden))


@queue.periodic("47 4 * * *")
@queue.task("media.add_captions", priority=queue.Priority.UPKEEP)
async def add_missing(resources: Resources, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Add captions that are missing: of documents that are older than captions, or whose transaction failed."""
    documents, number = open_media(resources).documents, 0
    for collection, kind in _KINDS.items():
        before = None
        while found := await documents.find(collection, matching={"isActive": True}, limit=_AT_ONCE, before=before):
            before = (found[-1].created_at, found[-1].id)
            async with resources.transaction() as session:
                number += await _add_missing_of(session, kind, found)
    log.info("media.captions_added", number=number)


async def _add_missing_of(session: AsyncSession, kind: SubjectKind, found: list[StoredDocument]) -> int:
    known = set(await session.scalars(select(MediaCaption.id).where(MediaCaption.id.in_([one.id for one in found]))))
    authors = {UUID(one.document["authorId"]) for one in found}
    authors = set(await session.scalars(select(User.id).where(User.id.in_(authors))))
    places = {UUID(one.document["connectorId"]) for one in found}
    places = set(await session.scalars(select(Connector.id).where(Connector.id.in_(places))))
    missing = [
        one
        for one in found
        if one.id not in known
        and UUID(one.document["authorId"]) in authors
        and UUID(one.document["connectorId"]) in places
    ]
    for one in missing:
        await add(session, kind, one)
    return len(missing)
