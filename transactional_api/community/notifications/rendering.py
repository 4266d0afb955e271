"""Titles and bodies of notifications, rendered from their subjects at each read.

They follow edits and deletions. Only texts of the platform itself and names of canceled or inaccessible subjects are
stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal, null, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from neighborconnect.localization import Language, load_texts
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
from transactional_api.core.notices import GROUPED, OF_PLATFORM, NoticeKind
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users.people import person_json

MAX_EXCERPT = 500
texts = load_texts("transactional_api.community.notifications", "texts.toml")
"""Texts of notifications."""

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


async def find(
    session: AsyncSession, *, viewer: Viewer, language: Language, notification_id: UUID
) -> NotificationOut | None:
    """Return one notification of the viewer, rendered now, or None if they may no longer see it."""
    row = (await session.execute(listed(viewer).where(Notification.id == notification_id))).one_or_none()
    return render(row, language) if row is not None else None


def render(row: Any, language: Language) -> NotificationOut:
    """Render a row of ``listed`` in a language."""
    body = _BODIES.get(row.kind, _excerpt)
    if row.kind in OF_PLATFORM:
        title, text = texts.translate(row.title, language), _platform_text(row.body, language)
    else:
        title, text = _title(row, language), body(row, language)
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
        body=text,
        created_at=row.created_at,
        read_at=row.read_at,
    )


def topic_name(kind: str, language: Language) -> str:
    """Return the name of a kind for the emails about it: the title of a notification of nobody in particular."""
    code = f"topic.{kind}" if kind in OF_PLATFORM else kind
    names: dict[str, Any] = {name: texts.render(unknown, language) for name, unknown in _UNKNOWN.items()}
    return texts.render(code, language, **names)


def _title(row: Any, language: Language) -> str:
    code = row.kind
    if code == NoticeKind.COMMENT_CREATED and row.is_reply:
        code += ".reply"
    if code == NoticeKind.MESSAGE_CREATED and not row.context:
        code += ".direct"
    if row.other_count:
        code += ".group"
    actor = row.actor_name or texts.render(_UNKNOWN["actor"], language)
    return texts.render(code, language, count=row.other_count, actor=actor, context=row.context or "")


def _platform_text(stored: str, language: Language) -> str:
    """Return a stored text of the platform; a text of people, such as the rule of a decision, stays as it is."""
    prefix = texts.render("flagged", Language.ENGLISH, words="")
    if stored.startswith(prefix):
        return texts.render("flagged", language, words=stored.removeprefix(prefix))
    return texts.translate(stored, language)


def _excerpt(row: Any, _language: Language) -> str:
    return row.excerpt or ""


def _empty(_row: Any, _language: Language) -> str:
    return ""


def _stored_name(row: Any, _language: Language) -> str:
    """Return the name that is stored with the notice."""
    return str(row.body)


def _comment(row: Any, _language: Language) -> str:
    return row.excerpt or "" if row.source_kind == "comment" else ""


def _reaction(row: Any, language: Language) -> str:
    return texts.render(f"reaction.{row.detail}", language) if row.detail else ""


def _role(row: Any, language: Language) -> str:
    return texts.render(f"role.{row.detail}", language) if row.detail else ""


_UNKNOWN = {"actor": "unknown_actor", "context": "any_context"}
_BODIES: dict[str, Callable[[Any, Language], str]] = {
    NoticeKind.USER_FOLLOWED: _empty,
    NoticeKind.POST_LIKED: _empty,
    NoticeKind.POST_REACTED: _reaction,
    NoticeKind.REEL_LIKED: _empty,
    NoticeKind.COMMENT_CREATED: _comment,
    NoticeKind.EVENT_CANCELLED: _stored_name,
    NoticeKind.JOIN_REQUESTED: _empty,
    NoticeKind.ROLE_CHANGED: _role,
    NoticeKind.MEMBERSHIP_ENDED: _stored_name,
    NoticeKind.RESERVATION_CANCELLED: _stored_name,
    NoticeKind.PURCHASE_CANCELLED: _stored_name,
}
"""Body by kind; the body of other kinds is an excerpt of the subject. The platform's own texts are stored."""
