"""Notifications of several users about the same thing as one entry: "Ben and 4 others commented on your post".

The latest notification that the reader may see represents its group. Notifications that they may not see now do not
count, and their actors are not named.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Uuid,
    and_,
    any_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy import true as sql_true
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from neighborconnect.localization import Language
from transactional_api.community.notifications import rendering
from transactional_api.community.notifications.checks import IS_READ, VISIBLE
from transactional_api.community.notifications.current_acts import is_current
from transactional_api.community.notifications.reader import READER, ROW, any_row
from transactional_api.community.notifications.schemas import NotificationGroup
from transactional_api.core.db.tables import Comment, Notification, Post, User
from transactional_api.core.notices import GROUPED, NoticeKind
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users
from transactional_api.identity.users.people import person_json

MAX_ACTORS = 3
"""Largest number of actors in an entry."""
_DAY = timedelta(days=1)


def _groupings(member: Any, head: Any) -> list[tuple[list[str], ColumnElement[bool]]]:
    """Return kinds, and the condition under which two notifications of one of these kinds are in the same group.

    One condition for each branch, so that each uses the index of groups.
    """
    day = func.date_trunc("day", head.created_at, "UTC")
    same_subject = member.subject_id == head.subject_id
    return [
        (
            sorted(kind.value for kind in GROUPED),
            and_(same_subject, member.source_id.is_not_distinct_from(head.source_id)),
        ),
        ([NoticeKind.COMMENT_CREATED.value], same_subject),
        ([NoticeKind.USER_FOLLOWED.value], and_(member.created_at >= day, member.created_at < day + _DAY)),
    ]


_IS_GROUPED: ColumnElement[bool] = ROW.kind.in_(
    sorted(kind for kinds, _ in _groupings(Notification, Notification) for kind in kinds)
)


def _members() -> Any:
    """Select the notifications of the group of the row that the reader may see; the subject is the one of the row."""
    member = aliased(Notification, name="member")
    quoted = select(Comment.id).where(
        Comment.id == member.source_id, Comment.is_active.is_(True), users.not_blocked(READER, Comment.author_id)
    )
    visible = and_(
        User.is_active.is_(True),
        users.not_blocked(READER, User.id),
        users.not_muted(READER, User.id),
        or_(member.source_id.is_(None), quoted.correlate(member).exists()),
        is_current(member),
    )
    position = func.row(member.created_at, member.id).label("position")
    return union_all(
        *(
            select(member.actor_id, member.created_at, member.read_at, position)
            .join(User, User.id == member.actor_id)
            .where(ROW.kind.in_(kinds), member.user_id == READER.id, member.kind == ROW.kind, is_same_group, visible)
            .correlate(None)
            for kinds, is_same_group in _groupings(member, ROW)
        )
    )


def _any_member(condition: Any) -> ColumnElement[bool]:
    members = _members().subquery("members")
    return any_row(select(members.c.actor_id).where(condition(members.c)))


_IS_HEAD = case((_IS_GROUPED, ~_any_member(lambda member: member.position > ROW.position)), else_=sql_true())
_IS_UNREAD = case((_IS_GROUPED, _any_member(lambda member: member.read_at.is_(None))), else_=~IS_READ)


def _is_own_post() -> ColumnElement[bool]:
    return any_row(select(Post.id).where(Post.id == ROW.subject_id, Post.author_id == READER.id))


def heads(viewer: Viewer, *, unread_only: bool) -> Select[Any]:
    """Select the latest visible notification of each group, and every one that is not grouped."""
    is_own_post = case((ROW.kind == NoticeKind.COMMENT_CREATED.value, _is_own_post()), else_=literal(value=False))
    statement = rendering.listed(viewer, VISIBLE & _IS_HEAD).add_columns(is_own_post.label("is_own_post"))
    return statement.where(_IS_UNREAD) if unread_only else statement


def _summaries(notification_ids: Sequence[UUID]) -> Select[Any]:
    """Select the sizes of groups and their latest actors, by the id of the latest notification."""
    members = _members().subquery("members")
    by_actor = (
        select(
            members.c.actor_id,
            func.max(members.c.created_at).label("at"),
            func.count().label("number"),
            func.bool_or(members.c.read_at.is_(None)).label("unread"),
        )
        .group_by(members.c.actor_id)
        .subquery("by_actor")
    )
    latest_first = func.array_agg(aggregate_order_by(by_actor.c.actor_id, by_actor.c.at.desc(), by_actor.c.actor_id))
    summary = (
        select(
            func.count().label("actor_count"),
            func.sum(by_actor.c.number).label("notification_count"),
            func.bool_or(by_actor.c.unread).label("unread"),
            type_coerce(latest_first, ARRAY(Uuid()))[1:MAX_ACTORS].label("actor_ids"),
        )
        .select_from(by_actor)
        .lateral("summary")
    )
    ids = summary.c.actor_ids
    people = select(func.jsonb_agg(aggregate_order_by(person_json(), func.array_position(ids, User.id)))).where(
        User.id == any_(ids)
    )
    return (
        select(
            Notification.id,
            summary.c.actor_count,
            summary.c.notification_count,
            summary.c.unread,
            people.correlate(summary).scalar_subquery().label("actors"),
        )
        .select_from(Notification)
        .join(summary, sql_true())
        .where(Notification.id.in_(notification_ids), _IS_GROUPED)
    )


async def list_groups(
    session: AsyncSession, *, viewer: Viewer, language: Language, page: PageRequest, unread_only: bool
) -> Page[NotificationGroup]:
    """List the viewer's groups of visible notifications, in the order of the latest of each, newest first."""
    paged = page.select(heads(viewer, unread_only=unread_only), at=Notification.created_at, row_id=Notification.id)
    rows = (await session.execute(paged)).all()
    summaries = {row.id: row for row in await session.execute(_summaries([row.id for row in rows]))}
    return page.of(rows, lambda row: _render(row, summaries.get(row.id), language))


def _render(row: Any, summary: Any, language: Language) -> NotificationGroup:
    actor_count = summary.actor_count if summary is not None else int(row.actor is not None)
    is_shared = actor_count > 1
    shown = SimpleNamespace(**row._mapping)  # noqa: SLF001 (public, the underscore keeps it apart from columns)
    shown.other_count = actor_count - 1 if is_shared else 0
    # Everyone else's comments on the reader's post, of which some are replies to the reader.
    shown.is_reply = row.is_reply and not (is_shared and row.is_own_post)
    latest = rendering.render(shown, language)
    return NotificationGroup(
        id=row.id,
        kind=row.kind,
        actors=summary.actors if summary is not None else [row.actor] if row.actor else [],
        actor_count=actor_count,
        notification_count=summary.notification_count if summary is not None else 1,
        unread=summary.unread if summary is not None else row.read_at is None,
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        source_kind=row.source_kind,
        source_id=row.source_id,
        title=latest.title,
        body=latest.body,
        created_at=row.created_at,
    )


def is_in_groups(viewer: Viewer, notification_ids: Sequence[UUID]) -> ColumnElement[bool]:
    """Condition: the notification is one of these, or an earlier one of the same group."""
    head = aliased(Notification, name="head")
    in_group = (
        exists().where(
            head.id.in_(notification_ids),
            head.user_id == viewer.id,
            head.kind == Notification.kind,
            head.kind.in_(kinds),
            is_same_group,
            head.created_at >= Notification.created_at,
        )
        for kinds, is_same_group in _groupings(Notification, head)
    )
    return or_(Notification.id.in_(notification_ids), *(condition.correlate(Notification) for condition in in_group))
