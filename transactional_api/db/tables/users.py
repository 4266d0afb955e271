"""People, their sessions and whom they follow."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.db.base import Active, Base, Counter, CreatedAt, RowId, Str50, Str200, UpdatedAt, Url


class User(Base):
    """A neighbour. ``username`` is kept in lower case, so that it is unique in any case.

    ``email`` is a keyed hash of the address, and what is ``sealed`` is a cipher (``transactional_api.vault``); rows
    that were made without a key have the address itself, and ``phone``, until a job seals them.
    ``personalised`` and ``analysed`` are the consents that every request asks for; ``consents`` has their history.
    Roles on the whole platform: ``member``, ``moderator`` (works on reports), ``admin`` (also on people and roles).
    """

    __tablename__ = "users"

    id: Mapped[RowId]
    email: Mapped[str] = mapped_column(String(255), unique=True)
    username: Mapped[Str50] = mapped_column(unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    avatar_url: Mapped[Url | None]
    neighborhood: Mapped[Str200 | None]
    city: Mapped[str | None] = mapped_column(String(100))
    state: Mapped[Str50 | None]
    country: Mapped[Str50 | None]
    postal_code: Mapped[str | None] = mapped_column(String(20))
    phone: Mapped[str | None] = mapped_column(String(20))
    interests: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    verified: Mapped[bool] = mapped_column(server_default=text("false"))
    reputation: Mapped[Counter]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    last_login: Mapped[datetime | None]
    is_active: Mapped[Active]
    role: Mapped[str] = mapped_column(String(20), server_default=text("'member'"))
    suspended_until: Mapped[datetime | None]
    personalised: Mapped[bool] = mapped_column(server_default=text("true"))
    analysed: Mapped[bool] = mapped_column(server_default=text("true"))
    erased_at: Mapped[datetime | None]
    email_sealed: Mapped[str | None]
    phone_sealed: Mapped[str | None]
    home_sealed: Mapped[str | None]
    # What others may know of where the home is: an H3 cell of resolution 7, about five square kilometres.
    home_cell: Mapped[str | None] = mapped_column(String(16))

    __table_args__ = (
        CheckConstraint("role IN ('member', 'moderator', 'admin')", name="role"),
        Index("ix_users_created_at_id", "created_at", "id"),
        Index("ix_users_neighborhood", "neighborhood"),
        Index("ix_users_city", "city"),
        *(
            Index(f"ix_users_{name}_words", name, postgresql_using="gin", postgresql_ops={name: "gin_trgm_ops"})
            for name in ("username", "first_name", "last_name")
        ),
    )


class Follow(Base):
    """One person follows another."""

    __tablename__ = "follows"

    id: Mapped[RowId]
    follower_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    followee_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        UniqueConstraint("follower_id", "followee_id"),
        CheckConstraint("follower_id <> followee_id", name="not_oneself"),
    )


class Block(Base):
    """One person wants nothing to do with another: neither finds or sees what the other does."""

    __tablename__ = "blocks"

    id: Mapped[RowId]
    blocker_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    blocked_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        UniqueConstraint("blocker_id", "blocked_id"),
        CheckConstraint("blocker_id <> blocked_id", name="not_oneself"),
    )


class Mute(Base):
    """One person keeps another out of feeds and notifications, without the other's knowing."""

    __tablename__ = "mutes"

    id: Mapped[RowId]
    muter_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    muted_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        UniqueConstraint("muter_id", "muted_id"),
        CheckConstraint("muter_id <> muted_id", name="not_oneself"),
    )


class UserSession(Base):
    """A session that is open; access tokens name it and die with it. ``expires_at`` moves with every refresh."""

    __tablename__ = "user_sessions"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    user_agent: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
    # Of a third party's app alone: which, and what its person allowed it.
    app_id: Mapped[UUID | None] = mapped_column(ForeignKey("oauth_apps.id", ondelete="CASCADE"), index=True)
    scopes: Mapped[list[Any] | None] = mapped_column(JSONB)

    __table_args__ = (Index("ix_user_sessions_user_id_last_used_at_id", "user_id", "last_used_at", "id"),)


class RefreshToken(Base):
    """A refresh token's hash. ``family_id`` is the session whose tokens descend from one login."""

    __tablename__ = "refresh_tokens"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    family_id: Mapped[UUID] = mapped_column(index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class OneTimeToken(Base):
    """The hash of a token out of a letter: it proves the mailbox, once, for one purpose.

    ``change`` is what a token that undoes a change must know of it.
    """

    __tablename__ = "one_time_tokens"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(String(20))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    change: Mapped[dict[str, Any] | None] = mapped_column(JSONB)

    __table_args__ = (
        CheckConstraint("purpose IN ('verify_email', 'reset_password', 'undo')", name="purpose"),
        Index("ix_one_time_tokens_user_id_purpose", "user_id", "purpose"),
    )
