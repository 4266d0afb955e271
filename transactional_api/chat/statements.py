"""What is said on an open socket is said often: the statements of messages, compiled once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Select, String, bindparam, func, insert, literal, select, true, update
from sqlalchemy.dialects.postgresql import JSONB

from transactional_api.auth import speaks
from transactional_api.chat import queries, service
from transactional_api.chat.schemas import EventKind
from transactional_api.db.plain import Ready
from transactional_api.db.tables import ChatEvent, ChatMessage, Conversation, ConversationMember
from transactional_api.prepared import SOMEONE, Listing, parameter

EVENTS_AT_ONCE = 200

_SENT = (
    select(ChatMessage.__table__)
    .where(
        ChatMessage.conversation_id == parameter("conversation_id"),
        ChatMessage.author_id == SOMEONE.id,
        ChatMessage.client_id == bindparam("client_id", type_=String()),
    )
    .correlate(None)
)
SENT_BEFORE = Ready(_SENT)
MAY_SEND = Ready(
    select(
        Conversation.kind,
        queries.other_of_two(SOMEONE, parameter("conversation_id")).exists().label("reachable"),
        _SENT.exists().label("sent_before"),
        speaks(SOMEONE).label("speaks"),
    )
    .join(ConversationMember, queries.is_in(SOMEONE))
    .where(Conversation.id == parameter("conversation_id"))
)
EVENTS = Ready(queries.events(parameter("conversation_id"), after=bindparam("after"), limit=EVENTS_AT_ONCE))
LATEST = Ready(select(Conversation.last_event_id).where(Conversation.id == parameter("conversation_id")))
MAY_LISTEN = Ready(
    select(
        speaks(SOMEONE).label("speaks"),
        func.array(queries.blocked_by_or_blocking(SOMEONE).scalar_subquery()).label("hidden"),
    )
    .select_from(Conversation)
    .join(ConversationMember, queries.is_in(SOMEONE))
    .where(Conversation.id == parameter("conversation_id"))
)


def _write() -> Select[Any]:
    """Take the next number, keep the message and its event under it, and note that its author has read so far."""
    now = func.clock_timestamp()  # The time under the lock, so that times follow the numbers.
    numbered = service.numbered(last_message_at=now).cte("numbered")
    message: dict[Any, Any] = {
        ChatMessage.conversation_id: numbered.c.id,
        ChatMessage.event_id: numbered.c.last_event_id,
        ChatMessage.author_id: SOMEONE.id,
        ChatMessage.content: bindparam("content", type_=String()),
        ChatMessage.attachments: bindparam("attachments", type_=JSONB()),
        ChatMessage.client_id: bindparam("client_id", type_=String()),
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
        .where(ConversationMember.conversation_id == numbered.c.id, ConversationMember.user_id == SOMEONE.id)
        .values(read_up_to=numbered.c.last_event_id)
        .cte("read")
    )
    return select(written, logged.c.logged_at).join(logged, true()).add_cte(read)


WRITE = Ready(_write())
_LAST = select(Conversation.last_event_id).where(Conversation.id == parameter("id_of_conversation")).scalar_subquery()
READ = Ready(
    update(ConversationMember)
    .where(
        ConversationMember.conversation_id == parameter("id_of_conversation"),
        ConversationMember.user_id == SOMEONE.id,
    )
    .values(
        read_up_to=func.greatest(
            ConversationMember.read_up_to, func.least(bindparam("up_to", type_=BigInteger()), _LAST)
        )
    )
    .returning(ConversationMember.read_up_to)
    .execution_options(synchronize_session=False)
)
OF_CONVERSATION = Listing.of(
    queries.messages(SOMEONE, conversation_id=parameter("conversation_id")).with_only_columns(
        *ChatMessage.__table__.columns
    ),
    at=ChatMessage.created_at,
    row_id=ChatMessage.id,
)
