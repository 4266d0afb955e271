"""Posts: creation, listing, changes and deletion."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.connectors import service as connectors
from transactional_api.community.connectors.access import visibility_check
from transactional_api.community.connectors.schemas import MODERATOR_ROLES, PostingPolicy, Role
from transactional_api.community.posts import hashtags, queries
from transactional_api.community.posts.schemas import NewPost, PostBody, PostOut, PostVersionOut
from transactional_api.core.compiled_queries import VIEWER_PLACEHOLDER, KeysetQuery, uuid_param
from transactional_api.core.db.statements import CompiledStatement, SessionRunner, StatementRunner
from transactional_api.core.db.tables import Connector, PinnedPost, Post, PostVersion
from transactional_api.core.errors import ForbiddenError, NotFoundError
from transactional_api.core.media.link_previews import request_preview
from transactional_api.core.media.references import references_to
from transactional_api.core.moderation import SubjectKind, request_screening
from transactional_api.core.notices import Notice, NoticeKind, notify
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.core.webhooks import WebhookEvent, publish
from transactional_api.identity.users.mentions import mention

_POST_BY_ID = CompiledStatement(queries.visible_to(VIEWER_PLACEHOLDER).where(Post.id == uuid_param("post_id")))
_CONNECTOR_POSTS = KeysetQuery.of(
    queries.visible_to(VIEWER_PLACEHOLDER).where(Post.connector_id == uuid_param("connector_id")),
    created_at_column=Post.created_at,
    id_column=Post.id,
)


@dataclass(frozen=True, slots=True)
class PostAccess:
    """A visible post's properties that decide what the viewer can do with it."""

    connector_id: UUID
    author_id: UUID
    is_author: bool
    role: Role | None

    @property
    def can_edit(self) -> bool:
        """Whether the viewer is the author or a moderator of the connector."""
        return self.is_author or self.role in MODERATOR_ROLES


async def get_post_access(session: AsyncSession, *, viewer: Viewer, post_id: UUID, or_own: bool = False) -> PostAccess:
    """Return the viewer's access to a post.

    Raises:
        NotFoundError: the viewer cannot see it (nor wrote it, with ``or_own``).
    """
    row = (await session.execute(queries.with_role(viewer, post_id=post_id, or_own=or_own))).one_or_none()
    if row is None:
        raise NotFoundError
    role = Role(row.role) if row.role else None
    return PostAccess(
        connector_id=row.connector_id, author_id=row.author_id, is_author=row.author_id == viewer.id, role=role
    )


async def create(session: AsyncSession, *, viewer: Viewer, body: NewPost) -> PostOut:
    """Create a post in a connector that the viewer is a member of.

    Raises:
        NotFoundError: the viewer cannot see the connector.
        ForbiddenError: they are not a member of it, or only its moderators can post.
    """
    connector = await connectors.get(session, viewer=viewer, connector_id=body.connector_id)
    if connector.role is None:
        raise ForbiddenError("Join the connector to post in it")
    if connector.settings.posting is PostingPolicy.MODERATORS and connector.role not in MODERATOR_ROLES:
        raise ForbiddenError("Only moderators and admins can post in this connector")
    values = {"connector_id": body.connector_id, **await _columns(session, viewer=viewer, body=body)}
    post_id = await session.scalar(insert(Post).values(**values, author_id=viewer.id).returning(Post.id))
    await _count_posts(session, connector_id=body.connector_id, change=1)
    assert post_id is not None  # noqa: S101 (the insert returned it)
    await hashtags.replace_hashtags(session, post_id=post_id, body=body)
    await mention(
        session, actor_id=viewer.id, subject=(SubjectKind.POST, post_id), text=f"{body.title or ''} {body.content}"
    )
    await request_screening(session, SubjectKind.POST, post_id)
    await request_preview(session, body.content, user_id=viewer.id)
    await notify(
        session,
        Notice(
            kind=NoticeKind.POST_CREATED,
            actor_id=viewer.id,
            subject_kind="post",
            subject_id=post_id,
            connector_id=body.connector_id,
        ),
    )
    await publish(session, WebhookEvent.POST_CREATED, [post_id])
    return await get(SessionRunner(session), viewer=viewer, post_id=post_id)


async def get(runner: StatementRunner, *, viewer: Viewer, post_id: UUID) -> PostOut:
    """Return a post; raises ``NotFoundError`` if the viewer cannot see it."""
    row = await _POST_BY_ID.one_or_none(runner, viewer_id=viewer.id, post_id=post_id)
    if row is None:
        raise NotFoundError
    return PostOut.model_validate(row, from_attributes=True)


async def list_by_connector(
    runner: StatementRunner, *, viewer: Viewer, connector_id: UUID, page: PageRequest
) -> Page[PostOut]:
    """List the posts of a connector, newest first; raises ``NotFoundError`` if the viewer cannot see it."""
    check = visibility_check(viewer, connector_id)
    rows = await _CONNECTOR_POSTS.rows(
        runner, page=page, visibility_check=check, viewer_id=viewer.id, connector_id=connector_id
    )
    return page.of(rows, lambda row: PostOut.model_validate(row, from_attributes=True))


async def list_versions(
    session: AsyncSession, *, viewer: Viewer, post_id: UUID, page: PageRequest
) -> Page[PostVersionOut]:
    """List the previous versions of a post, newest first; raises ``NotFoundError`` if the viewer cannot see it."""
    await get_post_access(session, viewer=viewer, post_id=post_id)
    versions = select(PostVersion).where(PostVersion.post_id == post_id)
    rows = (await session.scalars(page.select(versions, at=PostVersion.created_at, row_id=PostVersion.id))).all()
    return page.of(rows, lambda row: PostVersionOut.model_validate(row, from_attributes=True))


async def replace(session: AsyncSession, *, viewer: Viewer, post_id: UUID, body: PostBody) -> PostOut:
    """Replace the content of a post and store its previous version. Requires its author or a moderator."""
    await _require_editor(session, viewer=viewer, post_id=post_id)
    versioned = (Post.content, Post.title, Post.media_ids)
    before = (await session.execute(select(*versioned).where(Post.id == post_id).with_for_update())).one()._asdict()
    after = await _columns(session, viewer=viewer, body=body, present=before["media_ids"])
    if before != after:
        await session.execute(insert(PostVersion).values(post_id=post_id, editor_id=viewer.id, **before))
        changed = after | {"image_url": None, "updated_at": datetime.now(UTC)}
        await session.execute(update(Post).where(Post.id == post_id).values(changed))
        await hashtags.replace_hashtags(session, post_id=post_id, body=body)
        await mention(
            session,
            actor_id=viewer.id,
            subject=(SubjectKind.POST, post_id),
            text=f"{body.title or ''} {body.content}",
            before=f"{before['title'] or ''} {before['content']}",
        )
        await request_screening(session, SubjectKind.POST, post_id)
        await request_preview(session, body.content, user_id=viewer.id)
    return await get(SessionRunner(session), viewer=viewer, post_id=post_id)


async def remove(session: AsyncSession, *, viewer: Viewer, post_id: UUID) -> None:
    """Delete a post. Requires its author, even if they can no longer see it, or a moderator."""
    access = await _require_editor(session, viewer=viewer, post_id=post_id, or_own=True)
    removed = await session.scalar(
        update(Post)
        .where(Post.id == post_id, Post.is_active.is_(True))
        .values(is_active=False, updated_at=datetime.now(UTC))
        .returning(Post.id)
    )
    if removed is None:  # Deleted concurrently.
        raise NotFoundError
    await session.execute(delete(PinnedPost).where(PinnedPost.post_id == post_id))
    await _count_posts(session, connector_id=access.connector_id, change=-1)


async def _columns(
    session: AsyncSession, *, viewer: Viewer, body: PostBody, present: Collection[str] = ()
) -> dict[str, Any]:
    links = [body.image_url] if body.image_url else []
    media_ids = await references_to(session, viewer=viewer, media_ids=body.media_ids, links=links, present=present)
    return {"content": body.content, "title": body.title, "media_ids": media_ids}


async def _require_editor(session: AsyncSession, *, viewer: Viewer, post_id: UUID, or_own: bool = False) -> PostAccess:
    access = await get_post_access(session, viewer=viewer, post_id=post_id, or_own=or_own)
    if not access.can_edit:
        raise ForbiddenError("Only the author, a moderator or an admin can change a post")
    return access


async def _count_posts(session: AsyncSession, *, connector_id: UUID, change: int) -> None:
    await session.execute(
        update(Connector)
        .where(Connector.id == connector_id)
        .values(post_count=Connector.post_count + change)
        .execution_options(synchronize_session=False)
    )
