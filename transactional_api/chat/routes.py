"""``/chat``: conversations and messages; ``socket`` has what is live."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from transactional_api.auth import ViewerDep, WriterDep
from transactional_api.chat import messages, service
from transactional_api.chat.bell import Bell
from transactional_api.chat.messages import MessageDeletedError
from transactional_api.chat.schemas import (
    ConversationOut,
    EventId,
    Events,
    MemberBody,
    MessageBody,
    MessageOut,
    NewConversation,
    NewMessage,
    ReadBody,
)
from transactional_api.chat.service import ConversationFullError
from transactional_api.db.session import SessionDep
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    declare,
)
from transactional_api.hot import RedisDep
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.paging import Page, PageDep

router = APIRouter(prefix="/chat/conversations", tags=["chat"], route_class=TransactionalRoute)

READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
WRITES = (*READS, ForbiddenError, KeyReusedError, KeyInUseError)


async def _bell(request: Request, redis: RedisDep) -> Bell:
    return Bell(redis, request.app.state.hub)


BellDep = Annotated[Bell, Depends(_bell)]


@router.post("", operation_id="beginConversation", status_code=201, responses=declare(*WRITES))
async def begin(body: NewConversation, session: SessionDep, bell: BellDep, writer: WriterDep) -> ConversationOut:
    """Begin a conversation. With one neighbour there is only one: it is found again."""
    return await service.begin(session, viewer=writer, bell=bell, body=body)


@router.get(
    "",
    operation_id="listConversations",
    responses=declare(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def find(session: SessionDep, bell: BellDep, viewer: ViewerDep, page: PageDep) -> Page[ConversationOut]:
    """List your conversations, the one with the latest message first."""
    return await service.find(session, viewer=viewer, bell=bell, page=page)


@router.get("/{conversation_id}", operation_id="getConversation", responses=declare(*READS))
async def get(conversation_id: UUID, session: SessionDep, bell: BellDep, viewer: ViewerDep) -> ConversationOut:
    """Get a conversation that you are in: who is in it, who is there, what you have not read."""
    return await service.get(session, viewer=viewer, bell=bell, conversation_id=conversation_id)


@router.get("/{conversation_id}/messages", operation_id="listMessages", responses=declare(*READS, InvalidCursorError))
async def list_messages(
    conversation_id: UUID, session: SessionDep, viewer: ViewerDep, page: PageDep
) -> Page[MessageOut]:
    """List a conversation's messages, the newest first."""
    return await messages.page_of(session, viewer=viewer, conversation_id=conversation_id, page=page)


@router.get("/{conversation_id}/events", operation_id="listConversationEvents", responses=declare(*READS))
async def list_events(
    conversation_id: UUID,
    session: SessionDep,
    viewer: ViewerDep,
    after: Annotated[EventId, Query(description="The last event that you have; 0 for none.", examples=[16])] = 0,
) -> Events:
    """Catch up: what happened after the last event that you have, at most 200 at once, the oldest first."""
    return await messages.events_after(session, viewer=viewer, conversation_id=conversation_id, after=after)


@router.post("/{conversation_id}/messages", operation_id="sendMessage", status_code=201, responses=declare(*WRITES))
async def send(
    conversation_id: UUID, body: NewMessage, session: SessionDep, bell: BellDep, writer: WriterDep
) -> MessageOut:
    """Write a message. Sent again with its `client_id`, it is the same message."""
    return await messages.send(session, viewer=writer, bell=bell, conversation_id=conversation_id, body=body)


@router.put(
    "/{conversation_id}/messages/{message_id}",
    operation_id="editMessage",
    responses=declare(*WRITES, MessageDeletedError),
)
async def edit(
    *,
    conversation_id: UUID,
    message_id: UUID,
    body: MessageBody,
    session: SessionDep,
    bell: BellDep,
    writer: WriterDep,
) -> MessageOut:
    """Change what your message says."""
    return await messages.edit(
        session, viewer=writer, bell=bell, conversation_id=conversation_id, message_id=message_id, body=body
    )


@router.delete(
    "/{conversation_id}/messages/{message_id}",
    operation_id="deleteMessage",
    status_code=204,
    responses=declare(*WRITES),
)
async def remove(
    conversation_id: UUID, message_id: UUID, session: SessionDep, bell: BellDep, writer: WriterDep
) -> None:
    """Empty your message; its place stays."""
    await messages.remove(session, viewer=writer, bell=bell, conversation_id=conversation_id, message_id=message_id)


@router.put(
    "/{conversation_id}/read",
    operation_id="markConversationRead",
    status_code=204,
    responses=declare(*READS, KeyReusedError, KeyInUseError),
)
async def mark_read(
    conversation_id: UUID, body: ReadBody, session: SessionDep, bell: BellDep, writer: WriterDep
) -> None:
    """Say up to which event you have read; it never moves back."""
    await messages.mark_read(session, viewer=writer, bell=bell, conversation_id=conversation_id, event_id=body.event_id)


@router.post(
    "/{conversation_id}/members",
    operation_id="addConversationMember",
    status_code=204,
    responses=declare(*WRITES, ConversationFullError),
)
async def add_member(
    conversation_id: UUID, body: MemberBody, session: SessionDep, bell: BellDep, writer: WriterDep
) -> None:
    """Add a neighbour to a group; they see what was written before."""
    await service.add_member(session, viewer=writer, bell=bell, conversation_id=conversation_id, user_id=body.user_id)


@router.delete(
    "/{conversation_id}/members/{user_id}",
    operation_id="removeConversationMember",
    status_code=204,
    responses=declare(*WRITES),
)
async def remove_member(
    conversation_id: UUID, user_id: UUID, session: SessionDep, bell: BellDep, writer: WriterDep
) -> None:
    """Leave a group, or put somebody out of the one that you began."""
    await service.remove_member(session, viewer=writer, bell=bell, conversation_id=conversation_id, user_id=user_id)
