"""Security and reputation of accounts: second factors, linked accounts, OAuth apps and codes, reputation history."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import Base, CreatedAt, RowId, Str50


class SecondFactor(Base):
    """Secret of an authenticator app; a login requires its code once ``confirmed_at`` is set.

    ``last_step`` is the TOTP time step of the last accepted code, so that no code is accepted twice.
    """

    __tablename__ = "second_factors"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    secret_encrypted: Mapped[str]
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    recovery_hashes: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    created_at: Mapped[CreatedAt]


class LinkedAccount(Base):
    """A user's account with an identity provider, which the user can log in with."""

    __tablename__ = "linked_accounts"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    provider: Mapped[Str50]
    subject: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[CreatedAt]

    __table_args__ = (UniqueConstraint("provider", "subject"), UniqueConstraint("user_id", "provider"))


class OAuthApp(Base):
    """A third-party app. A public client (a phone, a browser) has no secret and uses PKCE only."""

    __tablename__ = "oauth_apps"

    id: Mapped[RowId]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    redirect_uris: Mapped[list[Any]] = mapped_column(JSONB)
    secret_hash: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[CreatedAt]

    __table_args__ = (Index("ix_oauth_apps_owner_id_created_at_id", "owner_id", "created_at", "id"),)


class OAuthCode(Base):
    """Hash of an authorization code, which an app exchanges for tokens once, within a minute."""

    __tablename__ = "oauth_codes"

    id: Mapped[RowId]
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    app_id: Mapped[UUID] = mapped_column(ForeignKey("oauth_apps.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    redirect_uri: Mapped[str] = mapped_column(String(500))
    challenge: Mapped[str] = mapped_column(String(128))
    scopes: Mapped[list[Any]] = mapped_column(JSONB)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    # Set at the exchange: a code that is presented twice was copied, and ends the session of the first exchange.
    session_id: Mapped[UUID | None] = mapped_column(ForeignKey("user_sessions.id", ondelete="CASCADE"), index=True)


class ReputationChange(Base):
    """A user's reputation on a day, with the components of the sum."""

    __tablename__ = "reputation_changes"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    reputation: Mapped[int]
    parts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[CreatedAt]

    __table_args__ = (Index("ix_reputation_changes_user_id_created_at_id", "user_id", "created_at", "id"),)
