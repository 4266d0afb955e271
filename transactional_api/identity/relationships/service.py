"""Follows, blocks and mutes between users."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Select, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.core.access_changes import notify_access_changed
from transactional_api.core.db.tables import Block, Follow, Mute, User
from transactional_api.core.errors import NotFoundError, Problem
from transactional_api.core.notices import Notice, NoticeKind, notify
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.core.withdrawals import withdraw_between
from transactional_api.identity.relationships.schemas import RelatedUser
from transactional_api.identity.users import queries
from transactional_api.identity.users.people import person_json


class CannotTargetSelfError(Problem):
    """A relationship needs another user."""

    status, code, title = 422, "cannot_target_self", "You cannot do this to yourself"


async def follow(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> None:
    """Follow a user that the viewer may see; a repetition changes nothing."""
    await _require_other(session, viewer=viewer, user_id=user_id)
    added = await session.scalar(
        insert(Follow).values(follower_id=viewer.id, followee_id=user_id).on_conflict_do_nothing().returning(Follow.id)
    )
    if added is None:
        return
    await notify(
        session,
        Notice(
            # A deterministic id: following again does not notify again.
            id=uuid5(user_id, str(viewer.id)),
            kind=NoticeKind.USER_FOLLOWED,
            actor_id=viewer.id,
            subject_kind="user",
            subject_id=viewer.id,
            user_ids=[user_id],
        ),
    )


async def unfollow(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> None:
    """End a follow; without one nothing changes, and the response reveals nothing about the user."""
    if user_id == viewer.id:
        raise CannotTargetSelfError
    await session.execute(delete(Follow).where(Follow.follower_id == viewer.id, Follow.followee_id == user_id))


async def block(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> None:
    """Block a user, and withdraw what each holds with the other.

    Raises:
        NotFoundError: when the user does not exist; a user who blocks the viewer can be blocked.
    """
    if user_id == viewer.id:
        raise CannotTargetSelfError
    if await session.scalar(select(User.id).where(User.id == user_id)) is None:
        raise NotFoundError
    await session.execute(insert(Block).values(blocker_id=viewer.id, blocked_id=user_id).on_conflict_do_nothing())
    await withdraw_between(session, one=viewer.id, other=user_id)
    await notify_access_changed(session, viewer.id, user_id)


async def unblock(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> None:
    """End the viewer's block; without one nothing changes, and the response reveals nothing about the user."""
    await session.execute(delete(Block).where(Block.blocker_id == viewer.id, Block.blocked_id == user_id))


async def mute(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> None:
    """Hide a user from the viewer's feeds and notifications; a repetition changes nothing."""
    await _require_other(session, viewer=viewer, user_id=user_id)
    await session.execute(insert(Mute).values(muter_id=viewer.id, muted_id=user_id).on_conflict_do_nothing())


async def unmute(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> None:
    """End a mute; without one nothing changes."""
    await session.execute(delete(Mute).where(Mute.muter_id == viewer.id, Mute.muted_id == user_id))


async def followers(session: AsyncSession, *, viewer: Viewer, user_id: UUID, page: PageRequest) -> Page[RelatedUser]:
    """List the followers of a user that the viewer may see, newest first."""
    await _require_visible(session, viewer=viewer, user_id=user_id)
    return await _page_of(
        session,
        page=page,
        relationship=Follow,
        statement=_select_visible(viewer, relationship=Follow, other=Follow.follower_id).where(
            Follow.followee_id == user_id
        ),
    )


async def following(session: AsyncSession, *, viewer: Viewer, user_id: UUID, page: PageRequest) -> Page[RelatedUser]:
    """List the users followed by a user that the viewer may see, newest first."""
    await _require_visible(session, viewer=viewer, user_id=user_id)
    return await _page_of(
        session,
        page=page,
        relationship=Follow,
        statement=_select_visible(viewer, relationship=Follow, other=Follow.followee_id).where(
            Follow.follower_id == user_id
        ),
    )


async def blocked(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[RelatedUser]:
    """List the users that the viewer blocks, newest first."""
    statement = _select_users(viewer, Block, other=Block.blocked_id).where(Block.blocker_id == viewer.id)
    return await _page_of(session, page=page, relationship=Block, statement=statement)


async def muted(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[RelatedUser]:
    """List the users that the viewer mutes, newest first."""
    statement = _select_visible(viewer, relationship=Mute, other=Mute.muted_id).where(Mute.muter_id == viewer.id)
    return await _page_of(session, page=page, relationship=Mute, statement=statement)


Relationship = type[Follow] | type[Block] | type[Mute]


def _select_users(viewer: Viewer, relationship: Relationship, *, other: InstrumentedAttribute[UUID]) -> Select[Any]:
    columns = (relationship.id, relationship.created_at, User.id.label("user_id"), User.username, User.avatar_url)
    people = (person_json().label("user"), queries.relation_json(viewer))
    return select(*columns, *people).select_from(relationship).join(User, User.id == other)


def _select_visible(viewer: Viewer, *, relationship: Relationship, other: InstrumentedAttribute[UUID]) -> Select[Any]:
    return _select_users(viewer, relationship, other=other).where(
        User.is_active.is_(True), queries.not_blocked(viewer, User.id)
    )


async def _page_of(
    session: AsyncSession, *, page: PageRequest, relationship: Relationship, statement: Select[Any]
) -> Page[RelatedUser]:
    rows = (await session.execute(page.select(statement, at=relationship.created_at, row_id=relationship.id))).all()
    return Page(
        items=[
            RelatedUser(
                user=row.user,
                user_id=row.user_id,
                username=row.username,
                avatar_url=row.avatar_url,
                relation=row.relation,
                since=row.created_at,
            )
            for row in rows[: page.limit]
        ],
        next_cursor=page.next_cursor(rows),
    )


async def _require_visible(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> None:
    if await session.scalar(queries.visible_to(viewer).where(User.id == user_id)) is None:
        raise NotFoundError


async def _require_other(session: AsyncSession, *, viewer: Viewer, user_id: UUID) -> None:
    if user_id == viewer.id:
        raise CannotTargetSelfError
    await _require_visible(session, viewer=viewer, user_id=user_id)
