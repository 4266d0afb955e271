"""Registration of posts and comments as subjects of moderation."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from transactional_api.community.posts import queries
from transactional_api.core.db.tables import Comment, Connector, Post
from transactional_api.core.moderation import Subject, SubjectKind, in_visible_connector, register
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users


def _comments(viewer: Viewer) -> Select[Any]:
    joined = select(Comment).join(Post, Post.id == Comment.post_id).join(Connector, Connector.id == Post.connector_id)
    return joined.where(
        queries.may_see(viewer), Comment.is_active.is_(True), users.not_blocked(viewer, Comment.author_id)
    )


POST = register(
    SubjectKind.POST,
    Subject(
        Post.id,
        Post.author_id,
        (Post.title, Post.content),
        in_visible_connector(Post, Post.connector_id, queries.may_see),
        Post.is_active,
        (Post.connector_id, Connector.id, Connector.post_count),
    ),
)
COMMENT = register(
    SubjectKind.COMMENT,
    Subject(
        Comment.id,
        Comment.author_id,
        (Comment.content,),
        _comments,
        Comment.is_active,
        (Comment.post_id, Post.id, Post.comments_count),
    ),
)
