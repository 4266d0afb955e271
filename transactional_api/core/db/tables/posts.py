"""Posts in connectors, with their comments, versions and engagement."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import (
    Active,
    Base,
    Counter,
    CreatedAt,
    MediaIds,
    RowId,
    Str50,
    Str200,
    UpdatedAt,
    Url,
    media_index,
)


class Post(Base):
    """A post. ``likes_count`` and ``comments_count`` are updated with the rows they count."""

    __tablename__ = "posts"

    id: Mapped[RowId]
    connector_id: Mapped[UUID] = mapped_column(ForeignKey("connectors.id", ondelete="CASCADE"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    content: Mapped[str]
    title: Mapped[Str200 | None]
    image_url: Mapped[Url | None]
    likes_count: Mapped[Counter]
    comments_count: Mapped[Counter]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    is_active: Mapped[Active]
    media_ids: Mapped[MediaIds]

    __table_args__ = (
        Index("ix_posts_connector_id_created_at_id", "connector_id", "created_at", "id"),
        media_index("posts"),
        Index("ix_posts_created_at_id", "created_at", "id"),
    )


class Comment(Base):
    """A comment on a post, or with ``parent_id`` a reply to another comment of the same post."""

    __tablename__ = "comments"

    id: Mapped[RowId]
    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    content: Mapped[str]
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("comments.id"), index=True)
    likes_count: Mapped[Counter]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    is_active: Mapped[Active]
    media_ids: Mapped[MediaIds]

    __table_args__ = (
        Index("ix_comments_post_id_created_at_id", "post_id", "created_at", "id"),
        media_index("comments"),
    )


class PostLike(Base):
    """A like of a post, once per user."""

    __tablename__ = "post_likes"

    id: Mapped[RowId]
    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt] = mapped_column(index=True)

    __table_args__ = (UniqueConstraint("post_id", "user_id"),)


class PostVersion(Base):
    """Content of a post before an edit."""

    __tablename__ = "post_versions"

    id: Mapped[RowId]
    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    editor_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    content: Mapped[str]
    title: Mapped[Str200 | None]
    image_url: Mapped[Url | None]
    created_at: Mapped[CreatedAt]
    media_ids: Mapped[MediaIds]

    __table_args__ = (
        Index("ix_post_versions_post_id_created_at_id", "post_id", "created_at", "id"),
        media_index("post_versions"),
    )


class PinnedPost(Base):
    """A post that is pinned to the top of its connector."""

    __tablename__ = "pinned_posts"

    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True)
    connector_id: Mapped[UUID] = mapped_column(ForeignKey("connectors.id", ondelete="CASCADE"), index=True)
    pinned_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[CreatedAt]


class Reaction(Base):
    """A user's reaction to a post, in addition to a like."""

    __tablename__ = "post_reactions"

    id: Mapped[RowId]
    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[CreatedAt]

    __table_args__ = (UniqueConstraint("post_id", "user_id"),)


class CommentLike(Base):
    """A like of a comment, once per user."""

    __tablename__ = "comment_likes"

    id: Mapped[RowId]
    comment_id: Mapped[UUID] = mapped_column(ForeignKey("comments.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt]

    __table_args__ = (UniqueConstraint("comment_id", "user_id"),)


class PostBookmark(Base):
    """A post that a user keeps for later, once per user. Nobody else sees it."""

    __tablename__ = "post_bookmarks"

    id: Mapped[RowId]
    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt]

    __table_args__ = (UniqueConstraint("post_id", "user_id"),)


class PostTag(Base):
    """A hashtag of a post, in lower case."""

    __tablename__ = "post_tags"

    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[Str50] = mapped_column(primary_key=True)

    __table_args__ = (Index("ix_post_tags_tag_post_id", "tag", "post_id"),)
