"""Posts in connectors, their comments and likes."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.db.base import Active, Base, Counter, CreatedAt, RowId, Str50, Str200, UpdatedAt, Url


class Post(Base):
    """A post. ``likes_count`` and ``comments_count`` are kept by whoever adds or removes the rows they count."""

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

    __table_args__ = (
        Index("ix_posts_connector_id_created_at_id", "connector_id", "created_at", "id"),
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

    __table_args__ = (Index("ix_comments_post_id_created_at_id", "post_id", "created_at", "id"),)


class PostLike(Base):
    """One person likes one post, once."""

    __tablename__ = "post_likes"

    id: Mapped[RowId]
    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt] = mapped_column(index=True)

    __table_args__ = (UniqueConstraint("post_id", "user_id"),)


class PostVersion(Base):
    """What a post said before an edit."""

    __tablename__ = "post_versions"

    id: Mapped[RowId]
    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    editor_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    content: Mapped[str]
    title: Mapped[Str200 | None]
    image_url: Mapped[Url | None]
    created_at: Mapped[CreatedAt]

    __table_args__ = (Index("ix_post_versions_post_id_created_at_id", "post_id", "created_at", "id"),)


class PinnedPost(Base):
    """A post that its connector shows first."""

    __tablename__ = "pinned_posts"

    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True)
    connector_id: Mapped[UUID] = mapped_column(ForeignKey("connectors.id", ondelete="CASCADE"), index=True)
    pinned_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[CreatedAt]


class Reaction(Base):
    """How one person feels about one post, beside liking it."""

    __tablename__ = "post_reactions"

    id: Mapped[RowId]
    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[CreatedAt]

    __table_args__ = (UniqueConstraint("post_id", "user_id"),)


class CommentLike(Base):
    """One person likes one comment, once."""

    __tablename__ = "comment_likes"

    id: Mapped[RowId]
    comment_id: Mapped[UUID] = mapped_column(ForeignKey("comments.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt]

    __table_args__ = (UniqueConstraint("comment_id", "user_id"),)


class PostTag(Base):
    """A tag in a post's words, in lower case."""

    __tablename__ = "post_tags"

    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[Str50] = mapped_column(primary_key=True)

    __table_args__ = (Index("ix_post_tags_tag_post_id", "tag", "post_id"),)
