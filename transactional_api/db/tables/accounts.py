"""What belongs to an account beside its profile: a second factor, links to other services, apps, and standing."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.db.base import Base, CreatedAt, RowId, Str50


class SecondFactor(Base):
    """The secret of an authenticator app, asked for once ``confirmed_at`` is set.

    ``last_step`` is the half minute of the last code that was taken: no code is taken twice.
    """

    __tablename__ = "second_factors"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    secret_sealed: Mapped[str]
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    recovery_hashes: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    created_at: Mapped[CreatedAt]


class LinkedAccount(Base):
    """Somebody's account with another service, which they may log in with."""

    __tablename__ = "linked_accounts"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    provider: Mapped[Str50]
    subject: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[CreatedAt]

    __table_args__ = (UniqueConstraint("provider", "subject"), UniqueConstraint("user_id", "provider"))


class OAuthApp(Base):
    """A third party's app. One without a secret (a phone, a browser) proves itself by PKCE alone."""

    __tablename__ = "oauth_apps"

    id: Mapped[RowId]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    redirect_uris: Mapped[list[Any]] = mapped_column(JSONB)
    secret_hash: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[CreatedAt]

    __table_args__ = (Index("ix_oauth_apps_owner_id_created_at_id", "owner_id", "created_at", "id"),)


class OAuthCode(Base):
    """The hash of a code that an app trades for tokens, once, within a minute."""

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
    # Set when it was traded: a code that comes twice was copied, and ends the session of the first time.
    session_id: Mapped[UUID | None] = mapped_column(ForeignKey("user_sessions.id", ondelete="CASCADE"), index=True)


class ReputationChange(Base):
    """What somebody's standing became on a day, and the parts that it is the sum of."""

    __tablename__ = "reputation_changes"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    reputation: Mapped[int]
    parts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[CreatedAt]

    __table_args__ = (Index("ix_reputation_changes_user_id_created_at_id", "user_id", "created_at", "id"),)
