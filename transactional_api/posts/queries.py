"""Which posts and comments a viewer may see; the only way to load one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, select

from transactional_api.auth import Viewer
from transactional_api.connectors import queries as connectors
from transactional_api.db.tables import (
    Comment,
    CommentLike,
    Connector,
    ConnectorMember,
    PinnedPost,
    Post,
    PostLike,
    PostVersion,
    User,
)
from transactional_api.users import queries as users


def may_see(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer may see the post and connector of the enclosing statement."""
    return Post.is_active.is_(True) & connectors.may_see(viewer) & users.not_blocked(viewer, Post.author_id)


def visible_to(viewer: Viewer) -> Select[Any]:
    """Return the posts that the viewer may see, with all that ``PostOut`` shows."""
    liked = exists().where(PostLike.post_id == Post.id, PostLike.user_id == viewer.id).correlate(Post)
    pinned = exists().where(PinnedPost.post_id == Post.id).correlate(Post)
    edited = exists().where(PostVersion.post_id == Post.id).correlate(Post)
    return (
        select(
            *Post.__table__.columns,
            Connector.name.label("connector_name"),
            User.username.label("author_username"),
            liked.label("liked"),
            pinned.label("pinned"),
            edited.label("edited"),
        )
        .select_from(Post)
        .join(Connector, Connector.id == Post.connector_id)
        .join(User, User.id == Post.author_id)
        .where(may_see(viewer))
    )


def with_role(viewer: Viewer, *, post_id: UUID) -> Select[Any]:
    """Return the author of a post that the viewer may see, its connector, and the viewer's role there or null."""
    mine = (ConnectorMember.connector_id == Connector.id) & (ConnectorMember.user_id == viewer.id)
    return (
        select(Post.author_id, Post.connector_id, ConnectorMember.role)
        .join(Connector, Connector.id == Post.connector_id)
        .outerjoin(ConnectorMember, mine)
        .where(may_see(viewer), Post.id == post_id)
    )


def comments_of(viewer: Viewer, *, post_id: UUID) -> Select[Any]:
    """Return the comments of a post that the viewer may see, with the names of their authors."""
    liked = exists().where(CommentLike.comment_id == Comment.id, CommentLike.user_id == viewer.id).correlate(Comment)
    return (
        select(*Comment.__table__.columns, User.username.label("author_username"), liked.label("liked"))
        .select_from(Comment)
        .join(User, User.id == Comment.author_id)
        .where(Comment.post_id == post_id, Comment.is_active.is_(True), users.not_blocked(viewer, Comment.author_id))
    )
