"""Comments on posts."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.connectors.schemas import MODERATOR_ROLES
from transactional_api.community.posts import queries
from transactional_api.community.posts.schemas import CommentBody, CommentOut, NewComment
from transactional_api.community.posts.service import get_post_access
from transactional_api.core.db.tables import Comment, Post
from transactional_api.core.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.core.media.references import references_to
from transactional_api.core.moderation import SubjectKind, request_screening
from transactional_api.core.notices import Notice, NoticeKind, notify
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.core.webhooks import WebhookEvent, publish
from transactional_api.identity.users.mentions import mention


class ParentNotFoundError(Problem):
    """The parent comment is not a comment of this post."""

    status, code, title = 422, "parent_not_found", "The parent comment does not exist on this post"


async def add(session: AsyncSession, *, viewer: Viewer, post_id: UUID, body: NewComment) -> CommentOut:
    """Add a comment to a post in a connector that the viewer is a member of.

    Raises:
        NotFoundError: the viewer cannot see the post.
        ForbiddenError: they are not a member of its connector.
        ParentNotFoundError: the parent comment is not a comment of this post.
    """
    access = await get_post_access(session, viewer=viewer, post_id=post_id)
    if access.role is None:
        raise ForbiddenError("Join the connector to comment in it")
    recipients = [access.author_id]
    if body.parent_id is not None:
        parent = select(Comment.author_id).where(
            Comment.id == body.parent_id, Comment.post_id == post_id, Comment.is_active.is_(True)
        )
        replied_to = await session.scalar(parent)
        if replied_to is None:
            raise ParentNotFoundError
        recipients.append(replied_to)
    comment_id = await session.scalar(
        insert(Comment)
        .values(
            content=body.content,
            parent_id=body.parent_id,
            media_ids=await references_to(session, viewer=viewer, media_ids=body.media_ids),
            post_id=post_id,
            author_id=viewer.id,
        )
        .returning(Comment.id)
    )
    assert comment_id is not None  # noqa: S101 (the insert returned it)
    await request_screening(session, SubjectKind.COMMENT, comment_id)
    await session.execute(
        update(Post)
        .where(Post.id == post_id)
        .values(comments_count=Post.comments_count + 1)
        .execution_options(synchronize_session=False)
    )
    await notify(
        session,
        Notice(
            kind=NoticeKind.COMMENT_CREATED,
            actor_id=viewer.id,
            subject_kind="post",
            subject_id=post_id,
            source_kind="comment",
            source_id=comment_id,
            user_ids=recipients,
        ),
    )
    await mention(
        session,
        actor_id=viewer.id,
        subject=(SubjectKind.POST, post_id),
        source=(SubjectKind.COMMENT, comment_id),
        text=body.content,
    )
    await publish(session, WebhookEvent.COMMENT_CREATED, [comment_id])
    return await get_comment(session, viewer=viewer, post_id=post_id, comment_id=comment_id)


async def list_by_post(session: AsyncSession, *, viewer: Viewer, post_id: UUID, page: PageRequest) -> Page[CommentOut]:
    """List the comments of a post, oldest first; raises ``NotFoundError`` if the viewer cannot see the post."""
    await get_post_access(session, viewer=viewer, post_id=post_id)
    statement = page.select(
        queries.comments_of(viewer, post_id=post_id), at=Comment.created_at, row_id=Comment.id, newest_first=False
    )
    rows = (await session.execute(statement)).all()
    return page.of(rows, lambda row: CommentOut.model_validate(row, from_attributes=True))


async def replace(
    session: AsyncSession, *, viewer: Viewer, post_id: UUID, comment_id: UUID, body: CommentBody
) -> CommentOut:
    """Replace the content and the media of a comment; raises ``ForbiddenError`` unless the viewer is its author."""
    await get_post_access(session, viewer=viewer, post_id=post_id)
    comment = await get_comment(session, viewer=viewer, post_id=post_id, comment_id=comment_id)
    if comment.author.id != viewer.id:
        raise ForbiddenError("Only the author can change a comment")
    present = [str(media_id) for media_id in comment.media_ids]
    media_ids = await references_to(session, viewer=viewer, media_ids=body.media_ids, present=present)
    statement = update(Comment).where(Comment.id == comment_id)
    await session.execute(statement.values(content=body.content, media_ids=media_ids, updated_at=datetime.now(UTC)))
    await mention(
        session,
        actor_id=viewer.id,
        subject=(SubjectKind.POST, post_id),
        source=(SubjectKind.COMMENT, comment_id),
        text=body.content,
        before=comment.content,
    )
    await request_screening(session, SubjectKind.COMMENT, comment_id)
    return await get_comment(session, viewer=viewer, post_id=post_id, comment_id=comment_id)


async def remove(session: AsyncSession, *, viewer: Viewer, post_id: UUID, comment_id: UUID) -> None:
    """Delete a comment; its replies remain. Requires its author or a moderator.

    The author can do this even if they can no longer see the post.
    """
    own_comment = select(Comment.id).where(
        Comment.id == comment_id,
        Comment.post_id == post_id,
        Comment.author_id == viewer.id,
        Comment.is_active.is_(True),
    )
    if await session.scalar(own_comment) is None:
        access = await get_post_access(session, viewer=viewer, post_id=post_id)
        await get_comment(session, viewer=viewer, post_id=post_id, comment_id=comment_id)
        if access.role not in MODERATOR_ROLES:
            raise ForbiddenError("Only the author, a moderator or an admin can delete a comment")
    removed = await session.scalar(
        update(Comment)
        .where(Comment.id == comment_id, Comment.is_active.is_(True))
        .values(is_active=False, updated_at=datetime.now(UTC))
        .returning(Comment.id)
    )
    if removed is None:  # Deleted concurrently.
        raise NotFoundError
    statement = update(Post).where(Post.id == post_id).values(comments_count=Post.comments_count - 1)
    await session.execute(statement.execution_options(synchronize_session=False))


async def get_comment(session: AsyncSession, *, viewer: Viewer, post_id: UUID, comment_id: UUID | None) -> CommentOut:
    """Return a comment; raises ``NotFoundError`` if the viewer cannot see it."""
    row = (
        await session.execute(queries.comments_of(viewer, post_id=post_id).where(Comment.id == comment_id))
    ).one_or_none()
    if row is None:
        raise NotFoundError
    return CommentOut.model_validate(row, from_attributes=True)
