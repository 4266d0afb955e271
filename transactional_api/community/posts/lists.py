"""Lists of posts by author and id, and of those that the viewer likes or bookmarked; who reacted to a post."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.posts import queries
from transactional_api.community.posts.reactions import POST_LIKE, POST_REACTION, ReactionType
from transactional_api.community.posts.schemas import PostLiker, PostOut, PostReactor
from transactional_api.community.posts.service import get_post_access
from transactional_api.core.db.tables import Post, PostBookmark, PostLike, User
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users
from transactional_api.identity.users.people import person_json


async def list_posts(
    session: AsyncSession, *, viewer: Viewer, page: PageRequest, author_id: UUID | None, ids: Sequence[UUID] | None
) -> Page[PostOut]:
    """List the posts that the viewer can see, newest first; None does not filter."""
    statement = queries.visible_to(viewer)
    if author_id is not None:
        statement = statement.where(Post.author_id == author_id)
    if ids is not None:
        statement = statement.where(Post.id.in_(ids))
    rows = (await session.execute(page.select(statement, at=Post.created_at, row_id=Post.id))).all()
    return page.of(rows, _out)


async def list_liked(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[PostOut]:
    """List the posts that the viewer likes and can see, last liked first."""
    return await _list_marked(session, viewer=viewer, page=page, marks=PostLike)


async def list_bookmarked(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[PostOut]:
    """List the posts that the viewer bookmarked and can see, last bookmarked first."""
    return await _list_marked(session, viewer=viewer, page=page, marks=PostBookmark)


async def set_bookmark(session: AsyncSession, *, viewer: Viewer, post_id: UUID, bookmarked: bool) -> None:
    """Bookmark a visible post, or remove the bookmark of any. Idempotent.

    Raises:
        NotFoundError: the viewer cannot see the post to bookmark.
    """
    if bookmarked:
        await get_post_access(session, viewer=viewer, post_id=post_id)
        values = {"post_id": post_id, "user_id": viewer.id}
        await session.execute(insert(PostBookmark).values(values).on_conflict_do_nothing())
        return
    removed = await session.scalar(
        delete(PostBookmark)
        .where(PostBookmark.post_id == post_id, PostBookmark.user_id == viewer.id)
        .returning(PostBookmark.id)
    )
    if removed is None:
        await get_post_access(session, viewer=viewer, post_id=post_id)


async def list_likers(session: AsyncSession, *, viewer: Viewer, post_id: UUID, page: PageRequest) -> Page[PostLiker]:
    """List who likes a post, last first; raises ``NotFoundError`` if the viewer cannot see it."""
    rows = await _reactors(session, POST_LIKE, viewer=viewer, post_id=post_id, page=page)
    return page.of(rows, PostLiker.model_validate)


async def list_reactors(
    session: AsyncSession, *, viewer: Viewer, post_id: UUID, page: PageRequest
) -> Page[PostReactor]:
    """List who reacted to a post, last first; raises ``NotFoundError`` if the viewer cannot see it."""
    rows = await _reactors(session, POST_REACTION, viewer=viewer, post_id=post_id, page=page)
    return page.of(rows, PostReactor.model_validate)


async def _list_marked(
    session: AsyncSession, *, viewer: Viewer, page: PageRequest, marks: type[PostLike | PostBookmark]
) -> Page[PostOut]:
    statement: Select[Any] = (
        queries.visible_to(viewer)
        .add_columns(marks.created_at.label("marked_at"))
        .join(marks, marks.post_id == Post.id)
        .where(marks.user_id == viewer.id)
    )
    rows = (await session.execute(page.select(statement, at=marks.created_at, row_id=Post.id))).all()
    return page.of(rows, _out, at="marked_at")


async def _reactors(
    session: AsyncSession, reaction_type: ReactionType, *, viewer: Viewer, post_id: UUID, page: PageRequest
) -> Sequence[Any]:
    await get_post_access(session, viewer=viewer, post_id=post_id)
    marks: Any = reaction_type.rows
    statement = (
        select(*marks.__table__.columns, person_json().label("user"))
        .join(User, User.id == marks.user_id)
        .where(reaction_type.subject_id == post_id, User.is_active.is_(True), users.not_blocked(viewer, marks.user_id))
    )
    return (await session.execute(page.select(statement, at=marks.created_at, row_id=marks.id))).all()


def _out(row: Any) -> PostOut:
    return PostOut.model_validate(row, from_attributes=True)
