"""Stories and reels: documents whose connector, in PostgreSQL, says who sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors.access import Access, access
from transactional_api.db.tables import MediaCaption, MediaMark, User
from transactional_api.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.media import service as uploads
from transactional_api.media.documents import StoredDocument
from transactional_api.media.processing import MediaKind
from transactional_api.media.schemas import MediaOut, UploadState
from transactional_api.media.stores import Media
from transactional_api.moderation.schemas import SubjectKind
from transactional_api.moments import captions
from transactional_api.moments.schemas import NewReel, NewStory, ReelOut, StoryOut
from transactional_api.paging import Cursor, Page, PageRequest
from transactional_api.users import queries as users


class Collection(StrEnum):
    """Where the documents are."""

    STORIES = "stories"
    REELS = "reels"


class Mark(StrEnum):
    """What a person does with a story or reel once, and the document's number of it."""

    VIEW = "view"
    LIKE = "like"


_COUNTED = {Mark.VIEW: "views", Mark.LIKE: "likes"}


class MediaNotReadyError(Problem):
    """The upload is not ready, or not of the right kind."""

    status, code, title = 409, "media_not_ready", "Use an upload of yours that is ready and of the right kind"


@dataclass(frozen=True, slots=True)
class Found:
    """A story or reel that the viewer may see."""

    stored: StoredDocument
    access: Access
    is_author: bool


async def create_story(session: AsyncSession, *, media: Media, viewer: Viewer, body: NewStory) -> StoryOut:
    """Show an upload in a connector for some hours.

    Raises:
        NotFoundError: when the viewer may not see the connector, or the upload is not theirs.
        ForbiddenError: when they see the connector but do not belong to it.
        MediaNotReadyError: when the upload cannot be shown.
    """
    await _check(session, media=media, viewer=viewer, body=body, kinds=set(MediaKind))
    document = _document(viewer, body) | {"content": body.content, "duration": body.duration}
    expires_at = datetime.now(UTC) + timedelta(hours=body.duration)
    stored = await media.documents.insert(Collection.STORIES, document=document, expires_at=expires_at)
    await captions.add(session, SubjectKind.STORY, stored)
    return await story_out(session, media=media, viewer=viewer, stored=stored)


async def create_reel(session: AsyncSession, *, media: Media, viewer: Viewer, body: NewReel) -> ReelOut:
    """Show a video in a connector; raises what ``create_story`` does."""
    upload = await _check(session, media=media, viewer=viewer, body=body, kinds={MediaKind.VIDEO})
    document = _document(viewer, body) | {
        "description": body.description,
        "duration": _minutes(upload.seconds),
        "likes": 0,
    }
    stored = await media.documents.insert(Collection.REELS, document=document)
    await captions.add(session, SubjectKind.REEL, stored)
    return await reel_out(session, media=media, viewer=viewer, stored=stored)


async def page_of(
    session: AsyncSession,
    *,
    media: Media,
    viewer: Viewer,
    collection: Collection,
    connector_id: UUID,
    page: PageRequest,
) -> tuple[list[StoredDocument], str | None]:
    """Return a connector's stories or reels, the newest first, and the cursor after them.

    A page may be shorter than asked where somebody with a block between them and the viewer is left out.
    """
    await access(session, viewer=viewer, connector_id=connector_id)
    before = (page.cursor.at, page.cursor.id) if page.cursor else None
    rows = await media.documents.find(
        collection, matching={"connectorId": str(connector_id)}, limit=page.limit + 1, before=before
    )
    shown = rows[: page.limit]
    authors = {UUID(row.document["authorId"]) for row in shown}
    hidden = await captions.hidden_of(session, {row.id for row in shown})
    seen = set(await session.scalars(users.visible_to(viewer).with_only_columns(User.id).where(User.id.in_(authors))))
    cursor = Cursor(shown[-1].created_at, shown[-1].id).encode() if len(rows) > page.limit else None
    return [row for row in shown if UUID(row.document["authorId"]) in seen and row.id not in hidden], cursor


async def find(
    session: AsyncSession, *, media: Media, viewer: Viewer, collection: Collection, document_id: UUID
) -> Found:
    """Find a story or reel; raises ``NotFoundError`` when the viewer may not see it."""
    stored = await media.documents.get(collection, document_id=document_id)
    if stored is None or await captions.hidden_of(session, {document_id}):
        raise NotFoundError
    found = await access(session, viewer=viewer, connector_id=UUID(stored.document["connectorId"]))
    author_id = UUID(stored.document["authorId"])
    if await session.scalar(users.visible_to(viewer).where(User.id == author_id)) is None:
        raise NotFoundError
    return Found(stored, found, author_id == viewer.id)


async def remove(
    session: AsyncSession, *, media: Media, viewer: Viewer, collection: Collection, document_id: UUID
) -> None:
    """Take a story or reel away; for its author and for who tends the connector. The upload stays its author's."""
    found = await find(session, media=media, viewer=viewer, collection=collection, document_id=document_id)
    if not found.is_author and not found.access.tends:
        raise ForbiddenError("Only its author, a moderator or an admin may delete this")
    await media.documents.delete(collection, document_id=document_id)
    await session.execute(delete(MediaMark).where(MediaMark.document_id == document_id))
    await session.execute(delete(MediaCaption).where(MediaCaption.id == document_id))


async def mark(
    session: AsyncSession,
    *,
    media: Media,
    viewer: Viewer,
    collection: Collection,
    document_id: UUID,
    kind: Mark,
    on: bool = True,
) -> None:
    """View or like once, or take a like back; the author's own views do not count."""
    found = await find(session, media=media, viewer=viewer, collection=collection, document_id=document_id)
    if kind is Mark.VIEW and found.is_author:
        return
    mine = {"document_id": document_id, "user_id": viewer.id, "kind": kind}
    statement: Any = (
        insert(MediaMark).values(mine).on_conflict_do_nothing() if on else delete(MediaMark).filter_by(**mine)
    )
    if await session.scalar(statement.returning(MediaMark.id)) is not None:
        number = 1 if on else -1
        await media.documents.add(collection, document_id=document_id, field=_COUNTED[kind], number=number)


async def stories_out(
    session: AsyncSession, *, media: Media, viewer: Viewer, rows: Sequence[StoredDocument], cursor: str | None
) -> Page[StoryOut]:
    """Return stories as the viewer sees them."""
    items = [await story_out(session, media=media, viewer=viewer, stored=row) for row in rows]
    return Page(items=items, next_cursor=cursor)


async def reels_out(
    session: AsyncSession, *, media: Media, viewer: Viewer, rows: Sequence[StoredDocument], cursor: str | None
) -> Page[ReelOut]:
    """Return reels as the viewer sees them."""
    items = [await reel_out(session, media=media, viewer=viewer, stored=row) for row in rows]
    return Page(items=items, next_cursor=cursor)


async def story_out(session: AsyncSession, *, media: Media, viewer: Viewer, stored: StoredDocument) -> StoryOut:
    """Return a story as the viewer sees it."""
    upload = await _upload(session, media=media, viewer=viewer, stored=stored)
    assert stored.expires_at is not None  # noqa: S101 (stories always expire)
    return StoryOut(
        **_shared(stored, upload),
        content=stored.document["content"],
        media_url=upload.url if upload else None,
        duration=stored.document["duration"],
        expires_at=stored.expires_at,
    )


async def reel_out(session: AsyncSession, *, media: Media, viewer: Viewer, stored: StoredDocument) -> ReelOut:
    """Return a reel as the viewer sees it."""
    upload = await _upload(session, media=media, viewer=viewer, stored=stored)
    liked = await session.scalar(
        select(MediaMark.id).filter_by(document_id=stored.id, user_id=viewer.id, kind=Mark.LIKE)
    )
    return ReelOut(
        **_shared(stored, upload),
        description=stored.document["description"],
        video_url=upload.url if upload else None,
        duration=stored.document["duration"],
        likes=stored.document["likes"],
        liked=liked is not None,
    )


async def _check(
    session: AsyncSession, *, media: Media, viewer: Viewer, body: NewStory | NewReel, kinds: set[MediaKind]
) -> MediaOut:
    found = await access(session, viewer=viewer, connector_id=body.connector_id)
    if found.role is None:
        raise ForbiddenError("Join the connector to show something in it")
    await uploads.own(media, viewer=viewer, media_id=body.media_id)
    upload = await uploads.get(session, media=media, viewer=viewer, media_id=body.media_id)
    if upload.state is not UploadState.READY or upload.kind not in kinds:
        raise MediaNotReadyError
    return upload


def _document(viewer: Viewer, body: NewStory | NewReel) -> dict[str, Any]:
    return {
        "connectorId": str(body.connector_id),
        "authorId": str(viewer.id),
        "title": body.title,
        "mediaId": str(body.media_id),
        "views": 0,
        "isActive": True,
    }


async def _upload(session: AsyncSession, *, media: Media, viewer: Viewer, stored: StoredDocument) -> MediaOut | None:
    try:
        return await uploads.get(session, media=media, viewer=viewer, media_id=UUID(stored.document["mediaId"]))
    except NotFoundError:  # Its author deleted the upload.
        return None


def _shared(stored: StoredDocument, upload: MediaOut | None) -> dict[str, Any]:
    smallest = min(upload.thumbnails, key=int) if upload and upload.thumbnails else None
    return {
        "id": stored.id,
        "connector_id": stored.document["connectorId"],
        "author_id": stored.document["authorId"],
        "title": stored.document["title"],
        "media_id": stored.document["mediaId"],
        "thumbnail_url": upload.thumbnails[smallest] if upload and smallest else None,
        "views": stored.document["views"],
        "created_at": stored.created_at,
    }


def _minutes(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
