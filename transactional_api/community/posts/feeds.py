"""Chronological feeds of posts across connectors: of followed users, own connectors, nearby, and by hashtag.

Ranked, personalized feeds are in ``intelligence.recommendations``.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.connectors import queries as connectors
from transactional_api.community.posts import queries
from transactional_api.community.posts.hashtags import normalize_hashtag
from transactional_api.community.posts.schemas import FeedKind, PostOut
from transactional_api.core.db.tables import Connector, Follow, Post, PostTag
from transactional_api.core.errors import InvalidRequestError
from transactional_api.core.geography import Near, within
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users


async def feed(
    session: AsyncSession, *, viewer: Viewer, kind: FeedKind, near: Near | None, page: PageRequest
) -> Page[PostOut]:
    """List the newest posts of a feed, without those of muted users.

    Raises:
        InvalidRequestError: the nearby feed is requested without a point.
    """
    statement = queries.visible_to(viewer).where(users.not_muted(viewer, Post.author_id))
    if kind is FeedKind.FOLLOWING:
        followed = select(Follow.followee_id).where(Follow.follower_id == viewer.id)
        statement = statement.where(Post.author_id.in_(followed))
    elif kind is FeedKind.CONNECTORS:
        statement = statement.where(connectors.is_member(viewer))
    else:
        if near is None:
            raise InvalidRequestError("The nearby feed requires a latitude and a longitude")
        statement = statement.where(within(Connector.latitude, Connector.longitude, near))
    return await _page(session, statement, page)


async def by_tag(session: AsyncSession, *, viewer: Viewer, tag: str, page: PageRequest) -> Page[PostOut]:
    """List the newest posts with a hashtag."""
    tagged = select(PostTag.post_id).where(PostTag.tag == normalize_hashtag(tag.removeprefix("#")))
    statement = queries.visible_to(viewer).where(Post.id.in_(tagged), users.not_muted(viewer, Post.author_id))
    return await _page(session, statement, page)


async def _page(session: AsyncSession, statement: Select[Any], page: PageRequest) -> Page[PostOut]:
    rows = (await session.execute(page.select(statement, at=Post.created_at, row_id=Post.id))).all()
    return page.of(rows, lambda row: PostOut.model_validate(row, from_attributes=True))
