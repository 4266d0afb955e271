"""``/chat``: conversations and messages; ``socket`` serves live events."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import StringConstraints

from transactional_api.community.chat import messages, service
from transactional_api.community.chat.messages import MessageDeletedError, UnknownReplyError
from transactional_api.community.chat.publisher import ChatPublisher
from transactional_api.community.chat.schemas import (
    ChatSettings,
    ConversationEvents,
    ConversationOut,
    EventId,
    MessageBody,
    MessageOut,
    MessageReactionBody,
    NewConversation,
    NewConversationMember,
    NewMessage,
    ReadReceipt,
)
from transactional_api.community.chat.service import ConversationFullError
from transactional_api.core.cache import RedisDep
from transactional_api.core.db.session import SessionDep
from transactional_api.core.db.statements import RunnerDep
from transactional_api.core.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.http.auth import CurrentUser, WritingUser
from transactional_api.core.http.fast_path import fast_read
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.media.references import ATTACHING
from transactional_api.core.pagination import Page, PageDep
from transactional_api.core.text import Line

router = APIRouter(prefix="/chat/conversations", tags=["chat"], route_class=TransactionalRoute)

settings_router = APIRouter(prefix="/chat/settings", tags=["chat"], route_class=TransactionalRoute)

SearchText = Annotated[Line, StringConstraints(min_length=1, max_length=100)]
READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
WRITES = (*READS, ForbiddenError, KeyReusedError, KeyInUseError)


async def _publisher(request: Request, redis: RedisDep) -> ChatPublisher:
    return ChatPublisher(redis, request.app.state.hub)


PublisherDep = Annotated[ChatPublisher, Depends(_publisher)]


@settings_router.get(
    "",
    operation_id="getChatSettings",
    summary="Get chat settings",
    responses=problem_responses(UnauthenticatedError),
)
async def get_chat_settings(session: SessionDep, viewer: CurrentUser) -> ChatSettings:
    """Get your settings of conversations."""
    return await service.chat_settings(session, viewer=viewer)


@settings_router.put(
    "",
    operation_id="replaceChatSettings",
    summary="Replace chat settings",
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError),
)
async def replace_chat_settings(body: ChatSettings, session: SessionDep, writer: WritingUser) -> ChatSettings:
    """Replace your settings. Without read receipts, neither you nor other members see how far the other has read."""
    return await service.replace_chat_settings(session, viewer=writer, body=body)


@router.post(
    "",
    operation_id="createConversation",
    summary="Create a conversation",
    status_code=201,
    responses=problem_responses(*WRITES),
)
async def create_conversation(
    body: NewConversation, session: SessionDep, publisher: PublisherDep, writer: WritingUser
) -> ConversationOut:
    """Create a conversation. A second direct conversation with the same neighbor returns the existing one."""
    return await service.create_conversation(session, viewer=writer, publisher=publisher, body=body)


@router.get(
    "",
    operation_id="listConversations",
    summary="List conversations",
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def list_conversations(
    session: SessionDep, publisher: PublisherDep, viewer: CurrentUser, page: PageDep
) -> Page[ConversationOut]:
    """List your conversations, by latest message."""
    return await service.list_conversations(session, viewer=viewer, publisher=publisher, page=page)


@router.get(
    "/{conversation_id}",
    operation_id="getConversation",
    summary="Get a conversation",
    responses=problem_responses(*READS),
)
async def get_conversation(
    conversation_id: UUID, session: SessionDep, publisher: PublisherDep, viewer: CurrentUser
) -> ConversationOut:
    """Get one of your conversations with its members, their presence and your unread count."""
    return await service.get_conversation(session, viewer=viewer, publisher=publisher, conversation_id=conversation_id)


@router.get(
    "/{conversation_id}/messages",
    operation_id="listMessages",
    summary="List messages",
    responses=problem_responses(*READS, InvalidCursorError),
)
@fast_read
async def list_messages(
    conversation_id: UUID, runner: RunnerDep, viewer: CurrentUser, page: PageDep
) -> Page[MessageOut]:
    """List the messages of a conversation, newest first."""
    return await messages.list_messages(runner, viewer=viewer, conversation_id=conversation_id, page=page)


@router.get(
    "/{conversation_id}/messages/search",
    operation_id="searchMessages",
    summary="Search messages",
    responses=problem_responses(*READS, InvalidCursorError),
)
async def search_messages(
    *,
    conversation_id: UUID,
    session: SessionDep,
    viewer: CurrentUser,
    page: PageDep,
    q: Annotated[SearchText, Query(description="Text that the messages contain, in any case.", examples=["ladder"])],
) -> Page[MessageOut]:
    """Search a conversation for a text, newest first. Deleted messages have no text."""
    return await messages.search_messages(session, viewer=viewer, conversation_id=conversation_id, query=q, page=page)


@router.get(
    "/{conversation_id}/events",
    operation_id="listConversationEvents",
    summary="List conversation events",
    responses=problem_responses(*READS),
)
async def list_events(
    conversation_id: UUID,
    runner: RunnerDep,
    viewer: CurrentUser,
    after: Annotated[
        EventId, Query(description="Number of the last event that you received; 0 for none.", examples=[16])
    ] = 0,
) -> ConversationEvents:
    """List the events after the last one that you received, oldest first and at most 200 per response."""
    return await messages.events_after(runner, viewer=viewer, conversation_id=conversation_id, after=after)


@router.post(
    "/{conversation_id}/messages",
    operation_id="sendMessage",
    summary="Send a message",
    status_code=201,
    responses=problem_responses(*WRITES, *ATTACHING, UnknownReplyError),
)
async def send_message(
    conversation_id: UUID, body: NewMessage, runner: RunnerDep, publisher: PublisherDep, writer: WritingUser
) -> MessageOut:
    """Send a message. A repeated `client_id` returns the message sent first."""
    return await messages.send(runner, viewer=writer, publisher=publisher, conversation_id=conversation_id, body=body)


@router.put(
    "/{conversation_id}/messages/{message_id}",
    operation_id="editMessage",
    summary="Edit a message",
    responses=problem_responses(*WRITES, MessageDeletedError, *ATTACHING),
)
async def edit_message(
    *,
    conversation_id: UUID,
    message_id: UUID,
    body: MessageBody,
    session: SessionDep,
    publisher: PublisherDep,
    writer: WritingUser,
) -> MessageOut:
    """Replace the content of your message."""
    return await messages.edit(
        session, viewer=writer, publisher=publisher, conversation_id=conversation_id, message_id=message_id, body=body
    )


@router.delete(
    "/{conversation_id}/messages/{message_id}",
    operation_id="deleteMessage",
    summary="Delete a message",
    status_code=204,
    responses=problem_responses(*WRITES),
)
async def delete_message(
    conversation_id: UUID, message_id: UUID, session: SessionDep, publisher: PublisherDep, writer: WritingUser
) -> None:
    """Delete the content of your message; its event number stays."""
    await messages.remove(
        session, viewer=writer, publisher=publisher, conversation_id=conversation_id, message_id=message_id
    )


@router.put(
    "/{conversation_id}/messages/{message_id}/reaction",
    operation_id="setMessageReaction",
    summary="Set reaction to message",
    responses=problem_responses(*WRITES, MessageDeletedError),
)
async def react(
    *,
    conversation_id: UUID,
    message_id: UUID,
    body: MessageReactionBody,
    session: SessionDep,
    publisher: PublisherDep,
    writer: WritingUser,
) -> MessageOut:
    """Set your reaction to a message. Replaces your previous reaction."""
    return await messages.react(
        session,
        viewer=writer,
        publisher=publisher,
        conversation_id=conversation_id,
        message_id=message_id,
        kind=body.kind,
    )


@router.delete(
    "/{conversation_id}/messages/{message_id}/reaction",
    operation_id="removeMessageReaction",
    summary="Remove reaction to message",
    status_code=204,
    responses=problem_responses(*READS, KeyReusedError, KeyInUseError),
)
async def unreact(
    conversation_id: UUID, message_id: UUID, session: SessionDep, publisher: PublisherDep, writer: WritingUser
) -> None:
    """Remove your reaction to a message. Idempotent."""
    await messages.remove_reaction(
        session, viewer=writer, publisher=publisher, conversation_id=conversation_id, message_id=message_id
    )


@router.put(
    "/{conversation_id}/read",
    operation_id="markConversationRead",
    summary="Mark a conversation as read",
    status_code=204,
    responses=problem_responses(*READS, KeyReusedError, KeyInUseError),
)
async def mark_read(
    conversation_id: UUID, body: ReadReceipt, runner: RunnerDep, publisher: PublisherDep, writer: WritingUser
) -> None:
    """Set the event up to which you have read; the position never moves back."""
    await messages.mark_read(
        runner, viewer=writer, publisher=publisher, conversation_id=conversation_id, event_id=body.event_id
    )


@router.post(
    "/{conversation_id}/members",
    operation_id="addConversationMember",
    summary="Add a conversation member",
    status_code=204,
    responses=problem_responses(*WRITES, ConversationFullError),
)
async def add_member(
    conversation_id: UUID,
    body: NewConversationMember,
    session: SessionDep,
    publisher: PublisherDep,
    writer: WritingUser,
) -> None:
    """Add a neighbor to a group; they can read earlier messages."""
    await service.add_member(
        session, viewer=writer, publisher=publisher, conversation_id=conversation_id, user_id=body.user_id
    )


@router.delete(
    "/{conversation_id}/members/{user_id}",
    operation_id="removeConversationMember",
    summary="Remove a conversation member",
    status_code=204,
    responses=problem_responses(*WRITES),
)
async def remove_member(
    conversation_id: UUID, user_id: UUID, session: SessionDep, publisher: PublisherDep, writer: WritingUser
) -> None:
    """Leave a group, or remove a member from a group that you created."""
    await service.remove_member(
        session, viewer=writer, publisher=publisher, conversation_id=conversation_id, user_id=user_id
    )
