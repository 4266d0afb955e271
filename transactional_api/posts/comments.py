"""Comments on posts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors.schemas import TENDS
from transactional_api.db.tables import Comment, CommentLike, Post
from transactional_api.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.moderation import screening
from transactional_api.moderation.schemas import SubjectKind
from transactional_api.notifications.channels import NoticeKind
from transactional_api.notifications.notice import Notice, notify
from transactional_api.paging import Page, PageRequest
from transactional_api.posts import queries, words
from transactional_api.posts.schemas import CommentBody, CommentLikeOut, CommentOut, NewComment
from transactional_api.posts.service import access_post


class ParentNotFoundError(Problem):
    """The comment that is replied to is not one of this post's."""

    status, code, title = 422, "parent_not_found", "The comment that this replies to is not on this post"


async def add(session: AsyncSession, *, viewer: Viewer, post_id: UUID, body: NewComment) -> CommentOut:
    """Comment on a post of a connector that the viewer belongs to.

    Raises:
        NotFoundError: when the viewer may not see the post.
        ForbiddenError: when they see it but do not belong to its connector.
        ParentNotFoundError: when the reply is to something else.
    """
    access = await access_post(session, viewer=viewer, post_id=post_id)
    if access.role is None:
        raise ForbiddenError("Join the connector to comment in it")
    if body.parent_id is not None:
        parent = select(Comment.id).where(
            Comment.id == body.parent_id, Comment.post_id == post_id, Comment.is_active.is_(True)
        )
        if await session.scalar(parent) is None:
            raise ParentNotFoundError
    comment_id = await session.scalar(
        insert(Comment).values(**body.model_dump(), post_id=post_id, author_id=viewer.id).returning(Comment.id)
    )
    assert comment_id is not None  # noqa: S101 (the insert returned it)
    await screening.screen(session, SubjectKind.COMMENT, comment_id)
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
            title="A neighbour commented on your post",
            body=body.content[:500],
            user_ids=[access.author_id],
        ),
    )
    await words.mention(session, viewer=viewer, post_id=post_id, text=body.content)
    return await _get(session, viewer=viewer, post_id=post_id, comment_id=comment_id)


async def list_by_post(session: AsyncSession, *, viewer: Viewer, post_id: UUID, page: PageRequest) -> Page[CommentOut]:
    """List a post's comments, the oldest first; raises ``NotFoundError`` when the viewer may not see the post."""
    await access_post(session, viewer=viewer, post_id=post_id)
    statement = page.select(
        queries.comments_of(viewer, post_id=post_id), at=Comment.created_at, row_id=Comment.id, newest_first=False
    )
    rows = (await session.execute(statement)).all()
    return page.of(rows, lambda row: CommentOut.model_validate(row, from_attributes=True))


async def change(
    session: AsyncSession, *, viewer: Viewer, post_id: UUID, comment_id: UUID, body: CommentBody
) -> CommentOut:
    """Change a comment's words; raises ``ForbiddenError`` for anyone but its author."""
    await access_post(session, viewer=viewer, post_id=post_id)
    found = await _get(session, viewer=viewer, post_id=post_id, comment_id=comment_id)
    if found.author_id != viewer.id:
        raise ForbiddenError("Only its author may change a comment")
    changed = update(Comment).where(Comment.id == comment_id)
    await session.execute(changed.values(content=body.content, updated_at=datetime.now(UTC)))
    await screening.screen(session, SubjectKind.COMMENT, comment_id)
    return await _get(session, viewer=viewer, post_id=post_id, comment_id=comment_id)


async def remove(session: AsyncSession, *, viewer: Viewer, post_id: UUID, comment_id: UUID) -> None:
    """Take a comment away, its replies stay; for its author and for who tends the connector."""
    access = await access_post(session, viewer=viewer, post_id=post_id)
    found = await _get(session, viewer=viewer, post_id=post_id, comment_id=comment_id)
    if found.author_id != viewer.id and access.role not in TENDS:
        raise ForbiddenError("Only its author, a moderator or an admin may delete a comment")
    removed = await session.scalar(
        update(Comment)
        .where(Comment.id == comment_id, Comment.is_active.is_(True))
        .values(is_active=False, updated_at=datetime.now(UTC))
        .returning(Comment.id)
    )
    if removed is None:  # Somebody else removed it in this very moment.
        raise NotFoundError
    fewer = update(Post).where(Post.id == post_id).values(comments_count=Post.comments_count - 1)
    await session.execute(fewer.execution_options(synchronize_session=False))


async def like(
    session: AsyncSession, *, viewer: Viewer, post_id: UUID, comment_id: UUID, on: bool = True
) -> CommentLikeOut:
    """Like a comment, or take the like back; twice changes nothing."""
    await access_post(session, viewer=viewer, post_id=post_id)
    await _get(session, viewer=viewer, post_id=post_id, comment_id=comment_id)
    mine = {"comment_id": comment_id, "user_id": viewer.id}
    statement: Any = (
        upsert(CommentLike).values(mine).on_conflict_do_nothing() if on else delete(CommentLike).filter_by(**mine)
    )
    if await session.scalar(statement.returning(CommentLike.id)) is not None:
        counted = update(Comment).where(Comment.id == comment_id)
        await session.execute(counted.values(likes_count=Comment.likes_count + (1 if on else -1)))
    count = await session.scalar(select(Comment.likes_count).where(Comment.id == comment_id))
    return CommentLikeOut(comment_id=comment_id, liked=on, likes_count=count or 0)


async def _get(session: AsyncSession, *, viewer: Viewer, post_id: UUID, comment_id: UUID | None) -> CommentOut:
    row = (
        await session.execute(queries.comments_of(viewer, post_id=post_id).where(Comment.id == comment_id))
    ).one_or_none()
    if row is None:
        raise NotFoundError
    return CommentOut.model_validate(row, from_attributes=True)
