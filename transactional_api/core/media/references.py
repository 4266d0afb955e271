"""References to uploads: checked when they are written, looked up and signed when they are read.

The database stores ids. A link is signed for one reader at the moment of reading: for the owner as soon as the upload
is processed, for others only once it passed review. Whether the reader may see the post, item or message that refers
to the upload was decided before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, and_, any_, bindparam, case, exists, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.compiled_queries import IDS, VIEWER_PLACEHOLDER
from transactional_api.core.db.statements import BoundStatement, CompiledStatement, SessionRunner, StatementRunner
from transactional_api.core.db.tables import Block, ModerationCase, Upload
from transactional_api.core.documents import StoredDocument
from transactional_api.core.errors import Problem
from transactional_api.core.media.addresses import AVATAR_PATH, avatar_of, avatar_url
from transactional_api.core.media.attachments import AttachedMedia, AttachedState, attachments_in
from transactional_api.core.media.link_previews import ShowsLink, resolve_previews
from transactional_api.core.media.processing import MediaKind
from transactional_api.core.media.stores import (
    COLLECTION,
    MediaStores,
    UploadState,
    alt_text_of,
    is_under_review,
    media_of,
)
from transactional_api.core.moderation import SubjectKind
from transactional_api.core.viewer import Viewer

_OWNERS = bindparam("owners", type_=ARRAY(Uuid()))
_IS_OPEN = exists().where(
    ModerationCase.subject_kind == SubjectKind.UPLOAD.value,
    ModerationCase.subject_id == Upload.id,
    ModerationCase.state == "open",
)
_HELD = CompiledStatement(
    select(Upload.id, _IS_OPEN.label("is_open")).where(Upload.id == any_(IDS), Upload.is_active.is_(False))
)
_OTHER = case((Block.blocker_id == VIEWER_PLACEHOLDER.id, Block.blocked_id), else_=Block.blocker_id)
_BLOCKED = CompiledStatement(
    select(_OTHER.label("id")).where(
        or_(
            and_(Block.blocker_id == VIEWER_PLACEHOLDER.id, Block.blocked_id == any_(_OWNERS)),
            and_(Block.blocked_id == VIEWER_PLACEHOLDER.id, Block.blocker_id == any_(_OWNERS)),
        )
    )
)
# The entity tag of a resource changes with its attachments; versions and messages have no ``updated_at``.
_DETACH = tuple(
    text(
        f"UPDATE {table} SET media_ids = media_ids - CAST(:id AS text){touched} "  # noqa: S608 (names of this module)
        "WHERE media_ids <> '[]'::jsonb AND media_ids @> CAST(:ids AS jsonb)"
    )
    for table, touched in {
        "posts": ", updated_at = now()",
        "comments": ", updated_at = now()",
        "events": ", updated_at = now()",
        "reviews": ", updated_at = now()",
        "post_versions": "",
        "marketplace_items": ", updated_at = now()",
        "chat_messages": "",
        "seller_reviews": "",
    }.items()
)
_DETACH_CONNECTOR = text("UPDATE connectors SET media_id = NULL, updated_at = now() WHERE media_id = :id")
_DETACH_AVATAR = text(
    "UPDATE users SET avatar_url = NULL, updated_at = now() WHERE id = :owner_id AND strpos(avatar_url, :path) > 0"
)


class UnknownMediaError(Problem):
    """A referenced upload does not exist or belongs to another user; the responses are identical."""

    status, code, title = 422, "unknown_media", "Name uploads of your own that are not deleted"


class RepeatedMediaError(Problem):
    """The request has an upload more than once."""

    status, code, title = 422, "repeated_media", "Name each upload once"


class UnusableMediaError(Problem):
    """The upload is of the wrong kind, its processing failed, or a moderator hides or reviews it."""

    status, code, title = 422, "unusable_media", "This upload cannot be shown here"


class ForeignLinkError(Problem):
    """The link points to another server, which would learn the address of every reader."""

    status, code = 422, "foreign_link"
    title = "Only links to your own uploads are taken; upload the file and send its id as `media_ids` or `media_id`"


ATTACHING: tuple[type[Problem], ...] = (UnknownMediaError, UnusableMediaError, RepeatedMediaError, ForeignLinkError)
"""Problems of a write that references uploads by ids or links."""
ATTACHING_IDS: tuple[type[Problem], ...] = (UnknownMediaError, UnusableMediaError, RepeatedMediaError)
"""Problems of a write that references uploads by ids only."""


async def references_to(
    unit: AsyncSession | StatementRunner,
    *,
    viewer: Viewer,
    media_ids: Sequence[UUID] | None,
    links: Sequence[str] = (),
    present: Collection[str] = (),
    kinds: Collection[MediaKind] = frozenset(MediaKind),
) -> list[str]:
    """Return the ids to store for what a client sent.

    Args:
        unit: the session or runner of the request; it carries the stores of uploads.
        viewer: required owner of the uploads.
        media_ids: ids of the request; None if it has none.
        links: deprecated fields of older clients, used if there are no ids.
        present: ids that are already stored and may stay, whoever owns them.
        kinds: allowed kinds of media.

    Raises:
        ForeignLinkError: for a link to anything except an upload.
        UnknownMediaError: for an upload that does not exist or belongs to another user.
        RepeatedMediaError: for an id that is given twice.
        UnusableMediaError: for an upload of another kind, whose processing failed, or that moderation hides.
    """
    media = media_of(unit)
    targets = [media.objects.target_of(link) for link in links]
    if None in targets:
        raise ForeignLinkError
    if media_ids is None:
        stored = [await stored_of(media, target) for target in targets if target is not None]
    elif not media_ids:
        return []
    elif len(set(media_ids)) < len(media_ids):
        raise RepeatedMediaError
    else:
        documents = await media.documents.get_many(COLLECTION, document_ids=media_ids)
        stored = [documents.get(media_id) for media_id in media_ids]
    ids = []
    for one in stored:
        if one is None or (one.document["owner_id"] != str(viewer.id) and str(one.id) not in present):
            raise UnknownMediaError
        if str(one.id) not in present and not _usable(one, kinds):
            raise UnusableMediaError
        ids.append(str(one.id))
    if new_ids := [UUID(one) for one in ids if one not in present]:
        runner = SessionRunner(unit) if isinstance(unit, AsyncSession) else unit
        if await _HELD.all(runner, ids=new_ids):
            raise UnusableMediaError
    return list(dict.fromkeys(ids))


async def own_avatar(
    session: AsyncSession, *, viewer: Viewer, link: str | None, public_url: str, stored: str | None
) -> str | None:
    """Return the lasting address of the picture that a client names by a link; raises what ``references_to`` does.

    ``stored`` is the present address: its upload may stay although moderation hides it.
    """
    links = [link] if link else []
    kept = avatar_of(stored) if stored else None
    ids = await references_to(
        session,
        viewer=viewer,
        media_ids=None,
        links=links,
        present={str(kept)} if kept else (),
        kinds={MediaKind.IMAGE},
    )
    return avatar_url(public_url, ids[0]) if ids else None


async def detach(session: AsyncSession, *, media_id: UUID, owner_id: UUID) -> None:
    """Remove a deleted upload from everything that refers to it."""
    for statement in _DETACH:
        await session.execute(statement, {"id": str(media_id), "ids": f'["{media_id}"]'})
    await session.execute(_DETACH_CONNECTOR, {"id": media_id})
    await session.execute(_DETACH_AVATAR, {"owner_id": owner_id, "path": AVATAR_PATH.format(media_id=media_id)})


async def resolve_attachments(runner: StatementRunner, response: Any, *, viewer: Viewer | None) -> None:
    """Complete every part of a response that shows uploads or a link: four queries at most, however many parts.

    Without a viewer it is made for anybody but the owners of uploads, as a frame for many listeners is.
    """
    parts = list(attachments_in(response))
    ids = list(dict.fromkeys(one for part in parts for one in part.references()))
    shown = await attached(runner, ids, viewer=viewer) if ids else {}
    every: list[object] = [*parts]
    await resolve_previews(runner, (part for part in every if isinstance(part, ShowsLink)))
    for part in parts:
        part.show([shown[one] for one in part.references() if one in shown])


async def attached(runner: StatementRunner, ids: Sequence[UUID], *, viewer: Viewer | None) -> dict[UUID, AttachedMedia]:
    """Return the existing uploads, as the viewer may see them."""
    media = media_of(runner)
    stored = await media.documents.get_many(COLLECTION, document_ids=ids)
    if not stored:
        return {}
    owners = {UUID(one.document["owner_id"]) for one in stored.values()}
    queries: list[BoundStatement] = [(_HELD, {"ids": list(stored)})]
    if viewer is not None and owners != {viewer.id}:
        queries.append((_BLOCKED, {"viewer_id": viewer.id, "owners": list(owners)}))
    held, *more = await runner.fetch_pipelined(*queries)
    cases = {row.id: row.is_open for row in held}
    blocked = {row.id for rows in more for row in rows}
    shown: dict[UUID, AttachedMedia] = {}
    keys: dict[UUID, dict[str, Any]] = {}
    for media_id, one in stored.items():
        owner_id = UUID(one.document["owner_id"])
        if owner_id in blocked:
            continue
        state = _state(one, cases)
        shown[media_id] = AttachedMedia(id=media_id, kind=one.document["kind"], state=state)
        is_owner = viewer is not None and owner_id == viewer.id
        if state is AttachedState.READY or (is_owner and one.document["state"] == UploadState.READY):
            keys[media_id] = one.document
    await _sign(media, shown, keys)
    return shown


async def _sign(media: MediaStores, shown: dict[UUID, AttachedMedia], documents: dict[UUID, dict[str, Any]]) -> None:
    links = await media.objects.links(_keys(documents.values()))
    for media_id, document in documents.items():
        shown[media_id] = shown[media_id].model_copy(
            update={
                "url": links[document["processed_key"]],
                "thumbnails": {width: links[key] for width, key in document["thumbnails"].items()},
                "width": document.get("width"),
                "height": document.get("height"),
                "duration_seconds": document.get("duration_seconds"),
                "blur_hash": document.get("blur_hash"),
                "alt_text": alt_text_of(document),
            }
        )


def _keys(documents: Iterable[dict[str, Any]]) -> list[str]:
    return [key for document in documents for key in (document["processed_key"], *document["thumbnails"].values())]


def _state(stored: StoredDocument, cases: dict[UUID, bool]) -> AttachedState:
    state = stored.document["state"]
    if state == UploadState.FAILED:
        return AttachedState.FAILED
    if state != UploadState.READY:
        return AttachedState.PENDING
    if stored.id in cases:
        return AttachedState.UNDER_REVIEW if cases[stored.id] else AttachedState.REFUSED
    return AttachedState.UNDER_REVIEW if is_under_review(stored) else AttachedState.READY


def _usable(stored: StoredDocument, kinds: Collection[MediaKind]) -> bool:
    kind = stored.document["kind"]
    return stored.document["state"] != UploadState.FAILED and (kind is None or kind in kinds)


async def stored_of(media: MediaStores, target: str | UUID) -> StoredDocument | None:
    """Return the upload of an object's key or of an id, or None."""
    if isinstance(target, UUID):
        return await media.documents.get(COLLECTION, document_id=target)
    matches = await media.documents.find(COLLECTION, matching={"key": target}, limit=1)
    return matches[0] if matches else None
