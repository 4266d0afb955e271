"""Conversations: beginning and finding them, and who is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningUpdate

from transactional_api.auth import Viewer
from transactional_api.chat import presence, queries
from transactional_api.chat.bell import Bell
from transactional_api.chat.schemas import (
    MAX_MEMBERS,
    ConversationKind,
    ConversationOut,
    EventKind,
    NewDirect,
    NewGroup,
    Participant,
)
from transactional_api.db.plain import Asked, Ready
from transactional_api.db.tables import ChatEvent, Conversation, ConversationMember, User
from transactional_api.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.paging import Page, PageRequest
from transactional_api.prepared import SOMEONE, parameter
from transactional_api.users import queries as users


class ConversationFullError(Problem):
    """No more people fit."""

    status, code, title = 409, "conversation_full", f"A conversation has at most {MAX_MEMBERS} members"


@dataclass(frozen=True, slots=True)
class Access:
    """A conversation that the viewer is in."""

    id: UUID
    kind: ConversationKind
    created_by: UUID | None


async def begin(session: AsyncSession, *, viewer: Viewer, bell: Bell, body: NewDirect | NewGroup) -> ConversationOut:
    """Begin a conversation; a direct one that there is already is found again.

    Raises:
        NotFoundError: when the viewer may not see somebody who is to be in it.
    """
    others = {body.user_id} if isinstance(body, NewDirect) else set(body.member_ids) - {viewer.id}
    visible = set(await session.scalars(users.visible_to(viewer).with_only_columns(User.id).where(User.id.in_(others))))
    if visible != others or not others or viewer.id in others:
        raise NotFoundError
    values: dict[str, Any] = {"kind": body.kind, "created_by": viewer.id}
    if isinstance(body, NewDirect):
        values["direct_key"] = ":".join(sorted((str(viewer.id), str(body.user_id))))
    else:
        values["title"] = body.title
    conversation_id = await session.scalar(
        upsert(Conversation).values(values).on_conflict_do_nothing().returning(Conversation.id)
    )
    if conversation_id is not None:
        people = [viewer.id, *sorted(others)]
        await session.execute(
            insert(ConversationMember),
            [{"conversation_id": conversation_id, "user_id": person} for person in people],
        )
        for person in people:
            await add_event(
                session, bell=bell, conversation_id=conversation_id, kind=EventKind.MEMBER_JOINED, user_id=person
            )
    else:
        conversation_id = await session.scalar(
            select(Conversation.id).where(Conversation.direct_key == values["direct_key"])
        )
        assert conversation_id is not None  # noqa: S101 (it was in the way)
    return await get(session, viewer=viewer, bell=bell, conversation_id=conversation_id)


async def get(session: AsyncSession, *, viewer: Viewer, bell: Bell, conversation_id: UUID) -> ConversationOut:
    """Return a conversation; raises ``NotFoundError`` when the viewer is not in it."""
    rows = (await session.execute(queries.visible_to(viewer).where(Conversation.id == conversation_id))).all()
    if not rows:
        raise NotFoundError
    return (await _out(session, bell=bell, rows=rows))[0]


async def find(session: AsyncSession, *, viewer: Viewer, bell: Bell, page: PageRequest) -> Page[ConversationOut]:
    """List the viewer's conversations, the one with the latest message first."""
    statement = page.select(queries.visible_to(viewer), at=Conversation.last_message_at, row_id=Conversation.id)
    rows = (await session.execute(statement)).all()
    return Page(
        items=await _out(session, bell=bell, rows=rows[: page.limit]),
        next_cursor=page.next_cursor(rows, at="last_message_at"),
    )


async def add_member(
    session: AsyncSession, *, viewer: Viewer, bell: Bell, conversation_id: UUID, user_id: UUID
) -> None:
    """Add a person to a group; who is in it stays.

    Raises:
        NotFoundError: when the viewer may not see the person.
        ForbiddenError: when the conversation is between two.
        ConversationFullError: when no more fit.
    """
    found = await access(session, viewer=viewer, conversation_id=conversation_id)
    if found.kind is ConversationKind.DIRECT:
        raise ForbiddenError("A direct conversation stays between two; begin a group")
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
    await add_event(session, bell=bell, conversation_id=conversation_id, kind=EventKind.MEMBER_JOINED, user_id=user_id)


async def remove_member(
    session: AsyncSession, *, viewer: Viewer, bell: Bell, conversation_id: UUID, user_id: UUID
) -> None:
    """Leave a group, or put somebody out of the group that the viewer began.

    Raises:
        NotFoundError: when the person is not in it.
        ForbiddenError: when the conversation is between two, or somebody else began it.
    """
    found = await access(session, viewer=viewer, conversation_id=conversation_id)
    if found.kind is ConversationKind.DIRECT:
        raise ForbiddenError("A direct conversation stays between two")
    if viewer.id not in {user_id, found.created_by}:
        raise ForbiddenError("Only who began a group may put somebody else out")
    await lock(session, conversation_id=conversation_id)
    gone = await session.scalar(
        delete(ConversationMember)
        .where(ConversationMember.conversation_id == conversation_id, ConversationMember.user_id == user_id)
        .returning(ConversationMember.id)
    )
    if gone is None:
        raise NotFoundError
    await add_event(session, bell=bell, conversation_id=conversation_id, kind=EventKind.MEMBER_LEFT, user_id=user_id)


def numbered(**values: Any) -> ReturningUpdate[tuple[UUID, int]]:
    """Take the conversation's next number, which locks it until the transaction ends."""
    return (
        update(Conversation)
        .where(Conversation.id == parameter("id_of_conversation"))
        .values(last_event_id=Conversation.last_event_id + 1, **values)
        .returning(Conversation.id, Conversation.last_event_id)
        .execution_options(synchronize_session=False)
    )


LOCK = Ready(
    select(Conversation.id).where(Conversation.id == parameter("conversation_id")).with_for_update(key_share=True)
)
"""Lets nothing else happen in a conversation until the transaction ends."""
_NUMBERED = numbered()
_ADD = insert(ChatEvent)
_ACCESS = Ready(
    select(Conversation.id, Conversation.kind, Conversation.created_by)
    .join(ConversationMember, queries.is_in(SOMEONE))
    .where(Conversation.id == parameter("conversation_id"))
)


def door(viewer: Viewer, conversation_id: UUID) -> Asked:
    """Return what finds something only where the viewer is in a conversation."""
    return _ACCESS, {"viewer_id": viewer.id, "conversation_id": conversation_id}


async def access(session: AsyncSession, *, viewer: Viewer, conversation_id: UUID) -> Access:
    """Find a conversation; raises ``NotFoundError`` when the viewer is not in it."""
    row = await _ACCESS.one_or_none(session, viewer_id=viewer.id, conversation_id=conversation_id)
    if row is None:
        raise NotFoundError
    return Access(row.id, ConversationKind(row.kind), row.created_by)


async def lock(session: AsyncSession, *, conversation_id: UUID) -> None:
    """Let nothing else happen in a conversation until the transaction ends."""
    await LOCK.one_or_none(session, conversation_id=conversation_id)


async def add_event(
    session: AsyncSession,
    *,
    bell: Bell,
    conversation_id: UUID,
    kind: EventKind,
    user_id: UUID,
    message_id: UUID | None = None,
) -> None:
    """Add what happened to the conversation's log, under its next number."""
    _, event_id = (await session.execute(_NUMBERED, {"id_of_conversation": conversation_id})).one()
    values = {"conversation_id": conversation_id, "event_id": event_id, "user_id": user_id, "message_id": message_id}
    await session.execute(_ADD, values | {"kind": kind})
    bell.ring(session, conversation_id)


async def _out(session: AsyncSession, *, bell: Bell, rows: Sequence[Any]) -> list[ConversationOut]:
    members = (await session.execute(queries.participants([row.id for row in rows]))).all()
    there = await presence.online(bell.redis, sorted({one.user_id for one in members}))
    return [
        ConversationOut(
            id=row.id,
            kind=ConversationKind(row.kind),
            title=row.title,
            created_by=row.created_by,
            members=[
                Participant(
                    user_id=one.user_id,
                    username=one.username,
                    avatar_url=one.avatar_url,
                    read_up_to=one.read_up_to,
                    online=one.user_id in there,
                )
                for one in members
                if one.conversation_id == row.id
            ],
            last_event_id=row.last_event_id,
            last_message_at=row.last_message_at,
            unread=row.unread,
        )
        for row in rows
    ]
