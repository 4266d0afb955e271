"""Messages: writing, changing and reading them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.chat import queries
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
from transactional_api.chat.service import access, add_event, lock, next_event_id
from transactional_api.db.tables import ChatEvent, ChatMessage, Conversation, ConversationMember, User
from transactional_api.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.paging import Page, PageRequest
from transactional_api.prepared import SOMEONE, Listing, parameter
from transactional_api.users import queries as users

EVENTS_AT_ONCE = 200

# What is said on an open socket is said often.
_SENT = select(ChatMessage).where(
    ChatMessage.conversation_id == parameter("conversation_id"),
    ChatMessage.author_id == SOMEONE.id,
    ChatMessage.client_id == bindparam("client_id"),
)
_WRITE = (
    insert(ChatMessage)
    # The time under the lock, so that times follow the numbers.
    .values(created_at=func.clock_timestamp())
    .returning(ChatMessage)
)
_EVENTS = queries.events(parameter("conversation_id"), after=bindparam("after"), limit=EVENTS_AT_ONCE)
_HIDDEN = queries.blocked_by_or_blocking(SOMEONE.id)
_OTHER = (
    users.visible_to(SOMEONE)
    .with_only_columns(User.id)
    .where(
        User.id.in_(
            select(ConversationMember.user_id).where(
                ConversationMember.conversation_id == parameter("conversation_id"),
                ConversationMember.user_id != SOMEONE.id,
            )
        )
    )
)
_LAST = select(Conversation.last_event_id).where(Conversation.id == parameter("id_of_conversation")).scalar_subquery()
_READ = (
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
        ForbiddenError: when it is between two with a block between them.
    """
    # Under the lock, so that who was put out a moment ago writes nothing more.
    await lock(session, conversation_id=conversation_id)
    found = await access(session, viewer=viewer, conversation_id=conversation_id)
    if found.kind is ConversationKind.DIRECT:
        await _reachable(session, viewer=viewer, conversation_id=conversation_id)
    if body.client_id is not None:
        named = {"viewer_id": viewer.id, "conversation_id": conversation_id, "client_id": body.client_id}
        sent = await session.scalar(_SENT, named)
        if sent is not None:
            return MessageOut.model_validate(sent)
    event_id = await next_event_id(session, conversation_id=conversation_id, is_message=True)
    values = {"conversation_id": conversation_id, "author_id": viewer.id, "event_id": event_id}
    message = await session.scalar(_WRITE, values | body.model_dump())
    assert message is not None  # noqa: S101 (the insert returned it)
    await add_event(
        session,
        bell=bell,
        conversation_id=conversation_id,
        kind=EventKind.MESSAGE_CREATED,
        user_id=viewer.id,
        message_id=message.id,
        event_id=event_id,
    )
    await _read_up_to(session, viewer=viewer, conversation_id=conversation_id, event_id=event_id)
    return MessageOut.model_validate(message)


async def page_of(
    session: AsyncSession, *, viewer: Viewer, conversation_id: UUID, page: PageRequest
) -> Page[MessageOut]:
    """List a conversation's messages, the newest first."""
    await access(session, viewer=viewer, conversation_id=conversation_id)
    rows = await _OF_CONVERSATION.rows(session, page=page, viewer_id=viewer.id, conversation_id=conversation_id)
    return page.of(rows, MessageOut.model_validate)


async def events_after(session: AsyncSession, *, viewer: Viewer, conversation_id: UUID, after: int) -> Events:
    """Return up to ``EVENTS_AT_ONCE`` events after a number, the oldest first."""
    await access(session, viewer=viewer, conversation_id=conversation_id)
    last = await session.scalar(select(Conversation.last_event_id).where(Conversation.id == conversation_id))
    hidden = await people_hidden_from(session, user_id=viewer.id)
    items = await read_events(session, conversation_id=conversation_id, after=after)
    return Events(items=[without(event, hidden) for event in items], last_event_id=last or 0)


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
    await add_event(
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
    await add_event(
        session,
        bell=bell,
        conversation_id=conversation_id,
        kind=EventKind.MESSAGE_DELETED,
        user_id=viewer.id,
        message_id=message_id,
    )


async def mark_read(session: AsyncSession, *, viewer: Viewer, bell: Bell, conversation_id: UUID, event_id: int) -> None:
    """Note up to which event the viewer has read; an earlier one, or one that is not there yet, moves nothing back."""
    await access(session, viewer=viewer, conversation_id=conversation_id)
    await _read_up_to(session, viewer=viewer, conversation_id=conversation_id, event_id=event_id)
    bell.ring(session, conversation_id, {"type": "read", "user_id": str(viewer.id), "event_id": event_id})


async def read_events(session: AsyncSession, *, conversation_id: UUID, after: int) -> list[ChatEventOut]:
    """Return events as everybody in the conversation may have them; who asks must have been let in before."""
    rows = await session.execute(_EVENTS, {"conversation_id": conversation_id, "after": after})
    return [_event(event, message) for event, message in rows]


async def people_hidden_from(session: AsyncSession, *, user_id: UUID) -> set[UUID]:
    """Return the people between whom and a person there is a block."""
    rows = await session.execute(_HIDDEN, {"viewer_id": user_id})
    return {one for row in rows for one in row} - {user_id}


def without(event: ChatEventOut, hidden: set[UUID]) -> ChatEventOut:
    """Return the event for somebody from whom people are hidden: its number stays, their words do not."""
    if event.message is not None and event.message.author_id in hidden:
        return event.model_copy(update={"message": None})
    return event


def _event(event: ChatEvent, message: ChatMessage | None) -> ChatEventOut:
    return ChatEventOut(
        event_id=event.event_id,
        kind=EventKind(event.kind),
        user_id=event.user_id,
        message=MessageOut.model_validate(message) if message is not None else None,
        created_at=event.created_at,
    )


async def _own(session: AsyncSession, *, viewer: Viewer, conversation_id: UUID, message_id: UUID) -> ChatMessage:
    await lock(session, conversation_id=conversation_id)
    await access(session, viewer=viewer, conversation_id=conversation_id)
    statement = queries.messages(viewer, conversation_id=conversation_id).where(ChatMessage.id == message_id)
    message: ChatMessage | None = await session.scalar(statement.execution_options(populate_existing=True))
    if message is None:
        raise NotFoundError
    if message.author_id != viewer.id:
        raise ForbiddenError("Only its author may change a message")
    return message


async def _reachable(session: AsyncSession, *, viewer: Viewer, conversation_id: UUID) -> None:
    if await session.scalar(_OTHER, {"viewer_id": viewer.id, "conversation_id": conversation_id}) is None:
        raise ForbiddenError("You cannot write to this neighbour")


async def _read_up_to(session: AsyncSession, *, viewer: Viewer, conversation_id: UUID, event_id: int) -> None:
    named = {"viewer_id": viewer.id, "id_of_conversation": conversation_id, "up_to": event_id}
    await session.execute(_READ, named)


async def _clock(session: AsyncSession) -> Any:
    return await session.scalar(select(func.clock_timestamp()))
