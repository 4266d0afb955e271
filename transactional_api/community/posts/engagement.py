"""Engagement with posts and comments: likes, reactions and pins.

Each write sets a state and is idempotent. Likes and reactions can be removed even if the viewer can no longer see the
post.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.connectors import service as connectors
from transactional_api.community.connectors.schemas import MODERATOR_ROLES
from transactional_api.community.posts import queries
from transactional_api.community.posts.comments import get_comment
from transactional_api.community.posts.reactions import COMMENT_LIKE, POST_LIKE, POST_REACTION, add, remove
from transactional_api.community.posts.schemas import CommentLikeOut, LikeOut, PostOut, ReactionsOut
from transactional_api.community.posts.service import get_post_access
from transactional_api.core.db.tables import Comment, Connector, PinnedPost, Post, Reaction
from transactional_api.core.errors import ForbiddenError, Problem
from transactional_api.core.pagination import Page
from transactional_api.core.reactions import ReactionKind
from transactional_api.core.viewer import Viewer

MAX_PINNED = 5


class TooManyPinsError(Problem):
    """The connector has the maximum number of pinned posts."""

    status, code, title = 409, "too_many_pins", "The connector has the maximum number of pinned posts"


async def set_pin(session: AsyncSession, *, viewer: Viewer, post_id: UUID, pinned: bool) -> None:
    """Pin or unpin a post in its connector. Idempotent.

    Raises:
        NotFoundError: the viewer cannot see the post.
        ForbiddenError: they are not a moderator of its connector.
        TooManyPinsError: the connector has the maximum number of pinned posts.
    """
    access = await get_post_access(session, viewer=viewer, post_id=post_id)
    if access.role not in MODERATOR_ROLES:
        raise ForbiddenError("Only moderators and admins can pin posts")
    if not pinned:
        await session.execute(delete(PinnedPost).where(PinnedPost.post_id == post_id))
        return
    # Serialized for each connector, so that concurrent requests cannot exceed the limit.
    await session.execute(select(Connector.id).where(Connector.id == access.connector_id).with_for_update())
    others = select(func.count()).where(PinnedPost.connector_id == access.connector_id, PinnedPost.post_id != post_id)
    if (await session.scalar(others) or 0) >= MAX_PINNED:
        raise TooManyPinsError
    values = {"post_id": post_id, "connector_id": access.connector_id, "pinned_by": viewer.id}
    await session.execute(insert(PinnedPost).values(values).on_conflict_do_nothing())


async def list_pinned_posts(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> Page[PostOut]:
    """List the pinned posts of a connector, last pinned first."""
    await connectors.get(session, viewer=viewer, connector_id=connector_id)
    statement = (
        queries.visible_to(viewer)
        .join(PinnedPost, PinnedPost.post_id == Post.id)
        .where(PinnedPost.connector_id == connector_id)
        .order_by(PinnedPost.created_at.desc(), Post.id)
    )
    rows = await session.execute(statement)
    return Page(items=[PostOut.model_validate(row, from_attributes=True) for row in rows], next_cursor=None)


async def set_like(session: AsyncSession, *, viewer: Viewer, post_id: UUID, liked: bool) -> LikeOut:
    """Like a visible post or remove the like. Idempotent."""
    if liked:
        access = await get_post_access(session, viewer=viewer, post_id=post_id)
        outcome = await add(session, POST_LIKE, viewer=viewer, post_id=post_id, author_id=access.author_id)
    else:
        outcome = await remove(session, POST_LIKE, viewer=viewer, subject_id=post_id)
        if not outcome.changed:
            await get_post_access(session, viewer=viewer, post_id=post_id)
    return LikeOut(post_id=post_id, liked=liked, like_count=outcome.total)


async def set_comment_like(
    session: AsyncSession, *, viewer: Viewer, post_id: UUID, comment_id: UUID, liked: bool
) -> CommentLikeOut:
    """Like a visible comment or remove the like. Idempotent."""
    if liked:
        author_id = await _get_comment_author(session, viewer=viewer, post_id=post_id, comment_id=comment_id)
        outcome = await add(
            session, COMMENT_LIKE, viewer=viewer, post_id=post_id, comment_id=comment_id, author_id=author_id
        )
    else:
        outcome = await remove(session, COMMENT_LIKE, viewer=viewer, subject_id=comment_id)
        of_post = select(Comment.id).where(Comment.id == comment_id, Comment.post_id == post_id)
        if not outcome.changed or await session.scalar(of_post) is None:
            await _get_comment_author(session, viewer=viewer, post_id=post_id, comment_id=comment_id)
    return CommentLikeOut(comment_id=comment_id, liked=liked, like_count=outcome.total)


async def _get_comment_author(session: AsyncSession, *, viewer: Viewer, post_id: UUID, comment_id: UUID) -> UUID:
    await get_post_access(session, viewer=viewer, post_id=post_id)
    comment = await get_comment(session, viewer=viewer, post_id=post_id, comment_id=comment_id)
    return comment.author.id


async def get_reactions(session: AsyncSession, *, viewer: Viewer, post_id: UUID) -> ReactionsOut:
    """Count the reactions by users whom the viewer can see; raises ``NotFoundError`` if they cannot see the post."""
    await get_post_access(session, viewer=viewer, post_id=post_id)
    counts = queries.reactions_to(viewer, post_id).order_by(Reaction.kind)
    viewer_kind = select(Reaction.kind).where(POST_REACTION.is_by(viewer.id, subject_id=post_id))
    rows = (await session.execute(counts)).all()
    kind = await session.scalar(viewer_kind)
    return ReactionsOut(
        counts={ReactionKind(row.kind): row.reaction_count for row in rows},
        viewer_reaction=ReactionKind(kind) if kind else None,
    )


async def set_reaction(
    session: AsyncSession, *, viewer: Viewer, post_id: UUID, kind: ReactionKind | None
) -> ReactionsOut:
    """Set the viewer's reaction, or remove it if ``kind`` is None.

    After removal from a post that the viewer can no longer see, the counts are empty.
    """
    if kind is None:
        outcome = await remove(session, POST_REACTION, viewer=viewer, subject_id=post_id)
        visible = (await session.execute(queries.with_role(viewer, post_id=post_id))).one_or_none()
        if outcome.changed and visible is None:
            return ReactionsOut(counts={}, viewer_reaction=None)
    else:
        access = await get_post_access(session, viewer=viewer, post_id=post_id)
        await add(session, POST_REACTION, viewer=viewer, post_id=post_id, author_id=access.author_id, kind=kind)
    return await get_reactions(session, viewer=viewer, post_id=post_id)
