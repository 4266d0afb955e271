"""Stories and reels: documents whose visibility follows from their connector in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.connectors.access import ConnectorAccess, get_connector_access
from transactional_api.community.media import service as uploads
from transactional_api.community.media.schemas import MediaOut
from transactional_api.community.stories import captions, engagement
from transactional_api.community.stories.engagement import Collection, Engagement
from transactional_api.community.stories.schemas import NewReel, NewStory, ReelOut, StoryOut
from transactional_api.core.db.tables import MediaCaption, MediaEngagement
from transactional_api.core.documents import StoredDocument
from transactional_api.core.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.core.media.processing import MediaKind
from transactional_api.core.media.stores import MediaStores, UploadState
from transactional_api.core.moderation import SubjectKind
from transactional_api.core.notices import Notice, NoticeKind, notify
from transactional_api.core.pagination import Cursor, Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users.people import Person, visible_people


class MediaNotReadyError(Problem):
    """The upload is not processed, or of the wrong kind."""

    status, code, title = 409, "media_not_ready", "Use a processed upload of yours of the right kind"


@dataclass(frozen=True, slots=True)
class AuthoredDocument:
    """Story or reel and its author."""

    stored: StoredDocument
    author: Person


@dataclass(frozen=True, slots=True)
class VisibleStory(AuthoredDocument):
    """Story or reel that the viewer may see."""

    access: ConnectorAccess
    is_author: bool


async def create_story(session: AsyncSession, *, media: MediaStores, viewer: Viewer, body: NewStory) -> StoryOut:
    """Create a story in a connector.

    Raises:
        NotFoundError: when the viewer may not see the connector, or does not own the upload.
        ForbiddenError: when the viewer is not a member of the connector.
        MediaNotReadyError: when the upload is not processed.
    """
    await _check(session, media=media, viewer=viewer, body=body, kinds=set(MediaKind))
    document = _document(viewer, body) | {"content": body.content, "duration_seconds": body.duration_seconds}
    expires_at = datetime.now(UTC) + timedelta(seconds=body.duration_seconds)
    stored = await media.documents.insert(Collection.STORIES, document=document, expires_at=expires_at)
    await captions.add(session, SubjectKind.STORY, stored)
    return story_out(AuthoredDocument(stored, await _viewer_person(session, viewer)))


async def create_reel(session: AsyncSession, *, media: MediaStores, viewer: Viewer, body: NewReel) -> ReelOut:
    """Create a reel in a connector; raises the errors of ``create_story``."""
    upload = await _check(session, media=media, viewer=viewer, body=body, kinds={MediaKind.VIDEO})
    document = _document(viewer, body) | {
        "description": body.description,
        "duration_seconds": upload.duration_seconds,
        "like_count": 0,
    }
    stored = await media.documents.insert(Collection.REELS, document=document)
    await captions.add(session, SubjectKind.REEL, stored)
    reel = AuthoredDocument(stored, await _viewer_person(session, viewer))
    return (await reels_out(session, viewer=viewer, rows=[reel], cursor=None)).items[0]


async def list_documents(
    session: AsyncSession,
    *,
    media: MediaStores,
    viewer: Viewer,
    collection: Collection,
    connector_id: UUID,
    page: PageRequest,
) -> tuple[list[AuthoredDocument], str | None]:
    """Return a page of a connector's stories or reels, newest first, and the next cursor.

    A page may have fewer items than its limit, because hidden items and authors are removed after the query.
    """
    await get_connector_access(session, viewer=viewer, connector_id=connector_id)
    before = (page.cursor.at, page.cursor.id) if page.cursor else None
    rows = await media.documents.find(
        collection, matching={"connector_id": str(connector_id)}, limit=page.limit + 1, before=before
    )
    documents = rows[: page.limit]
    authors = {UUID(row.document["author_id"]) for row in documents}
    hidden = await captions.hidden_of(session, {row.id for row in documents})
    visible_authors = await visible_people(session, viewer=viewer, user_ids=authors)
    cursor = Cursor(documents[-1].created_at, documents[-1].id).encode() if len(rows) > page.limit else None
    return [
        AuthoredDocument(row, visible_authors[author_id])
        for row in documents
        if (author_id := UUID(row.document["author_id"])) in visible_authors and row.id not in hidden
    ], cursor


async def get_visible(
    session: AsyncSession, *, media: MediaStores, viewer: Viewer, collection: Collection, document_id: UUID
) -> VisibleStory:
    """Return a story or reel.

    Raises:
        NotFoundError: when the viewer may not see it.
    """
    stored = await media.documents.get(collection, document_id=document_id)
    if stored is None or await captions.hidden_of(session, {document_id}):
        raise NotFoundError
    access = await get_connector_access(session, viewer=viewer, connector_id=UUID(stored.document["connector_id"]))
    author_id = UUID(stored.document["author_id"])
    author = (await visible_people(session, viewer=viewer, user_ids=[author_id])).get(author_id)
    if author is None:
        raise NotFoundError
    return VisibleStory(stored, author, access, author_id == viewer.id)


async def delete_document(
    session: AsyncSession, *, media: MediaStores, viewer: Viewer, collection: Collection, document_id: UUID
) -> None:
    """Delete a story or reel, as its author or a moderator of the connector. The upload is not deleted.

    The author may delete it even after losing access to the connector.

    Raises:
        NotFoundError: when the viewer may not see it.
        ForbiddenError: when the viewer is neither its author nor a moderator.
    """
    stored = await media.documents.get(collection, document_id=document_id)
    if stored is None or UUID(stored.document["author_id"]) != viewer.id:
        story = await get_visible(session, media=media, viewer=viewer, collection=collection, document_id=document_id)
        if not story.access.can_moderate:
            raise ForbiddenError("Only the author or a moderator may delete this")
    await media.documents.delete(collection, document_id=document_id)
    await session.execute(delete(MediaEngagement).where(MediaEngagement.document_id == document_id))
    await session.execute(delete(MediaCaption).where(MediaCaption.id == document_id))


async def engage(
    session: AsyncSession,
    *,
    media: MediaStores,
    viewer: Viewer,
    collection: Collection,
    document_id: UUID,
    kind: Engagement,
    on: bool = True,
) -> None:
    """Record a view or like, or remove a like; idempotent. Views of the author are not counted.

    A like may be removed from a reel that is no longer visible.

    Raises:
        NotFoundError: when the viewer may not see the story or reel.
    """
    key = {"document_id": document_id, "user_id": viewer.id, "kind": kind}
    existing = select(MediaEngagement.id).filter_by(**key)
    if on or await session.scalar(existing) is None:
        story = await get_visible(session, media=media, viewer=viewer, collection=collection, document_id=document_id)
        if kind is Engagement.VIEW and story.is_author:
            return
    await engagement.lock(session, document_id=document_id)
    statement: Any = (
        insert(MediaEngagement).values(key).on_conflict_do_nothing() if on else delete(MediaEngagement).filter_by(**key)
    )
    if await session.scalar(statement.returning(MediaEngagement.id)) is not None:
        if on and kind is Engagement.LIKE:
            await _notify_author(session, viewer=viewer, reel=story.stored)
        await engagement.update_counter(
            session, media.documents, collection=collection, document_id=document_id, kind=kind
        )


async def _notify_author(session: AsyncSession, *, viewer: Viewer, reel: StoredDocument) -> None:
    await notify(
        session,
        Notice(
            # A repeated like has the same notice id, so that it notifies once.
            id=uuid5(reel.id, str(viewer.id)),
            kind=NoticeKind.REEL_LIKED,
            actor_id=viewer.id,
            subject_kind=SubjectKind.REEL,
            subject_id=reel.id,
            user_ids=[UUID(reel.document["author_id"])],
        ),
    )


def stories_out(rows: Sequence[AuthoredDocument], *, cursor: str | None) -> Page[StoryOut]:
    """Return a page of stories; the route resolves their uploads."""
    return Page(items=[story_out(row) for row in rows], next_cursor=cursor)


async def reels_out(
    session: AsyncSession, *, viewer: Viewer, rows: Sequence[AuthoredDocument], cursor: str | None
) -> Page[ReelOut]:
    """Return a page of reels with the viewer's likes; the route resolves their uploads."""
    liked_ids = select(MediaEngagement.document_id).where(
        MediaEngagement.document_id.in_([row.stored.id for row in rows]),
        MediaEngagement.user_id == viewer.id,
        MediaEngagement.kind == Engagement.LIKE,
    )
    liked = set(await session.scalars(liked_ids)) if rows else set()
    return Page(items=[_reel_out(row, liked=row.stored.id in liked) for row in rows], next_cursor=cursor)


def story_out(story: AuthoredDocument) -> StoryOut:
    """Return a story; the route resolves its upload."""
    stored = story.stored
    assert stored.expires_at is not None  # noqa: S101 (stories always expire)
    return StoryOut(
        **_shared(story),
        content=stored.document["content"],
        duration_seconds=stored.document["duration_seconds"],
        expires_at=stored.expires_at,
    )


def _reel_out(reel: AuthoredDocument, *, liked: bool) -> ReelOut:
    stored = reel.stored
    return ReelOut(
        **_shared(reel),
        description=stored.document["description"],
        duration_seconds=stored.document["duration_seconds"],
        like_count=stored.document["like_count"],
        liked=liked,
    )


async def _check(
    session: AsyncSession, *, media: MediaStores, viewer: Viewer, body: NewStory | NewReel, kinds: set[MediaKind]
) -> MediaOut:
    access = await get_connector_access(session, viewer=viewer, connector_id=body.connector_id)
    if access.role is None:
        raise ForbiddenError("Join the connector to post in it")
    await uploads.get_own(media, viewer=viewer, media_id=body.media_id)
    upload = await uploads.get_upload(session, media=media, viewer=viewer, media_id=body.media_id)
    if upload.state is not UploadState.READY or upload.kind not in kinds:
        raise MediaNotReadyError
    return upload


def _document(viewer: Viewer, body: NewStory | NewReel) -> dict[str, Any]:
    return {
        "connector_id": str(body.connector_id),
        "author_id": str(viewer.id),
        "title": body.title,
        "media_id": str(body.media_id),
        "view_count": 0,
        "is_active": True,
    }


async def _viewer_person(session: AsyncSession, viewer: Viewer) -> Person:
    return (await visible_people(session, viewer=viewer, user_ids=[viewer.id]))[viewer.id]


def _shared(authored: AuthoredDocument) -> dict[str, Any]:
    stored = authored.stored
    return {
        "id": stored.id,
        "connector_id": stored.document["connector_id"],
        "author_id": stored.document["author_id"],
        "author": authored.author,
        "title": stored.document["title"],
        "media_id": stored.document["media_id"],
        "view_count": stored.document["view_count"],
        "created_at": stored.created_at,
    }
