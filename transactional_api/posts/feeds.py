"""Lists of posts across connectors: by whom one follows, where one belongs, what is near, and by tag.

What a model ranks for one person is ``recommendations``; these are plain, the newest first.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors import queries as connectors
from transactional_api.db.tables import Connector, Follow, Post, PostTag
from transactional_api.errors import InvalidRequestError
from transactional_api.paging import Page, PageRequest
from transactional_api.places import Near, within
from transactional_api.posts import queries
from transactional_api.posts.schemas import FeedKind, PostOut
from transactional_api.users import queries as users


async def feed(
    session: AsyncSession, *, viewer: Viewer, kind: FeedKind, near: Near | None, page: PageRequest
) -> Page[PostOut]:
    """List the newest posts of a kind, without those of people whom the viewer mutes.

    Raises:
        InvalidRequestError: when what is near is asked for without a point.
    """
    statement = queries.visible_to(viewer).where(users.not_muted(viewer, Post.author_id))
    if kind is FeedKind.FOLLOWING:
        followed = select(Follow.followee_id).where(Follow.follower_id == viewer.id)
        statement = statement.where(Post.author_id.in_(followed))
    elif kind is FeedKind.CONNECTORS:
        statement = statement.where(connectors.is_member(viewer))
    else:
        if near is None:
            raise InvalidRequestError("Say around which latitude and longitude")
        statement = statement.where(within(Connector.latitude, Connector.longitude, near))
    return await _page(session, statement, page)


async def by_tag(session: AsyncSession, *, viewer: Viewer, tag: str, page: PageRequest) -> Page[PostOut]:
    """List the newest posts with a tag."""
    tagged = select(PostTag.post_id).where(PostTag.tag == tag.lower())
    statement = queries.visible_to(viewer).where(Post.id.in_(tagged), users.not_muted(viewer, Post.author_id))
    return await _page(session, statement, page)


async def _page(session: AsyncSession, statement: Select[Any], page: PageRequest) -> Page[PostOut]:
    rows = (await session.execute(page.select(statement, at=Post.created_at, row_id=Post.id))).all()
    return page.of(rows, lambda row: PostOut.model_validate(row, from_attributes=True))
