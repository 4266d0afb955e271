"""Which conversations a viewer is in, and what is in them; the only way to load one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, Select, and_, case, func, or_, select

from transactional_api.auth import Viewer
from transactional_api.db.tables import Block, ChatEvent, ChatMessage, Conversation, ConversationMember, User
from transactional_api.users import queries as users

MAX_UNREAD = 100


def is_in(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the joined membership is the viewer's in the conversation of the enclosing statement."""
    return and_(ConversationMember.conversation_id == Conversation.id, ConversationMember.user_id == viewer.id)


def visible_to(viewer: Viewer) -> Select[Any]:
    """Return the conversations that the viewer is in, and how much of each they have not read."""
    unread = (
        select(ChatMessage.id)
        .where(
            ChatMessage.conversation_id == Conversation.id,
            ChatMessage.event_id > ConversationMember.read_up_to,
            ChatMessage.author_id != viewer.id,
            ChatMessage.deleted_at.is_(None),
            users.not_blocked(viewer, ChatMessage.author_id),
        )
        .limit(MAX_UNREAD)
        .correlate(Conversation, ConversationMember)
        .subquery()
    )
    return (
        select(
            *Conversation.__table__.columns,
            select(func.count()).select_from(unread).scalar_subquery().label("unread"),
        )
        .select_from(Conversation)
        .join(ConversationMember, is_in(viewer))
    )


def participants(conversation_ids: list[UUID]) -> Select[Any]:
    """Return who is in conversations, the first to join first."""
    return (
        select(
            ConversationMember.conversation_id,
            ConversationMember.user_id,
            ConversationMember.read_up_to,
            User.username,
            User.avatar_url,
        )
        .join(User, User.id == ConversationMember.user_id)
        .where(ConversationMember.conversation_id.in_(conversation_ids), User.is_active.is_(True))
        .order_by(ConversationMember.joined_at, ConversationMember.id)
    )


def messages(viewer: Viewer, *, conversation_id: UUID) -> Select[Any]:
    """Return the messages of a conversation that the viewer is in, but those of whom they block or who blocks them."""
    return select(ChatMessage).where(
        ChatMessage.conversation_id == conversation_id,
        or_(ChatMessage.author_id == viewer.id, users.not_blocked(viewer, ChatMessage.author_id)),
    )


def events(conversation_id: UUID, *, after: BindParameter[int], limit: int) -> Select[Any]:
    """Return what happened after an event with the messages as they are now, the oldest first."""
    return (
        select(
            ChatEvent.event_id,
            ChatEvent.kind,
            ChatEvent.user_id,
            ChatEvent.created_at,
            ChatEvent.message_id,
            ChatMessage.event_id.label("said_in"),
            ChatMessage.author_id,
            ChatMessage.content,
            ChatMessage.attachments,
            ChatMessage.client_id,
            ChatMessage.created_at.label("said_at"),
            ChatMessage.edited_at,
            ChatMessage.deleted_at,
        )
        .outerjoin(ChatMessage, ChatMessage.id == ChatEvent.message_id)
        .where(ChatEvent.conversation_id == conversation_id, ChatEvent.event_id > after)
        .order_by(ChatEvent.event_id)
        .limit(limit)
    )


def blocked_by_or_blocking(viewer: Viewer) -> Select[Any]:
    """Return the people between whom and the viewer there is a block."""
    other = case((Block.blocker_id == viewer.id, Block.blocked_id), else_=Block.blocker_id)
    return select(other).where(or_(Block.blocker_id == viewer.id, Block.blocked_id == viewer.id))


def other_of_two(viewer: Viewer, conversation_id: UUID) -> Select[Any]:
    """Return the person on the other side of a direct conversation, if the viewer may see them."""
    others = select(ConversationMember.user_id).where(
        ConversationMember.conversation_id == conversation_id, ConversationMember.user_id != viewer.id
    )
    return users.visible_to(viewer).with_only_columns(User.id).where(User.id.in_(others.correlate(None)))
