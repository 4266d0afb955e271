"""Statements for conversations, messages and events that a viewer may see; the only way to load one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, Select, and_, case, func, or_, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import aliased

from transactional_api.core.db.tables import (
    Block,
    ChatEvent,
    ChatMessage,
    ChatReaction,
    Conversation,
    ConversationMember,
    User,
)
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users
from transactional_api.identity.users.people import person_json

MAX_UNREAD = 100
_QUOTED_CHARACTERS = 200


def is_member(viewer: Viewer) -> ColumnElement[bool]:
    """Condition: the joined membership is the viewer's in the conversation of the enclosing statement."""
    return and_(ConversationMember.conversation_id == Conversation.id, ConversationMember.user_id == viewer.id)


def _unread_messages(viewer: Viewer) -> Select[Any]:
    return select(ChatMessage.id).where(
        ChatMessage.conversation_id == Conversation.id,
        ChatMessage.event_id > ConversationMember.read_up_to,
        ChatMessage.author_id != viewer.id,
        ChatMessage.deleted_at.is_(None),
        users.not_blocked(viewer, ChatMessage.author_id),
    )


def unread_conversation_count(viewer: Viewer) -> Select[Any]:
    """Count the viewer's conversations that have unread messages."""
    has_unread = _unread_messages(viewer).correlate(Conversation, ConversationMember).exists()
    return (
        select(func.count().label("number"))
        .select_from(Conversation)
        .join(ConversationMember, is_member(viewer))
        .where(has_unread)
    )


def visible_to(viewer: Viewer) -> Select[Any]:
    """Select the viewer's conversations with the number of unread messages, at most ``MAX_UNREAD``."""
    unread = _unread_messages(viewer).limit(MAX_UNREAD).correlate(Conversation, ConversationMember).subquery()
    return (
        select(
            *Conversation.__table__.columns,
            select(func.count()).select_from(unread).scalar_subquery().label("unread_count"),
        )
        .select_from(Conversation)
        .join(ConversationMember, is_member(viewer))
    )


def lacks_receipts(viewer: Viewer) -> ColumnElement[bool]:
    """Condition: the user of the enclosing statement is not the viewer, and one of the two has receipts off."""
    own = aliased(User)
    viewer_shows = select(own.shows_read_receipts).where(own.id == viewer.id).scalar_subquery()
    return and_(User.id != viewer.id, or_(User.shows_read_receipts.is_(False), ~viewer_shows))


def participants(viewer: Viewer, conversation_ids: list[UUID]) -> Select[Any]:
    """Select the members of conversations in order of joining.

    ``hidden`` marks a block with the viewer, and ``lacks_receipts`` read receipts that one of the two switched off.
    """
    return (
        select(
            ConversationMember.conversation_id,
            ConversationMember.user_id,
            ConversationMember.read_up_to,
            User.username,
            User.avatar_url,
            person_json().label("user"),
            (~users.not_blocked(viewer, User.id)).label("hidden"),
            lacks_receipts(viewer).label("lacks_receipts"),
        )
        .join(User, User.id == ConversationMember.user_id)
        .where(ConversationMember.conversation_id.in_(conversation_ids), User.is_active.is_(True))
        .order_by(ConversationMember.joined_at, ConversationMember.id)
    )


def messages(viewer: Viewer, *, conversation_id: UUID) -> Select[Any]:
    """Select the messages of a conversation except those of users who block the viewer or are blocked by them."""
    return select(ChatMessage).where(
        ChatMessage.conversation_id == conversation_id,
        or_(ChatMessage.author_id == viewer.id, users.not_blocked(viewer, ChatMessage.author_id)),
    )


def quoted(message_id: Any, viewer: Viewer | None = None) -> ColumnElement[Any]:
    """Return the JSON object of a ``QuotedMessage``, or null; with a viewer, only one of a user whom they see."""
    original, author = aliased(ChatMessage), aliased(User)
    quote = func.jsonb_build_object(
        "id",
        original.id,
        "author_id",
        original.author_id,
        "author",
        person_json(author),
        "content",
        func.left(original.content, _QUOTED_CHARACTERS),
    )
    statement = select(quote).join(author, author.id == original.author_id).where(original.id == message_id)
    if viewer is not None:
        statement = statement.where(users.not_blocked(viewer, original.author_id))
    return statement.correlate_except(original, author).scalar_subquery()


def reactions(viewer: Viewer | None = None) -> ColumnElement[Any]:
    """Return the JSON list of the reactions to the enclosing message; with a viewer, of users whom they see."""
    reaction = func.jsonb_build_object("user_id", ChatReaction.user_id, "kind", ChatReaction.kind)
    listed = func.jsonb_agg(aggregate_order_by(reaction, ChatReaction.created_at, ChatReaction.id))
    statement = select(func.coalesce(listed, text("'[]'::jsonb"))).where(
        ChatReaction.message_id == ChatMessage.id, ChatMessage.deleted_at.is_(None)
    )
    if viewer is not None:
        statement = statement.where(users.not_blocked(viewer, ChatReaction.user_id))
    return statement.correlate_except(ChatReaction).scalar_subquery()


def with_author(statement: Select[Any], viewer: Viewer) -> Select[Any]:
    """Select the columns of the messages of a statement, with their author, quote and reactions."""
    columns = [
        *ChatMessage.__table__.columns,
        person_json().label("author"),
        quoted(ChatMessage.reply_to_id, viewer).label("reply_to"),
        reactions(viewer).label("reactions"),
    ]
    return statement.with_only_columns(*columns).join(User, User.id == ChatMessage.author_id)


def events(conversation_id: UUID, *, after: BindParameter[int], limit: int) -> Select[Any]:
    """Select the events after an event number with the current state of their messages, oldest first."""
    author = aliased(User)
    return (
        select(
            ChatEvent.event_id,
            ChatEvent.kind,
            ChatEvent.user_id,
            ChatEvent.created_at,
            ChatEvent.message_id,
            ChatMessage.event_id.label("message_event_id"),
            ChatMessage.author_id,
            ChatMessage.content,
            ChatMessage.media_ids,
            ChatMessage.client_id,
            ChatMessage.created_at.label("message_created_at"),
            ChatMessage.edited_at,
            ChatMessage.deleted_at,
            ChatMessage.reply_to_id,
            quoted(ChatMessage.reply_to_id).label("reply_to"),
            reactions().label("reactions"),
            person_json(author).label("author"),
            person_json().label("user"),
        )
        .join(User, User.id == ChatEvent.user_id)
        .outerjoin(ChatMessage, ChatMessage.id == ChatEvent.message_id)
        .outerjoin(author, author.id == ChatMessage.author_id)
        .where(ChatEvent.conversation_id == conversation_id, ChatEvent.event_id > after)
        .order_by(ChatEvent.event_id)
        .limit(limit)
    )


def without_receipts_of(viewer: Viewer, conversation_id: UUID | BindParameter[UUID]) -> Select[Any]:
    """Select the members of a conversation who do not see how far the viewer has read."""
    return (
        select(ConversationMember.user_id.label("id"))
        .join(User, User.id == ConversationMember.user_id)
        .where(ConversationMember.conversation_id == conversation_id)
        .where(or_(lacks_receipts(viewer), ~users.not_blocked(viewer, User.id)))
    )


def blocked_by_or_blocking(viewer: Viewer) -> Select[Any]:
    """Select the ids of the users who block the viewer or are blocked by them."""
    other = case((Block.blocker_id == viewer.id, Block.blocked_id), else_=Block.blocker_id)
    return select(other).where(or_(Block.blocker_id == viewer.id, Block.blocked_id == viewer.id))


def direct_peer(viewer: Viewer, conversation_id: UUID) -> Select[Any]:
    """Select the other member of a direct conversation, if the viewer may see them."""
    others = select(ConversationMember.user_id).where(
        ConversationMember.conversation_id == conversation_id, ConversationMember.user_id != viewer.id
    )
    return users.visible_to(viewer).with_only_columns(User.id).where(User.id.in_(others.correlate(None)))
