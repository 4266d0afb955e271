"""Compiled statements of messages: sockets run them often enough that compiling them each time would show."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    bindparam,
    column,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    table,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from transactional_api.community.chat import queries, service
from transactional_api.community.chat.schemas import EventKind
from transactional_api.core.compiled_queries import VIEWER_PLACEHOLDER, KeysetQuery, uuid_param
from transactional_api.core.db.statements import CompiledStatement
from transactional_api.core.db.tables import ChatEvent, ChatMessage, Conversation, ConversationMember, User
from transactional_api.core.jobs.queue import JobReference
from transactional_api.core.media.link_previews import FETCH_PREVIEW
from transactional_api.core.notices import NOTIFY_OF_MESSAGE
from transactional_api.core.viewer import is_session_active
from transactional_api.identity.users.people import person_json

EVENTS_AT_ONCE = 200

_SENT = (
    select(ChatMessage.__table__)
    .where(
        ChatMessage.conversation_id == uuid_param("conversation_id"),
        ChatMessage.author_id == VIEWER_PLACEHOLDER.id,
        ChatMessage.client_id == bindparam("client_id", type_=String()),
    )
    .correlate(None)
)
_VIEWER = select(person_json()).where(User.id == VIEWER_PLACEHOLDER.id).correlate(None).scalar_subquery()
DUPLICATE = CompiledStatement(
    _SENT.add_columns(
        _VIEWER.label("author"),
        queries.quoted(ChatMessage.reply_to_id, VIEWER_PLACEHOLDER).label("reply_to"),
        queries.reactions(VIEWER_PLACEHOLDER).label("reactions"),
    )
)
_REPLY_TO = uuid_param("reply_to_id")
_MAY_REPLY = (
    queries.messages(VIEWER_PLACEHOLDER, conversation_id=uuid_param("conversation_id"))
    .where(ChatMessage.id == _REPLY_TO, ChatMessage.deleted_at.is_(None))
    .correlate(None)
    .exists()
)
MAY_SEND = CompiledStatement(
    select(
        Conversation.kind,
        queries.direct_peer(VIEWER_PLACEHOLDER, uuid_param("conversation_id")).exists().label("is_reachable"),
        _SENT.exists().label("is_duplicate"),
        or_(_REPLY_TO.is_(None), _MAY_REPLY).label("may_reply"),
        is_session_active(VIEWER_PLACEHOLDER).label("is_session_active"),
    )
    .join(ConversationMember, queries.is_member(VIEWER_PLACEHOLDER))
    .where(Conversation.id == uuid_param("conversation_id"))
)
EVENTS = CompiledStatement(
    queries.events(uuid_param("conversation_id"), after=bindparam("after"), limit=EVENTS_AT_ONCE)
)
LATEST = CompiledStatement(select(Conversation.last_event_id).where(Conversation.id == uuid_param("conversation_id")))
BLOCKED = CompiledStatement(queries.blocked_by_or_blocking(VIEWER_PLACEHOLDER))
WITHOUT_RECEIPTS = CompiledStatement(queries.without_receipts_of(VIEWER_PLACEHOLDER, uuid_param("conversation_id")))
MAY_SUBSCRIBE = CompiledStatement(
    select(
        is_session_active(VIEWER_PLACEHOLDER).label("is_session_active"),
        func.array(queries.blocked_by_or_blocking(VIEWER_PLACEHOLDER).scalar_subquery()).label("hidden"),
    )
    .select_from(Conversation)
    .join(ConversationMember, queries.is_member(VIEWER_PLACEHOLDER))
    .where(Conversation.id == uuid_param("conversation_id"))
)


def _write() -> Select[Any]:
    """Insert a message and its event under the next event number, and advance its author's read position."""
    now = func.clock_timestamp()  # Read under the lock, so that times have the order of the numbers.
    numbered = service.take_event_id(last_message_at=now).cte("numbered")
    message: dict[Any, Any] = {
        ChatMessage.conversation_id: numbered.c.id,
        ChatMessage.event_id: numbered.c.last_event_id,
        ChatMessage.author_id: VIEWER_PLACEHOLDER.id,
        ChatMessage.content: bindparam("content", type_=String()),
        ChatMessage.media_ids: bindparam("media_ids", type_=JSONB()),
        ChatMessage.client_id: bindparam("client_id", type_=String()),
        ChatMessage.reply_to_id: _REPLY_TO,
        ChatMessage.created_at: now,
    }
    written = (
        insert(ChatMessage)
        .from_select(list(message), select(*message.values()))
        .returning(*ChatMessage.__table__.columns)
        .cte("written")
    )
    event: dict[Any, Any] = {
        ChatEvent.conversation_id: written.c.conversation_id,
        ChatEvent.event_id: written.c.event_id,
        ChatEvent.kind: literal(EventKind.MESSAGE_CREATED.value),
        ChatEvent.user_id: written.c.author_id,
        ChatEvent.message_id: written.c.id,
    }
    logged = (
        insert(ChatEvent)
        .from_select(list(event), select(*event.values()))
        .returning(ChatEvent.created_at.label("logged_at"))
        .cte("logged")
    )
    read = (
        update(ConversationMember)
        .where(ConversationMember.conversation_id == numbered.c.id, ConversationMember.user_id == VIEWER_PLACEHOLDER.id)
        .values(read_up_to=numbered.c.last_event_id)
        .cte("read")
    )
    columns: tuple[ColumnElement[Any], ...] = (
        logged.c.logged_at,
        _VIEWER.label("author"),
        queries.quoted(written.c.reply_to_id).label("reply_to"),
        literal_column("'[]'::jsonb").label("reactions"),
    )
    return select(written, *columns).join(logged, true()).add_cte(read)


WRITE = CompiledStatement(_write())
_JOBS = table(
    "procrastinate_jobs",
    *(column(name) for name in ("id", "queue_name", "task_name", "priority")),
    column("args", JSONB()),
)


def _queue(job: JobReference) -> CompiledStatement:
    """Queue a job in the same round trip, which does not go through SQLAlchemy."""
    return CompiledStatement(
        insert(_JOBS)
        .values(
            queue_name=job.lane.value,
            task_name=job.name,
            priority=int(job.priority),
            args=bindparam("job", type_=JSONB()),
        )
        .returning(_JOBS.c.id)
    )


NOTIFY, PREVIEW = _queue(NOTIFY_OF_MESSAGE), _queue(FETCH_PREVIEW)
"""Queue the notification of a message, and the preview of its link."""
_LAST = select(Conversation.last_event_id).where(Conversation.id == uuid_param("id_of_conversation")).scalar_subquery()
READ = CompiledStatement(
    update(ConversationMember)
    .where(
        ConversationMember.conversation_id == uuid_param("id_of_conversation"),
        ConversationMember.user_id == VIEWER_PLACEHOLDER.id,
    )
    .values(
        read_up_to=func.greatest(
            ConversationMember.read_up_to, func.least(bindparam("up_to", type_=BigInteger()), _LAST)
        )
    )
    .returning(ConversationMember.read_up_to)
    .execution_options(synchronize_session=False)
)
OF_CONVERSATION = KeysetQuery.of(
    queries.with_author(
        queries.messages(VIEWER_PLACEHOLDER, conversation_id=uuid_param("conversation_id")), VIEWER_PLACEHOLDER
    ),
    created_at_column=ChatMessage.created_at,
    id_column=ChatMessage.id,
)
