"""Users, their sessions, tokens and relationships."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    SQLColumnExpression,
    String,
    UniqueConstraint,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import Active, Base, Counter, CreatedAt, RowId, Str50, Str200, UpdatedAt, Url


def username_skeleton(username: SQLColumnExpression[str]) -> ColumnElement[str]:
    """Return the SQL expression of ``users.usernames.skeleton``, which is equal for confusable usernames."""
    plain: ColumnElement[str] = func.translate(username, literal_column("'01._-'"), literal_column("'ol'"))
    for pair, one in (("'rn'", "'m'"), ("'vv'", "'w'")):
        plain = func.replace(plain, literal_column(pair), literal_column(one))
    return plain


class User(Base):
    """A neighbor. ``username`` is stored in lower case, which makes it unique regardless of case.

    ``email_hash`` is the blind index of the email address, and ``*_encrypted`` columns are ciphertext
    (``transactional_api.core.security.field_encryption``). Rows written before encryption hold the plaintext in
    ``email_hash`` and ``phone`` until ``users.reencrypt`` runs.
    ``personalised`` and ``analysed`` are the current consents; ``consents`` holds their history.
    Platform roles: ``member``, ``moderator`` (decides on reports), ``admin`` (also manages users and roles).
    """

    __tablename__ = "users"

    id: Mapped[RowId]
    email_hash: Mapped[str] = mapped_column(String(255), unique=True)
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
    email_encrypted: Mapped[str | None]
    phone_encrypted: Mapped[str | None]
    home_encrypted: Mapped[str | None]
    # Location of the home that others may see: an H3 cell of resolution 7, about five square kilometers.
    home_cell: Mapped[str | None] = mapped_column(String(16))
    # Recommendations ignore acts before it.
    personalization_reset_at: Mapped[datetime | None]
    # Language of emails and pushes (BCP 47); null for the default.
    language: Mapped[str | None] = mapped_column(String(35))
    # Whether other members of conversations see how far the user has read, and the user sees it of them.
    shows_read_receipts: Mapped[Active]

    __table_args__ = (
        CheckConstraint("role IN ('member', 'moderator', 'admin')", name="role"),
        Index("ix_users_created_at_id", "created_at", "id"),
        Index("ix_users_neighborhood", "neighborhood"),
        Index("ix_users_city", "city"),
        # ``username_skeleton``.
        Index(
            "ix_users_username_skeleton",
            text("replace(replace(translate(username, '01._-', 'ol'), 'rn', 'm'), 'vv', 'w')"),
        ),
        *(
            Index(f"ix_users_{name}_words", name, postgresql_using="gin", postgresql_ops={name: "gin_trgm_ops"})
            for name in ("username", "first_name", "last_name")
        ),
    )


class RetiredUsername(Base):
    """Keyed hash of an erased user's username, so that nobody can take over the name and its mentions.

    There is no id and no time: the row cannot be linked to the user.
    """

    __tablename__ = "retired_usernames"

    name_hash: Mapped[str] = mapped_column(String(64), primary_key=True)


class Follow(Base):
    """A user who follows another."""

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
    """A block between two users: neither sees the other or the other's content."""

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
    """A user whom another has muted: excluded from the other's feeds and notifications, without notice."""

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
    """An open session; its access tokens end with it. Every refresh extends ``expires_at``."""

    __tablename__ = "user_sessions"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    user_agent: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
    # Only for third-party apps: the app, and the scopes that the user granted.
    app_id: Mapped[UUID | None] = mapped_column(ForeignKey("oauth_apps.id", ondelete="CASCADE"), index=True)
    scopes: Mapped[list[Any] | None] = mapped_column(JSONB)

    __table_args__ = (Index("ix_user_sessions_user_id_last_used_at_id", "user_id", "last_used_at", "id"),)


class RefreshToken(Base):
    """Hash of a refresh token. ``family_id`` is the session: the tokens that descend from one login."""

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
    """Hash of a single-use token from an email: it proves access to the mailbox for one purpose.

    ``change`` is the state that an ``undo`` token restores.
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
