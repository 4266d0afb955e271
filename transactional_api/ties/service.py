"""Whom a person follows, blocks and mutes."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Select, and_, delete, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.auth import Viewer
from transactional_api.db.tables import Block, Follow, Mute, User
from transactional_api.errors import NotFoundError, Problem
from transactional_api.notifications.channels import NoticeKind
from transactional_api.notifications.notice import Notice, notify
from transactional_api.paging import Page, PageRequest
from transactional_api.ties.schemas import Neighbour
from transactional_api.users import queries


class OneselfError(Problem):
    """A tie is between two."""

    status, code, title = 422, "oneself", "You cannot do this to yourself"


async def follow(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> None:
    """Follow a person whom the viewer may see; following twice changes nothing."""
    await _other(session, viewer=viewer, user_id=user_id)
    added = await session.scalar(
        insert(Follow).values(follower_id=viewer.id, followee_id=user_id).on_conflict_do_nothing().returning(Follow.id)
    )
    if added is None:
        return
    await notify(
        session,
        Notice(
            # Who unfollows and follows again is no news.
            id=uuid5(user_id, str(viewer.id)),
            kind=NoticeKind.USER_FOLLOWED,
            actor_id=viewer.id,
            subject_kind="user",
            subject_id=viewer.id,
            title="A neighbour follows you",
            user_ids=[user_id],
        ),
    )


async def unfollow(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> None:
    """Follow no more; who did not follow changes nothing."""
    await _other(session, viewer=viewer, user_id=user_id)
    await session.execute(delete(Follow).where(Follow.follower_id == viewer.id, Follow.followee_id == user_id))


async def block(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> None:
    """Block a person: neither sees the other any more, and neither follows the other.

    Raises:
        NotFoundError: when there is no such person; one who blocks the viewer can be blocked as well.
    """
    if user_id == viewer.id:
        raise OneselfError
    if await session.scalar(select(User.id).where(User.id == user_id)) is None:
        raise NotFoundError
    await session.execute(insert(Block).values(blocker_id=viewer.id, blocked_id=user_id).on_conflict_do_nothing())
    await session.execute(
        delete(Follow).where(
            or_(
                and_(Follow.follower_id == viewer.id, Follow.followee_id == user_id),
                and_(Follow.follower_id == user_id, Follow.followee_id == viewer.id),
            )
        )
    )


async def unblock(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> None:
    """Lift the viewer's own block; without one nothing changes, and nothing is told of the person."""
    await session.execute(delete(Block).where(Block.blocker_id == viewer.id, Block.blocked_id == user_id))


async def mute(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> None:
    """Keep a person out of the viewer's feeds and notifications; muting twice changes nothing."""
    await _other(session, viewer=viewer, user_id=user_id)
    await session.execute(insert(Mute).values(muter_id=viewer.id, muted_id=user_id).on_conflict_do_nothing())


async def unmute(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> None:
    """Let a person in again; without a mute nothing changes."""
    await session.execute(delete(Mute).where(Mute.muter_id == viewer.id, Mute.muted_id == user_id))


async def followers(session: AsyncSession, *, viewer: Viewer, user_id: UUID, page: PageRequest) -> Page[Neighbour]:
    """List who follows a person whom the viewer may see, the newest first."""
    await _seen(session, viewer=viewer, user_id=user_id)
    return await _people(
        session,
        page=page,
        tie=Follow,
        statement=_others(viewer, tie=Follow, other=Follow.follower_id).where(Follow.followee_id == user_id),
    )


async def following(session: AsyncSession, *, viewer: Viewer, user_id: UUID, page: PageRequest) -> Page[Neighbour]:
    """List whom a person follows whom the viewer may see, the newest first."""
    await _seen(session, viewer=viewer, user_id=user_id)
    return await _people(
        session,
        page=page,
        tie=Follow,
        statement=_others(viewer, tie=Follow, other=Follow.followee_id).where(Follow.follower_id == user_id),
    )


async def blocked(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[Neighbour]:
    """List whom the viewer blocks, the newest first."""
    statement = _named(Block, other=Block.blocked_id).where(Block.blocker_id == viewer.id)
    return await _people(session, page=page, tie=Block, statement=statement)


async def muted(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[Neighbour]:
    """List whom the viewer mutes, the newest first."""
    statement = _others(viewer, tie=Mute, other=Mute.muted_id).where(Mute.muter_id == viewer.id)
    return await _people(session, page=page, tie=Mute, statement=statement)


Tie = type[Follow] | type[Block] | type[Mute]


def _named(tie: Tie, *, other: InstrumentedAttribute[UUID]) -> Select[Any]:
    columns = (tie.id, tie.created_at, User.id.label("user_id"), User.username, User.avatar_url)
    return select(*columns).select_from(tie).join(User, User.id == other)


def _others(viewer: Viewer, *, tie: Tie, other: InstrumentedAttribute[UUID]) -> Select[Any]:
    return _named(tie, other=other).where(User.is_active.is_(True), queries.not_blocked(viewer, User.id))


async def _people(session: AsyncSession, *, page: PageRequest, tie: Tie, statement: Select[Any]) -> Page[Neighbour]:
    rows = (await session.execute(page.select(statement, at=tie.created_at, row_id=tie.id))).all()
    return Page(
        items=[
            Neighbour(user_id=row.user_id, username=row.username, avatar_url=row.avatar_url, since=row.created_at)
            for row in rows[: page.limit]
        ],
        next_cursor=page.next_cursor(rows),
    )


async def _seen(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> None:
    if await session.scalar(queries.visible_to(viewer).where(User.id == user_id)) is None:
        raise NotFoundError


async def _other(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> None:
    if user_id == viewer.id:
        raise OneselfError
    await _seen(session, viewer=viewer, user_id=user_id)
