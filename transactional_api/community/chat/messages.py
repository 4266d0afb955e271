"""Messages: sending, editing and reading."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from transactional_api.community.chat import queries, service, statements
from transactional_api.community.chat.publisher import ChatPublisher
from transactional_api.community.chat.schemas import (
    ChatEventOut,
    ConversationEvents,
    ConversationKind,
    EventKind,
    MessageBody,
    MessageOut,
    NewMessage,
)
from transactional_api.core.db.statements import SessionRunner, StatementRunner
from transactional_api.core.db.tables import ChatMessage, ChatReaction
from transactional_api.core.db.text_matching import contains
from transactional_api.core.errors import ForbiddenError, NotFoundError, Problem, UnauthenticatedError
from transactional_api.core.media.link_previews import first_link, request_preview
from transactional_api.core.media.references import references_to, resolve_attachments
from transactional_api.core.media.stores import media_of
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.reactions import ReactionKind
from transactional_api.core.viewer import Viewer

_KINDS = frozenset(EventKind)

log = get_logger(__name__)


class UnknownReplyError(Problem):
    """The message to reply to does not exist, was deleted, or is hidden; the responses are identical."""

    status, code, title = 422, "unknown_reply", "Reply to a message of this conversation that is not deleted"


class MessageDeletedError(Problem):
    """The message was deleted."""

    status, code, title = 409, "message_deleted", "This message was deleted"


async def send(
    runner: StatementRunner, *, viewer: Viewer, publisher: ChatPublisher, conversation_id: UUID, body: NewMessage
) -> MessageOut:
    """Send a message; a repeated ``client_id`` returns the message sent first.

    Raises:
        NotFoundError: when the viewer is not a member of the conversation.
        UnauthenticatedError: when their session has ended, or their account is closed or suspended.
        ForbiddenError: when the conversation is direct and one of the two blocks the other.
        UnknownReplyError: when the viewer cannot see the message to reply to.
    """
    message_key = {"viewer_id": viewer.id, "client_id": body.client_id}
    parameters = {"session_id": viewer.session_id, "conversation_id": conversation_id} | message_key
    reply = {"reply_to_id": body.reply_to_id}
    # Checked under the lock, so that a removal, log-out or suspension that committed before takes effect.
    _, rows = await runner.fetch_pipelined(
        (service.LOCK, {"conversation_id": conversation_id}), (statements.MAY_SEND, parameters | reply)
    )
    if not rows:
        raise NotFoundError
    (permission,) = rows
    if not permission.is_session_active:
        raise UnauthenticatedError
    if permission.kind == ConversationKind.DIRECT and not permission.is_reachable:
        raise ForbiddenError("You cannot write to this neighbor")
    if permission.is_duplicate:
        original = await statements.DUPLICATE.one_or_none(runner, conversation_id=conversation_id, **message_key)
        return MessageOut.model_validate(original)
    if not permission.may_reply:
        raise UnknownReplyError
    media_ids = await references_to(runner, viewer=viewer, media_ids=body.media_ids, links=body.attachments)
    content = {"content": body.content, "media_ids": media_ids} | reply
    job = {"conversation_id": str(conversation_id), "author_id": str(viewer.id)}
    written = {"id_of_conversation": conversation_id, **message_key, **content}
    queued = [(statements.NOTIFY, {"job": job})]
    if media_of(runner).previews_in_messages and (url := first_link(body.content)) is not None:
        queued.append((statements.PREVIEW, {"job": {"url": url, "user_id": str(viewer.id)}}))
    (row,), *_ = await runner.fetch_pipelined((statements.WRITE, written), *queued)
    message = MessageOut.model_validate(row)
    event = ChatEventOut(
        event_id=message.event_id,
        kind=EventKind.MESSAGE_CREATED,
        user_id=viewer.id,
        user=message.author,
        message=message.model_copy(),
        created_at=row.logged_at,
    )
    await resolve_attachments(runner, event, viewer=None)
    publisher.publish_event(runner, conversation_id, event)
    return message


async def list_messages(
    runner: StatementRunner, *, viewer: Viewer, conversation_id: UUID, page: PageRequest
) -> Page[MessageOut]:
    """List a conversation's messages, newest first."""
    parameters = {"viewer_id": viewer.id, "conversation_id": conversation_id}
    rows = await statements.OF_CONVERSATION.rows(
        runner, page=page, visibility_check=service.membership_check(viewer, conversation_id), **parameters
    )
    return page.of(rows, MessageOut.model_validate)


async def search_messages(
    session: AsyncSession, *, viewer: Viewer, conversation_id: UUID, query: str, page: PageRequest
) -> Page[MessageOut]:
    """List the messages of a conversation that contain a text, newest first.

    Raises:
        NotFoundError: when the viewer is not a member.
    """
    await service.check_membership(SessionRunner(session), viewer=viewer, conversation_id=conversation_id)
    statement = queries.with_author(queries.messages(viewer, conversation_id=conversation_id), viewer).where(
        ChatMessage.deleted_at.is_(None), contains(ChatMessage.content, query)
    )
    paged = page.select(statement, at=ChatMessage.created_at, row_id=ChatMessage.id)
    return page.of((await session.execute(paged)).all(), MessageOut.model_validate)


async def events_after(
    runner: StatementRunner, *, viewer: Viewer, conversation_id: UUID, after: int
) -> ConversationEvents:
    """Return up to ``statements.EVENTS_AT_ONCE`` events after an event number, oldest first."""
    hidden = await check_subscription(runner, viewer=viewer, conversation_id=conversation_id)
    last = await last_event_id(runner, conversation_id=conversation_id)
    items = await read_events(runner, conversation_id=conversation_id, after=after)
    return ConversationEvents(items=[redact(event, hidden) for event in items], last_event_id=last)


async def edit(
    session: AsyncSession,
    *,
    viewer: Viewer,
    publisher: ChatPublisher,
    conversation_id: UUID,
    message_id: UUID,
    body: MessageBody,
) -> MessageOut:
    """Edit the content of a message.

    Raises:
        ForbiddenError: when the viewer is not its author.
        MessageDeletedError: when the message was deleted.
    """
    message = await _own(session, viewer=viewer, conversation_id=conversation_id, message_id=message_id)
    if message.deleted_at is not None:
        raise MessageDeletedError
    message.media_ids = await references_to(
        session, viewer=viewer, media_ids=body.media_ids, links=body.attachments, present=message.media_ids
    )
    message.content, message.attachments = body.content, []
    if media_of(session).previews_in_messages:
        await request_preview(session, body.content, user_id=viewer.id)
    message.edited_at = await _database_time(session)
    await session.flush()
    await service.add_event(
        session,
        publisher=publisher,
        conversation_id=conversation_id,
        kind=EventKind.MESSAGE_EDITED,
        user_id=viewer.id,
        message_id=message_id,
    )
    return await _message(session, viewer=viewer, conversation_id=conversation_id, message_id=message_id)


async def remove(
    session: AsyncSession, *, viewer: Viewer, publisher: ChatPublisher, conversation_id: UUID, message_id: UUID
) -> None:
    """Delete the content of a message and keep its event number; idempotent. Former members may delete their own."""
    message = await _own(
        session, viewer=viewer, conversation_id=conversation_id, message_id=message_id, allow_former_member=True
    )
    if message.deleted_at is not None:
        return
    message.content, message.attachments, message.media_ids = None, [], []
    message.deleted_at = await _database_time(session)
    await session.flush()
    await session.execute(delete(ChatReaction).where(ChatReaction.message_id == message_id))
    await service.add_event(
        session,
        publisher=publisher,
        conversation_id=conversation_id,
        kind=EventKind.MESSAGE_DELETED,
        user_id=viewer.id,
        message_id=message_id,
    )


async def react(
    session: AsyncSession,
    *,
    viewer: Viewer,
    publisher: ChatPublisher,
    conversation_id: UUID,
    message_id: UUID,
    kind: ReactionKind,
) -> MessageOut:
    """Set the viewer's reaction to a message, in place of their previous one.

    Raises:
        NotFoundError: when the viewer is not a member, or cannot see the message.
        ForbiddenError: when the conversation is direct and one of the two blocks the other.
        MessageDeletedError: when the message was deleted.
    """
    # Checked under the lock, so that a removal that committed before takes effect.
    await service.lock(session, conversation_id=conversation_id)
    conversation = await service.check_membership(
        SessionRunner(session), viewer=viewer, conversation_id=conversation_id
    )
    statement = queries.messages(viewer, conversation_id=conversation_id).where(ChatMessage.id == message_id)
    message: ChatMessage | None = await session.scalar(statement)
    if message is None:
        raise NotFoundError
    if message.deleted_at is not None:
        raise MessageDeletedError
    is_direct = conversation.kind is ConversationKind.DIRECT
    if is_direct and await session.scalar(queries.direct_peer(viewer, conversation_id)) is None:
        raise ForbiddenError("You cannot write to this neighbor")
    changed = await session.scalar(
        upsert(ChatReaction)
        .values(message_id=message_id, user_id=viewer.id, kind=kind)
        .on_conflict_do_update(
            index_elements=["message_id", "user_id"], set_={"kind": kind}, where=ChatReaction.kind != kind
        )
        .returning(ChatReaction.id)
    )
    if changed is not None:
        await _add_reaction_event(
            session, viewer=viewer, publisher=publisher, conversation_id=conversation_id, message_id=message_id
        )
    return await _message(session, viewer=viewer, conversation_id=conversation_id, message_id=message_id)


async def remove_reaction(
    session: AsyncSession, *, viewer: Viewer, publisher: ChatPublisher, conversation_id: UUID, message_id: UUID
) -> None:
    """Remove the viewer's reaction to a message; idempotent. Former members may remove their own."""
    await service.lock(session, conversation_id=conversation_id)
    of_conversation = select(ChatMessage.id).where(ChatMessage.conversation_id == conversation_id)
    removed = await session.scalar(
        delete(ChatReaction)
        .where(ChatReaction.user_id == viewer.id, ChatReaction.message_id == message_id)
        .where(ChatReaction.message_id.in_(of_conversation))
        .returning(ChatReaction.id)
    )
    if removed is not None:
        await _add_reaction_event(
            session, viewer=viewer, publisher=publisher, conversation_id=conversation_id, message_id=message_id
        )
        return
    await service.check_membership(SessionRunner(session), viewer=viewer, conversation_id=conversation_id)
    visible = queries.messages(viewer, conversation_id=conversation_id).where(ChatMessage.id == message_id)
    if await session.scalar(visible) is None:
        raise NotFoundError


async def mark_read(
    runner: StatementRunner, *, viewer: Viewer, publisher: ChatPublisher, conversation_id: UUID, event_id: int
) -> None:
    """Advance the viewer's read position; it never moves back, nor past the latest event.

    Members across a block, or without read receipts of the viewer, are not told.
    """
    parameters = {"viewer_id": viewer.id, "id_of_conversation": conversation_id, "up_to": event_id}
    if await statements.READ.one_or_none(runner, **parameters) is None:
        raise NotFoundError
    members = {"viewer_id": viewer.id, "conversation_id": conversation_id}
    hidden_from = {row.id for row in await statements.WITHOUT_RECEIPTS.all(runner, **members)}
    receipt = {"type": "read", "user_id": str(viewer.id), "event_id": event_id}
    publisher.publish_after_commit(runner, conversation_id, receipt, hidden_from=hidden_from)


async def read_events(runner: StatementRunner, *, conversation_id: UUID, after: int) -> list[ChatEventOut]:
    """Return events after an event number, without permission checks; the caller checks membership.

    Events of a kind that this release does not know, which a later one wrote, are left out.
    """
    rows = await statements.EVENTS.all(runner, conversation_id=conversation_id, after=after)
    for row in rows:
        if row.kind not in _KINDS:
            log.warning("chat.event_skipped", kind=row.kind)
    return [_event(row) for row in rows if row.kind in _KINDS]


async def last_event_id(runner: StatementRunner, *, conversation_id: UUID) -> int:
    """Return the number of the latest event, or 0 for an unknown conversation."""
    row = await statements.LATEST.one_or_none(runner, conversation_id=conversation_id)
    return row.last_event_id if row else 0


async def check_subscription(runner: StatementRunner, *, viewer: Viewer, conversation_id: UUID) -> set[UUID]:
    """Check that the viewer may receive a conversation's events; return the users whose messages are hidden.

    Raises:
        NotFoundError: when the viewer is not a member.
        UnauthenticatedError: when their session ended, or their account is closed or suspended.
    """
    parameters = {"viewer_id": viewer.id, "session_id": viewer.session_id, "conversation_id": conversation_id}
    permission = await statements.MAY_SUBSCRIBE.one_or_none(runner, **parameters)
    if permission is None:
        raise NotFoundError
    if not permission.is_session_active:
        raise UnauthenticatedError
    return set(permission.hidden)


async def blocked_users(runner: StatementRunner, *, viewer: Viewer) -> set[UUID]:
    """Return the users who block the viewer or are blocked by them."""
    return {row[0] for row in await statements.BLOCKED.all(runner, viewer_id=viewer.id)}


def redact(event: ChatEventOut, hidden: set[UUID]) -> ChatEventOut:
    """Return the event without what hidden users wrote and reacted; its number stays."""
    if event.user_id in hidden:
        return event.model_copy(update={"user": None, "message": None})
    message = event.message
    if message is None or not hidden:
        return event
    if message.author_id in hidden:
        return event.model_copy(update={"message": None})
    reactions = [reaction for reaction in message.reactions if reaction.user_id not in hidden]
    reply_to = None if message.reply_to and message.reply_to.author_id in hidden else message.reply_to
    if (reactions, reply_to) == (message.reactions, message.reply_to):
        return event
    visible = message.model_copy(update={"reactions": reactions, "reply_to": reply_to})
    return event.model_copy(update={"message": visible})


def _event(row: Any) -> ChatEventOut:
    message = None
    if row.message_id is not None:
        message = MessageOut(
            id=row.message_id,
            event_id=row.message_event_id,
            author_id=row.author_id,
            author=row.author,
            content=row.content,
            media_ids=row.media_ids,
            client_id=row.client_id,
            reply_to_id=row.reply_to_id,
            reply_to=row.reply_to,
            reactions=row.reactions,
            created_at=row.message_created_at,
            edited_at=row.edited_at,
            deleted_at=row.deleted_at,
        )
    return ChatEventOut(
        event_id=row.event_id,
        kind=EventKind(row.kind),
        user_id=row.user_id,
        user=row.user,
        message=message,
        created_at=row.created_at,
    )


async def _own(
    session: AsyncSession, *, viewer: Viewer, conversation_id: UUID, message_id: UUID, allow_former_member: bool = False
) -> ChatMessage:
    await service.lock(session, conversation_id=conversation_id)
    statement = queries.messages(viewer, conversation_id=conversation_id).where(ChatMessage.id == message_id)
    message: ChatMessage | None = await session.scalar(statement.execution_options(populate_existing=True))
    if message is None or message.author_id != viewer.id or not allow_former_member:
        await service.check_membership(SessionRunner(session), viewer=viewer, conversation_id=conversation_id)
    if message is None:
        raise NotFoundError
    if message.author_id != viewer.id:
        raise ForbiddenError("Only the author of a message may change it")
    return message


async def _message(session: AsyncSession, *, viewer: Viewer, conversation_id: UUID, message_id: UUID) -> MessageOut:
    visible = queries.with_author(queries.messages(viewer, conversation_id=conversation_id), viewer)
    return MessageOut.model_validate((await session.execute(visible.where(ChatMessage.id == message_id))).one())


async def _add_reaction_event(
    session: AsyncSession, *, viewer: Viewer, publisher: ChatPublisher, conversation_id: UUID, message_id: UUID
) -> None:
    await service.add_event(
        session,
        publisher=publisher,
        conversation_id=conversation_id,
        kind=EventKind.MESSAGE_REACTED,
        user_id=viewer.id,
        message_id=message_id,
    )


async def _database_time(session: AsyncSession) -> Any:
    return await session.scalar(select(func.clock_timestamp()))
