"""Posts that a connector shows first."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors import service as connectors
from transactional_api.connectors.schemas import TENDS
from transactional_api.db.tables import Connector, PinnedPost, Post
from transactional_api.errors import ForbiddenError, Problem
from transactional_api.paging import Page
from transactional_api.posts import queries
from transactional_api.posts.schemas import PostOut
from transactional_api.posts.service import access_post

MAX_PINNED = 5


class TooManyPinsError(Problem):
    """The connector shows as many posts first as there may be."""

    status, code, title = 409, "too_many_pins", "Unpin another post first"


async def pin(session: AsyncSession, *, viewer: Viewer, post_id: UUID, on: bool = True) -> None:
    """Show a post first, or no longer; for who tends its connector. Twice changes nothing.

    Raises:
        NotFoundError: when the viewer may not see the post.
        ForbiddenError: when they do not tend its connector.
        TooManyPinsError: when there are as many as there may be.
    """
    access = await access_post(session, viewer=viewer, post_id=post_id)
    if access.role not in TENDS:
        raise ForbiddenError("Only moderators and admins pin posts")
    if not on:
        await session.execute(delete(PinnedPost).where(PinnedPost.post_id == post_id))
        return
    # One at a time in a connector, so that two cannot both take the last place.
    await session.execute(select(Connector.id).where(Connector.id == access.connector_id).with_for_update())
    others = select(func.count()).where(PinnedPost.connector_id == access.connector_id, PinnedPost.post_id != post_id)
    if (await session.scalar(others) or 0) >= MAX_PINNED:
        raise TooManyPinsError
    values = {"post_id": post_id, "connector_id": access.connector_id, "pinned_by": viewer.id}
    await session.execute(insert(PinnedPost).values(values).on_conflict_do_nothing())


async def pinned(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> Page[PostOut]:
    """List the posts that a connector shows first, the last pinned at the top."""
    await connectors.get(session, viewer=viewer, connector_id=connector_id)
    statement = (
        queries.visible_to(viewer)
        .join(PinnedPost, PinnedPost.post_id == Post.id)
        .where(PinnedPost.connector_id == connector_id)
        .order_by(PinnedPost.created_at.desc(), Post.id)
    )
    rows = await session.execute(statement)
    return Page(items=[PostOut.model_validate(row, from_attributes=True) for row in rows], next_cursor=None)
