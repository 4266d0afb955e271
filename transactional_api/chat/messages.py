"""Messages: writing, changing and reading them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Select, String, bindparam, func, insert, literal, select, true, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer, speaks
from transactional_api.chat import queries, service
from transactional_api.chat.bell import Bell
from transactional_api.chat.schemas import (
    ChatEventOut,
    ConversationKind,
    EventKind,
    Events,
    MessageBody,
    MessageOut,
    NewMessage,
)
from transactional_api.db.plain import Ready, in_one_trip
from transactional_api.db.tables import ChatEvent, ChatMessage, Conversation, ConversationMember
from transactional_api.errors import ForbiddenError, NotFoundError, Problem, UnauthenticatedError
from transactional_api.paging import Page, PageRequest
from transactional_api.prepared import SOMEONE, Listing, parameter

EVENTS_AT_ONCE = 200

# What is said on an open socket is said often.
_SENT = (
    select(ChatMessage.__table__)
    .where(
        ChatMessage.conversation_id == parameter("conversation_id"),
        ChatMessage.author_id == SOMEONE.id,
        ChatMessage.client_id == bindparam("client_id", type_=String()),
    )
    .correlate(None)
)
_SENT_BEFORE = Ready(_SENT)
_MAY_SEND = Ready(
    select(
        Conversation.kind,
        queries.other_of_two(SOMEONE, parameter("conversation_id")).exists().label("reachable"),
        _SENT.exists().label("sent_before"),
        speaks(SOMEONE).label("speaks"),
    )
    .join(ConversationMember, queries.is_in(SOMEONE))
    .where(Conversation.id == parameter("conversation_id"))
)
_EVENTS = Ready(queries.events(parameter("conversation_id"), after=bindparam("after"), limit=EVENTS_AT_ONCE))
_LATEST = Ready(select(Conversation.last_event_id).where(Conversation.id == parameter("conversation_id")))
_HIDDEN = Ready(queries.blocked_by_or_blocking(SOMEONE))
_MAY_LISTEN = Ready(
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


_WRITE = Ready(_write())
_LAST = select(Conversation.last_event_id).where(Conversation.id == parameter("id_of_conversation")).scalar_subquery()
_READ = Ready(
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
_OF_CONVERSATION = Listing.of(
    queries.messages(SOMEONE, conversation_id=parameter("conversation_id")).with_only_columns(
        *ChatMessage.__table__.columns
    ),
    at=ChatMessage.created_at,
    row_id=ChatMessage.id,
)


class MessageDeletedError(Problem):
    """The message was deleted."""

    status, code, title = 409, "message_deleted", "This message was deleted"


async def send(
    session: AsyncSession, *, viewer: Viewer, bell: Bell, conversation_id: UUID, body: NewMessage
) -> MessageOut:
    """Write a message; one that comes again with its ``client_id`` is the first one.

    Raises:
        NotFoundError: when the viewer is not in the conversation.
        UnauthenticatedError: when their session ended meanwhile, or their account is closed or suspended.
        ForbiddenError: when it is between two with a block between them.
    """
    named = {"viewer_id": viewer.id, "client_id": body.client_id}
    asked = {"session_id": viewer.session_id, "conversation_id": conversation_id} | named
    # Under the lock, so that who was put out, logged out or suspended a moment ago writes nothing more.
    _, rows = await in_one_trip(session, (service.LOCK, {"conversation_id": conversation_id}), (_MAY_SEND, asked))
    if not rows:
        raise NotFoundError
    (found,) = rows
    if not found.speaks:
        raise UnauthenticatedError
    if found.kind == ConversationKind.DIRECT and not found.reachable:
        raise ForbiddenError("You cannot write to this neighbour")
    if found.sent_before:
        sent = await _SENT_BEFORE.one_or_none(session, conversation_id=conversation_id, **named)
        return MessageOut.model_validate(sent)
    said = {"content": body.content, "attachments": body.attachments}
    written = await _WRITE.one_or_none(session, id_of_conversation=conversation_id, **named, **said)
    message = MessageOut.model_validate(written)
    event = ChatEventOut(
        event_id=message.event_id,
        kind=EventKind.MESSAGE_CREATED,
        user_id=viewer.id,
        message=message,
        created_at=written.logged_at,
    )
    bell.ring_for(session, conversation_id, event)
    return message


async def page_of(
    session: AsyncSession, *, viewer: Viewer, conversation_id: UUID, page: PageRequest
) -> Page[MessageOut]:
    """List a conversation's messages, the newest first."""
    named = {"viewer_id": viewer.id, "conversation_id": conversation_id}
    rows = await _OF_CONVERSATION.rows(session, page=page, door=service.door(viewer, conversation_id), **named)
    return page.of(rows, MessageOut.model_validate)


async def events_after(session: AsyncSession, *, viewer: Viewer, conversation_id: UUID, after: int) -> Events:
    """Return up to ``EVENTS_AT_ONCE`` events after a number, the oldest first."""
    await service.access(session, viewer=viewer, conversation_id=conversation_id)
    last = await last_event_id(session, conversation_id=conversation_id)
    hidden = await people_hidden_from(session, user_id=viewer.id)
    items = await read_events(session, conversation_id=conversation_id, after=after)
    return Events(items=[without(event, hidden) for event in items], last_event_id=last)


async def edit(
    session: AsyncSession, *, viewer: Viewer, bell: Bell, conversation_id: UUID, message_id: UUID, body: MessageBody
) -> MessageOut:
    """Change what a message says.

    Raises:
        ForbiddenError: for anyone but its author.
        MessageDeletedError: when there is nothing to change any more.
    """
    message = await _own(session, viewer=viewer, conversation_id=conversation_id, message_id=message_id)
    if message.deleted_at is not None:
        raise MessageDeletedError
    message.content, message.attachments = body.content, list(body.attachments)
    message.edited_at = await _clock(session)
    await session.flush()
    await service.add_event(
        session,
        bell=bell,
        conversation_id=conversation_id,
        kind=EventKind.MESSAGE_EDITED,
        user_id=viewer.id,
        message_id=message_id,
    )
    return MessageOut.model_validate(message)


async def remove(session: AsyncSession, *, viewer: Viewer, bell: Bell, conversation_id: UUID, message_id: UUID) -> None:
    """Empty a message; its place stays. Twice changes nothing."""
    message = await _own(session, viewer=viewer, conversation_id=conversation_id, message_id=message_id)
    if message.deleted_at is not None:
        return
    message.content, message.attachments = None, []
    message.deleted_at = await _clock(session)
    await session.flush()
    await service.add_event(
        session,
        bell=bell,
        conversation_id=conversation_id,
        kind=EventKind.MESSAGE_DELETED,
        user_id=viewer.id,
        message_id=message_id,
    )


async def mark_read(session: AsyncSession, *, viewer: Viewer, bell: Bell, conversation_id: UUID, event_id: int) -> None:
    """Note up to which event the viewer has read; an earlier one, or one that is not there yet, moves nothing back."""
    await service.access(session, viewer=viewer, conversation_id=conversation_id)
    await _read_up_to(session, viewer=viewer, conversation_id=conversation_id, event_id=event_id)
    bell.ring(session, conversation_id, {"type": "read", "user_id": str(viewer.id), "event_id": event_id})


async def read_events(session: AsyncSession, *, conversation_id: UUID, after: int) -> list[ChatEventOut]:
    """Return events as everybody in the conversation may have them; who asks must have been let in before."""
    return [_event(row) for row in await _EVENTS.all(session, conversation_id=conversation_id, after=after)]


async def last_event_id(session: AsyncSession, *, conversation_id: UUID) -> int:
    """Return the number of the latest event; 0 of a conversation that is not there."""
    row = await _LATEST.one_or_none(session, conversation_id=conversation_id)
    return row.last_event_id if row else 0


async def people_hidden_from(session: AsyncSession, *, user_id: UUID) -> set[UUID]:
    """Return the people between whom and a person there is a block."""
    return {person for (person,) in await _HIDDEN.all(session, viewer_id=user_id)}


async def may_listen(session: AsyncSession, *, viewer: Viewer, conversation_id: UUID) -> set[UUID]:
    """Return the people whom the viewer is not to hear in a conversation.

    Raises:
        NotFoundError: when the viewer is not, or no longer, in it.
        UnauthenticatedError: when their session ended, or their account is closed or suspended.
    """
    named = {"viewer_id": viewer.id, "session_id": viewer.session_id, "conversation_id": conversation_id}
    found = await _MAY_LISTEN.one_or_none(session, **named)
    if found is None:
        raise NotFoundError
    if not found.speaks:
        raise UnauthenticatedError
    return set(found.hidden)


def without(event: ChatEventOut, hidden: set[UUID]) -> ChatEventOut:
    """Return the event for somebody from whom people are hidden: its number stays, their words do not."""
    if event.message is not None and event.message.author_id in hidden:
        return event.model_copy(update={"message": None})
    return event


def _event(row: Any) -> ChatEventOut:
    message = None
    if row.message_id is not None:
        message = MessageOut(
            id=row.message_id,
            event_id=row.said_in,
            author_id=row.author_id,
            content=row.content,
            attachments=row.attachments,
            client_id=row.client_id,
            created_at=row.said_at,
            edited_at=row.edited_at,
            deleted_at=row.deleted_at,
        )
    return ChatEventOut(
        event_id=row.event_id,
        kind=EventKind(row.kind),
        user_id=row.user_id,
        message=message,
        created_at=row.created_at,
    )


async def _own(session: AsyncSession, *, viewer: Viewer, conversation_id: UUID, message_id: UUID) -> ChatMessage:
    await service.lock(session, conversation_id=conversation_id)
    await service.access(session, viewer=viewer, conversation_id=conversation_id)
    statement = queries.messages(viewer, conversation_id=conversation_id).where(ChatMessage.id == message_id)
    message: ChatMessage | None = await session.scalar(statement.execution_options(populate_existing=True))
    if message is None:
        raise NotFoundError
    if message.author_id != viewer.id:
        raise ForbiddenError("Only its author may change a message")
    return message


async def _read_up_to(session: AsyncSession, *, viewer: Viewer, conversation_id: UUID, event_id: int) -> None:
    named = {"viewer_id": viewer.id, "id_of_conversation": conversation_id, "up_to": event_id}
    await _READ.one_or_none(session, **named)


async def _clock(session: AsyncSession) -> Any:
    return await session.scalar(select(func.clock_timestamp()))
