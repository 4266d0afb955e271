"""Conversations, their members and messages, and the numbered event log of each conversation."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import Base, CreatedAt, MediaIds, RowId, Str200, media_index


class Conversation(Base):
    """A conversation, ``direct`` between two users or ``group``.

    ``last_event_id`` is the gapless sequence of its events: the transaction of an event increments it, so that events
    are committed in the order of their numbers. ``direct_key`` is the two user ids, sorted.
    """

    __tablename__ = "conversations"

    id: Mapped[RowId]
    kind: Mapped[str] = mapped_column(String(20))
    title: Mapped[Str200 | None]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    direct_key: Mapped[str | None] = mapped_column(String(80), unique=True)
    last_event_id: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    last_message_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("kind IN ('direct', 'group')", name="kind"),
        CheckConstraint("(kind = 'direct') = (direct_key IS NOT NULL)", name="direct_key"),
        Index("ix_conversations_last_message_at_id", "last_message_at", "id"),
    )


class ConversationMember(Base):
    """A member of a conversation, with the number of the last event read."""

    __tablename__ = "conversation_members"

    id: Mapped[RowId]
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    joined_at: Mapped[CreatedAt]
    read_up_to: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))

    __table_args__ = (UniqueConstraint("conversation_id", "user_id"),)


class ChatMessage(Base):
    """A message. Deletion clears its content but not its row; ``client_id`` deduplicates repeated sends."""

    __tablename__ = "chat_messages"

    id: Mapped[RowId]
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    event_id: Mapped[int] = mapped_column(BigInteger)
    content: Mapped[str | None]
    attachments: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    client_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[CreatedAt]
    edited_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    media_ids: Mapped[MediaIds]
    reply_to_id: Mapped[UUID | None] = mapped_column(ForeignKey("chat_messages.id", ondelete="SET NULL"), index=True)

    __table_args__ = (
        media_index("chat_messages"),
        UniqueConstraint("conversation_id", "event_id"),
        UniqueConstraint("conversation_id", "author_id", "client_id"),
        Index("ix_chat_messages_conversation_id_created_at_id", "conversation_id", "created_at", "id"),
    )


class ChatReaction(Base):
    """A member's reaction to a message, at most one each."""

    __tablename__ = "chat_reactions"

    id: Mapped[RowId]
    message_id: Mapped[UUID] = mapped_column(ForeignKey("chat_messages.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[CreatedAt]

    __table_args__ = (UniqueConstraint("message_id", "user_id"),)


class ChatEvent(Base):
    """A numbered event of a conversation; clients resume after the last number they received."""

    __tablename__ = "chat_events"

    id: Mapped[RowId]
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    event_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("chat_messages.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        UniqueConstraint("conversation_id", "event_id"),
        CheckConstraint(
            "kind IN ('message.created', 'message.edited', 'message.deleted', 'message.reacted', 'member.joined', "
            "'member.left')",
            name="kind",
        ),
    )
