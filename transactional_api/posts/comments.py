"""Comments on posts."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.db.tables import Comment, Post
from transactional_api.errors import ForbiddenError, Problem
from transactional_api.notifications.channels import NoticeKind
from transactional_api.notifications.notice import Notice, notify
from transactional_api.paging import Page, PageRequest
from transactional_api.posts import queries
from transactional_api.posts.schemas import CommentOut, NewComment
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
    row = (await session.execute(queries.comments_of(viewer, post_id=post_id).where(Comment.id == comment_id))).one()
    return CommentOut.model_validate(row, from_attributes=True)


async def list_by_post(session: AsyncSession, *, viewer: Viewer, post_id: UUID, page: PageRequest) -> Page[CommentOut]:
    """List a post's comments, the oldest first; raises ``NotFoundError`` when the viewer may not see the post."""
    await access_post(session, viewer=viewer, post_id=post_id)
    statement = page.select(
        queries.comments_of(viewer, post_id=post_id), at=Comment.created_at, row_id=Comment.id, newest_first=False
    )
    rows = (await session.execute(statement)).all()
    return Page(
        items=[CommentOut.model_validate(row, from_attributes=True) for row in rows[: page.limit]],
        next_cursor=page.next_cursor(rows),
    )
