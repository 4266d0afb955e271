"""Conversations and their members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningUpdate

from transactional_api.community.chat import presence, queries
from transactional_api.community.chat.publisher import ChatPublisher
from transactional_api.community.chat.schemas import (
    MAX_MEMBERS,
    ChatSettings,
    ConversationKind,
    ConversationOut,
    EventKind,
    NewDirectConversation,
    NewGroupConversation,
    Participant,
)
from transactional_api.core.compiled_queries import VIEWER_PLACEHOLDER, uuid_param
from transactional_api.core.db.statements import BoundStatement, CompiledStatement, SessionRunner, StatementRunner
from transactional_api.core.db.tables import ChatEvent, Conversation, ConversationMember, User
from transactional_api.core.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users


class ConversationFullError(Problem):
    """The conversation has reached its maximum number of members."""

    status, code, title = 409, "conversation_full", f"A conversation has at most {MAX_MEMBERS} members"


@dataclass(frozen=True, slots=True)
class ConversationAccess:
    """Conversation of which the viewer is a member."""

    id: UUID
    kind: ConversationKind
    created_by: UUID | None


async def create_conversation(
    session: AsyncSession,
    *,
    viewer: Viewer,
    publisher: ChatPublisher,
    body: NewDirectConversation | NewGroupConversation,
) -> ConversationOut:
    """Create a conversation, or return the existing direct one.

    Raises:
        NotFoundError: when the viewer may not see one of the other members.
    """
    others = {body.user_id} if isinstance(body, NewDirectConversation) else set(body.member_ids) - {viewer.id}
    visible = set(await session.scalars(users.visible_to(viewer).with_only_columns(User.id).where(User.id.in_(others))))
    if visible != others or not others or viewer.id in others:
        raise NotFoundError
    values: dict[str, Any] = {"kind": body.kind, "created_by": viewer.id}
    if isinstance(body, NewDirectConversation):
        values["direct_key"] = ":".join(sorted((str(viewer.id), str(body.user_id))))
    else:
        values["title"] = body.title
    conversation_id = await session.scalar(
        upsert(Conversation).values(values).on_conflict_do_nothing().returning(Conversation.id)
    )
    if conversation_id is not None:
        member_ids = [viewer.id, *sorted(others)]
        await session.execute(
            insert(ConversationMember),
            [{"conversation_id": conversation_id, "user_id": member_id} for member_id in member_ids],
        )
        for member_id in member_ids:
            await add_event(
                session,
                publisher=publisher,
                conversation_id=conversation_id,
                kind=EventKind.MEMBER_JOINED,
                user_id=member_id,
            )
    else:
        conversation_id = await session.scalar(
            select(Conversation.id).where(Conversation.direct_key == values["direct_key"])
        )
        assert conversation_id is not None  # noqa: S101 (the insert conflicted with it)
    return await get_conversation(session, viewer=viewer, publisher=publisher, conversation_id=conversation_id)


async def get_conversation(
    session: AsyncSession, *, viewer: Viewer, publisher: ChatPublisher, conversation_id: UUID
) -> ConversationOut:
    """Return a conversation.

    Raises:
        NotFoundError: when the viewer is not a member.
    """
    rows = (await session.execute(queries.visible_to(viewer).where(Conversation.id == conversation_id))).all()
    if not rows:
        raise NotFoundError
    return (await _out(session, viewer=viewer, publisher=publisher, rows=rows))[0]


async def list_conversations(
    session: AsyncSession, *, viewer: Viewer, publisher: ChatPublisher, page: PageRequest
) -> Page[ConversationOut]:
    """List the viewer's conversations, by latest message."""
    statement = page.select(queries.visible_to(viewer), at=Conversation.last_message_at, row_id=Conversation.id)
    rows = (await session.execute(statement)).all()
    return Page(
        items=await _out(session, viewer=viewer, publisher=publisher, rows=rows[: page.limit]),
        next_cursor=page.next_cursor(rows, at="last_message_at"),
    )


async def add_member(
    session: AsyncSession, *, viewer: Viewer, publisher: ChatPublisher, conversation_id: UUID, user_id: UUID
) -> None:
    """Add a user to a group; idempotent.

    Raises:
        NotFoundError: when the viewer may not see the user.
        ForbiddenError: when the conversation is direct.
        ConversationFullError: when it has the maximum number of members.
    """
    conversation = await check_membership(SessionRunner(session), viewer=viewer, conversation_id=conversation_id)
    if conversation.kind is ConversationKind.DIRECT:
        raise ForbiddenError("A direct conversation has two members; create a group instead")
    if await session.scalar(users.visible_to(viewer).where(User.id == user_id)) is None:
        raise NotFoundError
    await lock(session, conversation_id=conversation_id)
    added = await session.scalar(
        upsert(ConversationMember)
        .values(conversation_id=conversation_id, user_id=user_id)
        .on_conflict_do_nothing()
        .returning(ConversationMember.id)
    )
    if added is None:
        return
    members = await session.scalar(select(func.count()).where(ConversationMember.conversation_id == conversation_id))
    if (members or 0) > MAX_MEMBERS:
        raise ConversationFullError
    await add_event(
        session, publisher=publisher, conversation_id=conversation_id, kind=EventKind.MEMBER_JOINED, user_id=user_id
    )


async def remove_member(
    session: AsyncSession, *, viewer: Viewer, publisher: ChatPublisher, conversation_id: UUID, user_id: UUID
) -> None:
    """Leave a group, or remove a member from a group that the viewer created.

    Raises:
        NotFoundError: when the user is not a member.
        ForbiddenError: when the conversation is direct, or was created by another user.
    """
    conversation = await check_membership(SessionRunner(session), viewer=viewer, conversation_id=conversation_id)
    if conversation.kind is ConversationKind.DIRECT:
        raise ForbiddenError("A direct conversation has two members")
    if viewer.id not in {user_id, conversation.created_by}:
        raise ForbiddenError("Only the creator of a group may remove other members")
    await lock(session, conversation_id=conversation_id)
    removed = await session.scalar(
        delete(ConversationMember)
        .where(ConversationMember.conversation_id == conversation_id, ConversationMember.user_id == user_id)
        .returning(ConversationMember.id)
    )
    if removed is None:
        raise NotFoundError
    await add_event(
        session, publisher=publisher, conversation_id=conversation_id, kind=EventKind.MEMBER_LEFT, user_id=user_id
    )


async def chat_settings(session: AsyncSession, *, viewer: Viewer) -> ChatSettings:
    """Return the viewer's settings of conversations."""
    shows = await session.scalar(select(User.shows_read_receipts).where(User.id == viewer.id))
    return ChatSettings(read_receipts=bool(shows))


async def replace_chat_settings(session: AsyncSession, *, viewer: Viewer, body: ChatSettings) -> ChatSettings:
    """Replace the viewer's settings of conversations."""
    await session.execute(update(User).where(User.id == viewer.id).values(shows_read_receipts=body.read_receipts))
    return body


def take_event_id(**values: Any) -> ReturningUpdate[tuple[UUID, int]]:
    """Allocate the conversation's next event number, which locks it until the transaction ends."""
    return (
        update(Conversation)
        .where(Conversation.id == uuid_param("id_of_conversation"))
        .values(last_event_id=Conversation.last_event_id + 1, **values)
        .returning(Conversation.id, Conversation.last_event_id)
        .execution_options(synchronize_session=False)
    )


LOCK = CompiledStatement(
    select(Conversation.id).where(Conversation.id == uuid_param("conversation_id")).with_for_update(key_share=True)
)
"""Locks a conversation against new events until the transaction ends."""
_TAKE_EVENT_ID = take_event_id()
_ADD_EVENT = insert(ChatEvent)
_MEMBERSHIP = CompiledStatement(
    select(Conversation.id, Conversation.kind, Conversation.created_by)
    .join(ConversationMember, queries.is_member(VIEWER_PLACEHOLDER))
    .where(Conversation.id == uuid_param("conversation_id"))
)


def membership_check(viewer: Viewer, conversation_id: UUID) -> BoundStatement:
    """Return the statement that has a row only if the viewer is a member; run together with others."""
    return _MEMBERSHIP, {"viewer_id": viewer.id, "conversation_id": conversation_id}


async def check_membership(runner: StatementRunner, *, viewer: Viewer, conversation_id: UUID) -> ConversationAccess:
    """Return a conversation of the viewer's.

    Raises:
        NotFoundError: when the viewer is not a member.
    """
    row = await _MEMBERSHIP.one_or_none(runner, viewer_id=viewer.id, conversation_id=conversation_id)
    if row is None:
        raise NotFoundError
    return ConversationAccess(row.id, ConversationKind(row.kind), row.created_by)


async def lock(session: AsyncSession, *, conversation_id: UUID) -> None:
    """Lock a conversation against new events until the transaction ends."""
    await LOCK.one_or_none(SessionRunner(session), conversation_id=conversation_id)


async def add_event(
    session: AsyncSession,
    *,
    publisher: ChatPublisher,
    conversation_id: UUID,
    kind: EventKind,
    user_id: UUID,
    message_id: UUID | None = None,
) -> None:
    """Append an event to the conversation's log under the next event number."""
    _, event_id = (await session.execute(_TAKE_EVENT_ID, {"id_of_conversation": conversation_id})).one()
    values = {"conversation_id": conversation_id, "event_id": event_id, "user_id": user_id, "message_id": message_id}
    await session.execute(_ADD_EVENT, values | {"kind": kind})
    publisher.publish_after_commit(session, conversation_id)


async def _out(
    session: AsyncSession, *, viewer: Viewer, publisher: ChatPublisher, rows: Sequence[Any]
) -> list[ConversationOut]:
    members = (await session.execute(queries.participants(viewer, [row.id for row in rows]))).all()
    online = await presence.online(publisher.redis, sorted({row.user_id for row in members if not row.hidden}))
    return [
        ConversationOut(
            id=row.id,
            kind=ConversationKind(row.kind),
            title=row.title,
            created_by=row.created_by,
            members=[
                Participant(
                    user_id=member.user_id,
                    user=None if member.hidden else member.user,
                    username=member.username,
                    avatar_url=member.avatar_url,
                    read_up_to=0 if member.hidden or member.lacks_receipts else member.read_up_to,
                    online=member.user_id in online,
                )
                for member in members
                if member.conversation_id == row.id
            ],
            last_event_id=row.last_event_id,
            last_message_at=row.last_message_at,
            unread_count=row.unread_count,
        )
        for row in rows
    ]
