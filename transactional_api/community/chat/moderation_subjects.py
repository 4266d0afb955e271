"""Registration of chat messages as subjects of moderation."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, exists, select

from transactional_api.core.db.tables import ChatMessage, ConversationMember
from transactional_api.core.moderation import Subject, SubjectKind, register
from transactional_api.core.viewer import Viewer


def _messages(viewer: Viewer) -> Select[Any]:
    membership = and_(
        ConversationMember.conversation_id == ChatMessage.conversation_id, ConversationMember.user_id == viewer.id
    )
    return select(ChatMessage).where(
        exists().where(membership).correlate(ChatMessage), ChatMessage.deleted_at.is_(None)
    )


MESSAGE = register(
    SubjectKind.MESSAGE, Subject(ChatMessage.id, ChatMessage.author_id, (ChatMessage.content,), _messages, None)
)
