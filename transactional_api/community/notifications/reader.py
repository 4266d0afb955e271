"""References to the row of ``notifications`` and to its reader, usable at any depth of subqueries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Select,
    String,
    Uuid,
    and_,
    exists,
    literal_column,
    or_,
    select,
)

from transactional_api.core.compiled_queries import VIEWER_PLACEHOLDER
from transactional_api.core.db.tables import ChatMessage, ConversationMember, ModerationCase, ModerationDecision
from transactional_api.core.moderation import CaseState, Outcome, SubjectKind
from transactional_api.identity.users import queries as users


def _column(name: str, type_: Any) -> Any:
    column = literal_column(f"notifications.{name}", type_)
    column.key = f"row_{name}"  # Bind parameters derive their names from the key, which must not contain a dot.
    return column


class ROW:
    """Columns of the row of ``notifications``."""

    notice_id: Any = _column("notice_id", Uuid())
    user_id: Any = _column("user_id", Uuid())
    actor_id: Any = _column("actor_id", Uuid())
    kind: Any = _column("kind", String())
    subject_kind: Any = _column("subject_kind", String())
    subject_id: Any = _column("subject_id", Uuid())
    source_kind: Any = _column("source_kind", String())
    source_id: Any = _column("source_id", Uuid())
    created_at: Any = _column("created_at", DateTime(timezone=True))
    read_at: Any = _column("read_at", DateTime(timezone=True))
    position: Any = literal_column("(notifications.created_at, notifications.id)")


READER = replace(VIEWER_PLACEHOLDER, id=ROW.user_id)
"""Recipient of the notification in the row."""


def any_row(statement: Select[Any]) -> ColumnElement[bool]:
    """Condition: a statement that refers to ``ROW`` returns a row."""
    return statement.correlate(None).exists()


def is_moderated(kind: SubjectKind, row_id: Any) -> ColumnElement[bool]:
    """Condition: moderation currently hides the subject, by a decision or while a case is open."""
    hidden = and_(
        ModerationDecision.outcome.in_([Outcome.HIDE, Outcome.REMOVE]),
        ModerationDecision.took_effect.is_(True),
        ModerationDecision.undone_at.is_(None),
    )
    case_of = and_(ModerationCase.subject_kind == kind.value, ModerationCase.subject_id == row_id)
    is_held = and_(ModerationCase.is_held.is_(True), ModerationCase.state == CaseState.OPEN)
    is_decided = exists().where(ModerationDecision.case_id == ModerationCase.id, hidden).correlate(ModerationCase)
    return any_row(select(ModerationCase.id).where(case_of, or_(is_held, is_decided)))


def visible_messages(*columns: Any) -> Select[Any]:
    """Select from the messages of other users that the reader may see in the conversation of the notification."""
    membership = and_(
        ConversationMember.conversation_id == ChatMessage.conversation_id, ConversationMember.user_id == READER.id
    )
    return (
        select(*columns)
        .select_from(ChatMessage)
        .join(ConversationMember, membership)
        .where(
            ChatMessage.conversation_id == ROW.subject_id,
            ChatMessage.author_id != READER.id,
            ChatMessage.deleted_at.is_(None),
            users.not_blocked(READER, ChatMessage.author_id),
            users.not_muted(READER, ChatMessage.author_id),
        )
    )
