"""Titles and bodies of notifications, rendered from their subjects at each read.

They follow edits and deletions. Only texts of the platform itself and names of canceled or inaccessible subjects are
stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal, null, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from transactional_api.community.notifications.checks import IS_READ, LISTED, others_of_group
from transactional_api.community.notifications.reader import READER, ROW, is_moderated, visible_messages
from transactional_api.community.notifications.schemas import NotificationOut
from transactional_api.core.db.tables import (
    Block,
    ChatMessage,
    Comment,
    Connector,
    ConnectorMember,
    Conversation,
    Event,
    MarketplaceItem,
    MediaCaption,
    Notification,
    Post,
    Reaction,
    Review,
    SellerReview,
    User,
)
from transactional_api.core.moderation import SubjectKind
from transactional_api.core.notices import GROUPED, NoticeKind
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users.people import person_json

MAX_EXCERPT = 500

_quoted_id: ColumnElement[Any] = func.coalesce(ROW.source_id, ROW.subject_id)
_quoted_kind: ColumnElement[Any] = func.coalesce(ROW.source_kind, ROW.subject_kind)


def _scalar(statement: Select[Any]) -> ColumnElement[Any]:
    return statement.correlate(None).scalar_subquery()


def _of(column: Any, row_id: Any) -> ColumnElement[Any]:
    return _scalar(select(func.left(column, MAX_EXCERPT)).where(row_id == _quoted_id))


_EVENT_TEXT = func.concat_ws("\n", Event.title, Event.description)
_ITEM_TEXT = func.concat_ws("\n", MarketplaceItem.title, MarketplaceItem.description)
_MENTIONED = ROW.kind == NoticeKind.MENTIONED.value
_EXCERPT = case(
    (
        _quoted_kind == "post",
        case(
            (ROW.kind == NoticeKind.POST_CREATED.value, _of(func.coalesce(Post.title, Post.content), Post.id)),
            else_=_of(Post.content, Post.id),
        ),
    ),
    (_quoted_kind == "comment", _of(Comment.content, Comment.id)),
    (_quoted_kind == "event", case((_MENTIONED, _of(_EVENT_TEXT, Event.id)), else_=_of(Event.title, Event.id))),
    (
        _quoted_kind == "item",
        case(
            (is_moderated(SubjectKind.ITEM, ROW.subject_id), literal("")),
            (_MENTIONED, _of(_ITEM_TEXT, MarketplaceItem.id)),
            else_=_of(MarketplaceItem.title, MarketplaceItem.id),
        ),
    ),
    (_quoted_kind == "connector", _of(Connector.name, Connector.id)),
    (
        _quoted_kind == "review",
        case((_MENTIONED, _of(Review.content, Review.id)), else_=_of(Review.title, Review.id)),
    ),
    (_quoted_kind == "seller_review", _of(SellerReview.content, SellerReview.id)),
    (_quoted_kind.in_(["story", "reel"]), _of(MediaCaption.caption, MediaCaption.id)),
    (
        _quoted_kind == "conversation",
        _scalar(
            visible_messages(func.left(ChatMessage.content, MAX_EXCERPT)).order_by(ChatMessage.event_id.desc()).limit(1)
        ),
    ),
    else_=literal(""),
)

_CONTEXT = case(
    (
        ROW.subject_kind == "post",
        _scalar(select(Connector.name).join(Post, Post.connector_id == Connector.id).where(Post.id == ROW.subject_id)),
    ),
    (
        ROW.subject_kind == "event",
        _scalar(
            select(Connector.name).join(Event, Event.connector_id == Connector.id).where(Event.id == ROW.subject_id)
        ),
    ),
    (ROW.subject_kind == "connector", _scalar(select(Connector.name).where(Connector.id == ROW.subject_id))),
    (ROW.subject_kind == "conversation", _scalar(select(Conversation.title).where(Conversation.id == ROW.subject_id))),
    else_=null(),
)

_CHAT_AUTHOR = _scalar(visible_messages(ChatMessage.author_id).order_by(ChatMessage.event_id.desc()).limit(1))
_ACTOR = case((ROW.kind == NoticeKind.MESSAGE_CREATED.value, _CHAT_AUTHOR), else_=ROW.actor_id)


def _is_reply() -> ColumnElement[bool]:
    """Condition: the quoted comment replies to a comment of the reader."""
    parent = aliased(Comment, name="parent")
    return (
        select(Comment.id)
        .join(parent, parent.id == Comment.parent_id)
        .where(Comment.id == ROW.source_id, parent.author_id == READER.id)
        .correlate(None)
        .exists()
    )


_REACTION = _scalar(select(Reaction.kind).where(Reaction.post_id == ROW.subject_id, Reaction.user_id == ROW.actor_id))
_ROLE = _scalar(
    select(ConnectorMember.role).where(
        ConnectorMember.connector_id == ROW.subject_id, ConnectorMember.user_id == READER.id
    )
)
_DETAIL = case(
    (ROW.kind == NoticeKind.POST_REACTED.value, _REACTION),
    (ROW.kind == NoticeKind.ROLE_CHANGED.value, _ROLE),
    else_=null(),
)
_GROUPED = ROW.kind.in_([kind.value for kind in sorted(GROUPED)])
_IS_COMMENT = ROW.kind == NoticeKind.COMMENT_CREATED.value

_COLUMNS = (
    *(column for column in Notification.__table__.columns if column.name not in {"actor_id", "read_at"}),
    case((_GROUPED, others_of_group()), else_=literal(0)).label("other_count"),
    case((_IS_COMMENT, _is_reply()), else_=literal(value=False)).label("is_reply"),
    _DETAIL.label("detail"),
    _EXCERPT.label("excerpt"),
    _CONTEXT.label("context"),
    case(
        (Notification.read_at.is_not(None), Notification.read_at), (IS_READ, Notification.created_at), else_=null()
    ).label("read_at"),
)


def listed(viewer: Viewer, condition: ColumnElement[bool] = LISTED) -> Select[Any]:
    """Select the viewer's notifications that they may see now, with the columns that ``render`` needs.

    ``condition`` decides on both; it includes ``VISIBLE``.
    """
    person = aliased(User, name="actor")
    either = or_(
        and_(Block.blocker_id == READER.id, Block.blocked_id == person.id),
        and_(Block.blocked_id == READER.id, Block.blocker_id == person.id),
    )
    named = and_(person.id == _ACTOR, person.is_active.is_(True), ~exists().where(either).correlate(person))
    return (
        select(
            *_COLUMNS,
            person.id.label("actor_id"),
            func.concat_ws(" ", person.first_name, person.last_name).label("actor_name"),
            person.username.label("actor_username"),
            person.avatar_url.label("actor_avatar_url"),
            case((person.id.is_not(None), person_json(person))).label("actor"),
        )
        .select_from(Notification)
        .outerjoin(person, named)
        .where(Notification.user_id == viewer.id, condition)
    )


async def find(session: AsyncSession, *, viewer: Viewer, notification_id: UUID) -> NotificationOut | None:
    """Return one notification of the viewer, rendered now, or None if they may no longer see it."""
    row = (await session.execute(listed(viewer).where(Notification.id == notification_id))).one_or_none()
    return render(row) if row is not None else None


def render(row: Any) -> NotificationOut:
    """Render a row of ``listed``."""
    rendering = _RENDERINGS.get(row.kind)
    title, body = (row.title, row.body) if rendering is None else (rendering.title(row), rendering.body(row))
    return NotificationOut(
        id=row.id,
        kind=row.kind,
        actor=row.actor,
        actor_id=row.actor_id,
        actor_name=row.actor_name or None,
        actor_username=row.actor_username,
        actor_avatar_url=row.actor_avatar_url,
        other_count=row.other_count,
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        source_kind=row.source_kind,
        source_id=row.source_id,
        title=title[:200],
        body=body,
        created_at=row.created_at,
        read_at=row.read_at,
    )


def render_all(rows: Sequence[Any]) -> list[NotificationOut]:
    """Render rows of ``listed``."""
    return [render(row) for row in rows]


def _excerpt(row: Any) -> str:
    return row.excerpt or ""


def _detail(row: Any) -> str:
    return row.detail or ""


def _empty(_row: Any) -> str:
    return ""


def _stored_name(row: Any) -> str:
    """Return the name that is stored with the notice."""
    return str(row.body)


def _template(template: str) -> Callable[[Any], str]:
    def title(row: Any) -> str:
        return template.format(actor=row.actor_name or "A neighbor", context=row.context or "")

    return title


def _group(verb_of_one: str, verb_of_many: str) -> Callable[[Any], str]:
    def title(row: Any) -> str:
        actor = row.actor_name or "A neighbor"
        if not row.other_count:
            return f"{actor} {verb_of_one}"
        return f"{actor} and {row.other_count} {'other' if row.other_count == 1 else 'others'} {verb_of_many}"

    return title


def _comment_title(row: Any) -> str:
    verb = "replied to your comment" if row.is_reply else "commented on your post"
    return _group(verb, verb)(row)


def _message_title(row: Any) -> str:
    actor = row.actor_name or "A neighbor"
    return f"{actor} wrote in {row.context}" if row.context else f"{actor} wrote to you"


@dataclass(frozen=True, slots=True)
class Rendering:
    """Title and body of one kind."""

    title: Callable[[Any], str]
    body: Callable[[Any], str] = _excerpt


_RENDERINGS: dict[str, Rendering] = {
    NoticeKind.USER_FOLLOWED: Rendering(_group("follows you", "follow you"), _empty),
    NoticeKind.POST_LIKED: Rendering(_group("likes your post", "like your post"), _empty),
    NoticeKind.POST_REACTED: Rendering(_group("reacted to your post", "reacted to your post"), _detail),
    NoticeKind.COMMENT_LIKED: Rendering(_group("likes your comment", "like your comment")),
    NoticeKind.REEL_LIKED: Rendering(_group("likes your reel", "like your reel"), _empty),
    NoticeKind.COMMENT_CREATED: Rendering(
        _comment_title, lambda row: row.excerpt or "" if row.source_kind == "comment" else ""
    ),
    NoticeKind.MENTIONED: Rendering(_template("{actor} mentioned you")),
    NoticeKind.MESSAGE_CREATED: Rendering(_message_title),
    NoticeKind.POST_CREATED: Rendering(_template("New in {context}")),
    NoticeKind.EVENT_CREATED: Rendering(_template("An event in {context}")),
    NoticeKind.EVENT_CHANGED: Rendering(_template("An event that you answered was changed")),
    NoticeKind.EVENT_SOON: Rendering(_template("Tomorrow, if you come")),
    NoticeKind.EVENT_CANCELLED: Rendering(_template("An event that you answered was cancelled"), _stored_name),
    NoticeKind.PLACE_FREED: Rendering(_template("You have a place now")),
    NoticeKind.JOIN_REQUESTED: Rendering(_template("{actor} asks to join {context}"), _empty),
    NoticeKind.JOIN_ACCEPTED: Rendering(_template("You are in")),
    NoticeKind.JOIN_DECLINED: Rendering(_template("Your request to join was declined")),
    NoticeKind.ROLE_CHANGED: Rendering(_template("You have another role in {context} now"), _detail),
    NoticeKind.MEMBERSHIP_ENDED: Rendering(_template("You were removed from a connector"), _stored_name),
    NoticeKind.CONNECTOR_INVITED: Rendering(_template("You are invited to join")),
    NoticeKind.ITEM_RESERVED: Rendering(_template("{actor} reserved your item")),
    NoticeKind.RESERVATION_CANCELLED: Rendering(_template("A reservation was called off"), _stored_name),
    NoticeKind.ITEM_BOUGHT: Rendering(_template("{actor} bought your item")),
    NoticeKind.PURCHASE_COMPLETED: Rendering(_template("The seller says that you have it")),
    NoticeKind.PURCHASE_CANCELLED: Rendering(_template("A purchase was called off"), _stored_name),
    NoticeKind.SELLER_REVIEWED: Rendering(_template("{actor} reviewed you as a seller")),
    NoticeKind.REVIEW_HIDDEN: Rendering(_template("Your review was hidden")),
}
"""Rendering by kind; other kinds have a stored title and body."""
