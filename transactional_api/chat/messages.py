"""Messages: writing, changing and reading them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.chat import queries, service, statements
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
from transactional_api.db.plain import in_one_trip
from transactional_api.db.tables import ChatMessage
from transactional_api.errors import ForbiddenError, NotFoundError, Problem, UnauthenticatedError
from transactional_api.paging import Page, PageRequest


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
    _, rows = await in_one_trip(
        session, (service.LOCK, {"conversation_id": conversation_id}), (statements.MAY_SEND, asked)
    )
    if not rows:
        raise NotFoundError
    (found,) = rows
    if not found.speaks:
        raise UnauthenticatedError
    if found.kind == ConversationKind.DIRECT and not found.reachable:
        raise ForbiddenError("You cannot write to this neighbour")
    if found.sent_before:
        sent = await statements.SENT_BEFORE.one_or_none(session, conversation_id=conversation_id, **named)
        return MessageOut.model_validate(sent)
    said = {"content": body.content, "attachments": body.attachments}
    written = await statements.WRITE.one_or_none(session, id_of_conversation=conversation_id, **named, **said)
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
    rows = await statements.OF_CONVERSATION.rows(
        session, page=page, door=service.door(viewer, conversation_id), **named
    )
    return page.of(rows, MessageOut.model_validate)


async def events_after(session: AsyncSession, *, viewer: Viewer, conversation_id: UUID, after: int) -> Events:
    """Return up to ``statements.EVENTS_AT_ONCE`` events after a number, the oldest first."""
    hidden = await may_listen(session, viewer=viewer, conversation_id=conversation_id)
    last = await last_event_id(session, conversation_id=conversation_id)
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
    named = {"viewer_id": viewer.id, "id_of_conversation": conversation_id, "up_to": event_id}
    if await statements.READ.one_or_none(session, **named) is None:
        raise NotFoundError
    bell.ring(session, conversation_id, {"type": "read", "user_id": str(viewer.id), "event_id": event_id})


async def read_events(session: AsyncSession, *, conversation_id: UUID, after: int) -> list[ChatEventOut]:
    """Return events as everybody in the conversation may have them; who asks must have been let in before."""
    return [_event(row) for row in await statements.EVENTS.all(session, conversation_id=conversation_id, after=after)]


async def last_event_id(session: AsyncSession, *, conversation_id: UUID) -> int:
    """Return the number of the latest event; 0 of a conversation that is not there."""
    row = await statements.LATEST.one_or_none(session, conversation_id=conversation_id)
    return row.last_event_id if row else 0


async def may_listen(session: AsyncSession, *, viewer: Viewer, conversation_id: UUID) -> set[UUID]:
    """Return the people whom the viewer is not to hear in a conversation.

    Raises:
        NotFoundError: when the viewer is not, or no longer, in it.
        UnauthenticatedError: when their session ended, or their account is closed or suspended.
    """
    named = {"viewer_id": viewer.id, "session_id": viewer.session_id, "conversation_id": conversation_id}
    found = await statements.MAY_LISTEN.one_or_none(session, **named)
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


async def _clock(session: AsyncSession) -> Any:
    return await session.scalar(select(func.clock_timestamp()))
