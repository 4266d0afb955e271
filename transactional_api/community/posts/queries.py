"""Visibility of posts and comments: the conditions and statements through which every one is loaded."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal_column, or_, select
from sqlalchemy.orm import aliased

from transactional_api.community.connectors import queries as connectors
from transactional_api.community.posts.reactions import COMMENT_LIKE, POST_LIKE, POST_REACTION
from transactional_api.core.db.tables import (
    Comment,
    Connector,
    ConnectorMember,
    PinnedPost,
    Post,
    PostBookmark,
    PostVersion,
    Reaction,
    User,
)
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users
from transactional_api.identity.users.people import person_json

_RENAMED = {"likes_count", "comments_count"}
"""Columns that responses show under another name."""


def may_see(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer can see the post and connector of the enclosing statement."""
    return Post.is_active.is_(True) & connectors.may_see(viewer) & users.not_blocked(viewer, Post.author_id)


def visible_to(viewer: Viewer) -> Select[Any]:
    """Select the posts that the viewer can see, with the fields of ``PostOut``."""
    liked = exists().where(POST_LIKE.is_by(viewer.id, subject_id=Post.id)).correlate(Post)
    viewer_reaction = select(Reaction.kind).where(POST_REACTION.is_by(viewer.id, subject_id=Post.id))
    bookmarked = exists().where(PostBookmark.post_id == Post.id, PostBookmark.user_id == viewer.id).correlate(Post)
    pinned = exists().where(PinnedPost.post_id == Post.id).correlate(Post)
    columns = [column for column in Post.__table__.columns if column.name not in _RENAMED]
    edited = exists().where(PostVersion.post_id == Post.id).correlate(Post)
    return (
        select(
            *columns,
            Post.likes_count.label("like_count"),
            Post.comments_count.label("comment_count"),
            Connector.name.label("connector_name"),
            person_json().label("author"),
            liked.label("liked"),
            _reaction_counts(viewer),
            viewer_reaction.correlate(Post).scalar_subquery().label("viewer_reaction"),
            bookmarked.label("bookmarked"),
            pinned.label("pinned"),
            edited.label("edited"),
        )
        .select_from(Post)
        .join(Connector, Connector.id == Post.connector_id)
        .join(User, User.id == Post.author_id)
        .where(may_see(viewer))
    )


def reactions_to(viewer: Viewer, post_id: Any) -> Select[Any]:
    """Count the reactions to a post by kind, of users whom the viewer can see."""
    person = aliased(User)
    return (
        select(Reaction.kind, func.count().label("reaction_count"))
        .join(person, person.id == Reaction.user_id)
        .where(Reaction.post_id == post_id, person.is_active.is_(True), users.not_blocked(viewer, Reaction.user_id))
        .group_by(Reaction.kind)
    )


def _reaction_counts(viewer: Viewer) -> ColumnElement[Any]:
    counts = reactions_to(viewer, Post.id).correlate(Post).subquery()
    by_kind = func.jsonb_object_agg(counts.c.kind, counts.c.reaction_count)
    return func.coalesce(select(by_kind).scalar_subquery(), literal_column("'{}'::jsonb")).label("reaction_counts")


def with_role(viewer: Viewer, *, post_id: UUID, or_own: bool = False) -> Select[Any]:
    """Select a visible post's author and connector, and the viewer's role there or null.

    With ``or_own``, a post of the viewer is returned even if they can no longer see it, so that they can delete it.
    """
    own = and_(Post.author_id == viewer.id, Post.is_active.is_(True))
    visible = or_(may_see(viewer), own) if or_own else may_see(viewer)
    viewer_membership = (ConnectorMember.connector_id == Connector.id) & (ConnectorMember.user_id == viewer.id)
    return (
        select(Post.author_id, Post.connector_id, ConnectorMember.role)
        .join(Connector, Connector.id == Post.connector_id)
        .outerjoin(ConnectorMember, viewer_membership)
        .where(visible, Post.id == post_id)
    )


def comments_of(viewer: Viewer, *, post_id: UUID) -> Select[Any]:
    """Select the comments of a post that the viewer can see, with the fields of ``CommentOut``."""
    liked = exists().where(COMMENT_LIKE.is_by(viewer.id, subject_id=Comment.id)).correlate(Comment)
    columns = [column for column in Comment.__table__.columns if column.name not in _RENAMED]
    return (
        select(
            *columns,
            Comment.likes_count.label("like_count"),
            person_json().label("author"),
            liked.label("liked"),
        )
        .select_from(Comment)
        .join(User, User.id == Comment.author_id)
        .where(Comment.post_id == post_id, Comment.is_active.is_(True), users.not_blocked(viewer, Comment.author_id))
    )
