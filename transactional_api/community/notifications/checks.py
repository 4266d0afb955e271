"""Visibility of notifications to their reader, as one condition on a row of ``notifications``.

``CHECKS`` has one entry per kind. The condition is evaluated when a user is notified, when an email or a push is sent,
and whenever notifications are listed, counted or streamed. A kind without an entry is never shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, false, func, or_, select
from sqlalchemy import true as sql_true
from sqlalchemy.orm import aliased

from transactional_api.community.connectors import queries as connectors
from transactional_api.community.connectors.moderation_subjects import CONNECTOR
from transactional_api.community.events.moderation_subjects import EVENT
from transactional_api.community.marketplace.moderation_subjects import ITEM, SELLER_REVIEW
from transactional_api.community.notifications.current_acts import is_current, is_latest_by_actor
from transactional_api.community.notifications.reader import READER, ROW, any_row, is_moderated, visible_messages
from transactional_api.community.posts.moderation_subjects import COMMENT, POST
from transactional_api.community.reviews.moderation_subjects import REVIEW
from transactional_api.community.reviews.queries import can_moderate
from transactional_api.community.stories.moderation_subjects import REEL, STORY
from transactional_api.core.db.tables import (
    ChatMessage,
    Connector,
    ConversationMember,
    Event,
    EventAttendee,
    Invitation,
    MarketplaceItem,
    ModerationCase,
    ModerationDecision,
    Notification,
    Purchase,
    Report,
    Review,
    SellerReview,
    User,
)
from transactional_api.core.moderation import SubjectKind
from transactional_api.core.notices import GROUPED, NoticeKind
from transactional_api.identity.users import queries as users
from transactional_api.identity.users.moderation_subjects import USER


def _visible(kind: SubjectKind, row_id: ColumnElement[Any]) -> ColumnElement[bool]:
    subject = _SUBJECTS[kind]
    seen = subject.visible(READER).with_only_columns(subject.row_id).where(subject.row_id == row_id)
    if kind is SubjectKind.EVENT:
        # A canceled event stays visible; an event hidden by moderation has the same flag and does not.
        seen = seen.where(or_(Event.is_active.is_(True), ~is_moderated(kind, row_id)))
    return any_row(seen)


_SUBJECTS = {
    SubjectKind.USER: USER,
    SubjectKind.CONNECTOR: CONNECTOR,
    SubjectKind.POST: POST,
    SubjectKind.COMMENT: COMMENT,
    SubjectKind.EVENT: EVENT,
    SubjectKind.ITEM: ITEM,
    SubjectKind.REVIEW: REVIEW,
    SubjectKind.SELLER_REVIEW: SELLER_REVIEW,
    SubjectKind.STORY: STORY,
    SubjectKind.REEL: REEL,
}


_SUBJECT = case(
    *((ROW.subject_kind == kind.value, _visible(kind, ROW.subject_id)) for kind in _SUBJECTS), else_=false()
)
"""Whether the reader may see the subject of the notification."""
_SOURCE = case(
    (ROW.source_kind.is_(None), sql_true()),
    (ROW.source_kind == SubjectKind.COMMENT.value, _visible(SubjectKind.COMMENT, ROW.source_id)),
    else_=false(),
)
"""Whether the reader may see the quoted text, where it is not the subject itself."""


def _attends() -> ColumnElement[bool]:
    attendance = and_(EventAttendee.event_id == Event.id, EventAttendee.user_id == READER.id)
    attending = EventAttendee.status.in_(["attending", "maybe"])
    return any_row(
        select(Event.id)
        .join(EventAttendee, attendance)
        .where(Event.id == ROW.subject_id, Event.is_active.is_(True), attending)
    )


def _moderates_connector() -> ColumnElement[bool]:
    return any_row(
        select(Connector.id).where(Connector.id == ROW.subject_id, connectors.may_see(READER), can_moderate(READER))
    )


def _is_invited() -> ColumnElement[bool]:
    """Whether the reader may see the connector or has an invitation to it."""
    own = and_(Invitation.connector_id == Connector.id, Invitation.user_id == READER.id)
    invited = exists().where(own).correlate(Connector) & Connector.is_active.is_(True)
    return any_row(select(Connector.id).where(Connector.id == ROW.subject_id, or_(connectors.may_see(READER), invited)))


def _sells() -> ColumnElement[bool]:
    own = and_(MarketplaceItem.id == ROW.subject_id, MarketplaceItem.seller_id == READER.id)
    return any_row(select(MarketplaceItem.id).where(own))


def _is_party() -> ColumnElement[bool]:
    party = or_(Purchase.buyer_id == READER.id, Purchase.seller_id == READER.id)
    return any_row(select(Purchase.id).where(Purchase.item_id == ROW.subject_id, party))


def _is_reviewed() -> ColumnElement[bool]:
    own = and_(SellerReview.id == ROW.subject_id, SellerReview.seller_id == READER.id)
    return any_row(select(SellerReview.id).where(own))


def _wrote_review() -> ColumnElement[bool]:
    own = and_(Review.id == ROW.subject_id, Review.reviewer_id == READER.id, Review.is_active.is_(True))
    return any_row(select(Review.id).where(own))


def _owns_case() -> ColumnElement[bool]:
    own = ModerationCase.owner_id == READER.id
    of_decision = (
        select(ModerationCase.id)
        .join(ModerationDecision, ModerationDecision.case_id == ModerationCase.id)
        .where(ModerationDecision.id == ROW.subject_id, own)
    )
    itself = select(ModerationCase.id).where(ModerationCase.id == ROW.subject_id, own)
    return case(
        (ROW.subject_kind == "moderation_decision", any_row(of_decision)),
        (ROW.subject_kind == "moderation_case", any_row(itself)),
        else_=false(),
    )


def _reported() -> ColumnElement[bool]:
    return any_row(select(Report.id).where(Report.id == ROW.subject_id, Report.reporter_id == READER.id))


_HAS_UNREAD_MESSAGES = any_row(
    visible_messages(ChatMessage.id).where(ChatMessage.event_id > ConversationMember.read_up_to)
)


@dataclass(frozen=True, slots=True)
class Check:
    """Check of one kind of notification.

    Attributes:
        subject: whether the reader must be allowed to see the subject, and the source if there is one.
        condition: an additional condition.
        blocks: whether a block between the reader and the actor hides the notification.
        mutes: whether a mute of the actor by the reader hides it. Notifications about an event that the reader attends
            or a purchase that they agreed on are delivered despite a mute.
    """

    subject: bool = True
    condition: ColumnElement[bool] | None = None
    blocks: bool = True
    mutes: bool = True


_VISIBLE_SUBJECT = Check()
_OWN_PARTICIPATION = Check(mutes=False)
_OWN_PURCHASE = Check(subject=False, condition=_is_party(), blocks=False, mutes=False)
_OWN_MATTER = Check(subject=False, blocks=False, mutes=False)
# Attendees are notified of a cancellation even if they lost access to the event in the same transaction, because the
# connector closed or became private. The notice contains only the title under which they knew the event.
_EVENT_CANCELED = Check(
    subject=False, condition=~is_moderated(SubjectKind.EVENT, ROW.subject_id), blocks=False, mutes=False
)
_ATTENDS = Check(condition=_attends(), mutes=False)

CHECKS: dict[NoticeKind, Check] = {
    NoticeKind.USER_FOLLOWED: _VISIBLE_SUBJECT,
    NoticeKind.POST_LIKED: _VISIBLE_SUBJECT,
    NoticeKind.POST_REACTED: _VISIBLE_SUBJECT,
    NoticeKind.COMMENT_LIKED: _VISIBLE_SUBJECT,
    NoticeKind.REEL_LIKED: _VISIBLE_SUBJECT,
    NoticeKind.COMMENT_CREATED: _VISIBLE_SUBJECT,
    NoticeKind.MENTIONED: _VISIBLE_SUBJECT,
    NoticeKind.MESSAGE_CREATED: Check(
        subject=False, condition=any_row(visible_messages(ChatMessage.id)), blocks=False, mutes=False
    ),
    NoticeKind.POST_CREATED: _VISIBLE_SUBJECT,
    NoticeKind.EVENT_CREATED: _VISIBLE_SUBJECT,
    NoticeKind.EVENT_CHANGED: _OWN_PARTICIPATION,
    NoticeKind.EVENT_SOON: _ATTENDS,
    NoticeKind.EVENT_CANCELLED: _EVENT_CANCELED,
    NoticeKind.PLACE_FREED: _ATTENDS,
    NoticeKind.JOIN_REQUESTED: Check(subject=False, condition=_moderates_connector(), mutes=False),
    NoticeKind.JOIN_ACCEPTED: _OWN_PARTICIPATION,
    NoticeKind.JOIN_DECLINED: _OWN_PARTICIPATION,
    NoticeKind.CONNECTOR_INVITED: Check(subject=False, condition=_is_invited()),
    NoticeKind.ROLE_CHANGED: _OWN_PARTICIPATION,
    # The notice stores the name of the connector, because the reader may no longer see it.
    NoticeKind.MEMBERSHIP_ENDED: _OWN_MATTER,
    NoticeKind.ITEM_RESERVED: Check(condition=_sells() & is_latest_by_actor(), mutes=False),
    NoticeKind.RESERVATION_CANCELLED: _OWN_MATTER,
    NoticeKind.ITEM_BOUGHT: _OWN_PURCHASE,
    NoticeKind.PURCHASE_COMPLETED: _OWN_PURCHASE,
    NoticeKind.PURCHASE_CANCELLED: _OWN_PURCHASE,
    NoticeKind.SELLER_REVIEWED: Check(condition=_is_reviewed()),
    NoticeKind.REVIEW_HIDDEN: Check(subject=False, condition=_wrote_review()),
    NoticeKind.MODERATION_DECIDED: Check(subject=False, condition=_owns_case()),
    NoticeKind.REPORT_DECIDED: Check(subject=False, condition=_reported()),
    NoticeKind.PLATFORM_ANNOUNCED: _OWN_MATTER,
}
"""Check by kind."""


def _kinds_with(predicate: Callable[[Check], bool]) -> ColumnElement[bool]:
    kinds: ColumnElement[bool] = ROW.kind.in_([kind.value for kind, check in CHECKS.items() if predicate(check)])
    return kinds


def _unless(exempt: ColumnElement[bool], condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return a condition that is evaluated only for other rows; PostgreSQL evaluates the branches of CASE in order."""
    return case((exempt, sql_true()), else_=condition)


def _actor_visible() -> ColumnElement[bool]:
    blocks, mutes = _kinds_with(lambda check: not check.blocks), _kinds_with(lambda check: not check.mutes)
    visible = select(User.id).where(
        User.id == ROW.actor_id,
        User.is_active.is_(True),
        _unless(blocks, users.not_blocked(READER, User.id)),
        _unless(mutes, users.not_muted(READER, User.id)),
    )
    unaffected = _kinds_with(lambda check: not check.blocks and not check.mutes)
    return _unless(or_(ROW.actor_id.is_(None), unaffected), any_row(visible))


def _extra_conditions() -> ColumnElement[bool]:
    conditions: dict[ColumnElement[bool], list[str]] = {}
    for kind, check in CHECKS.items():
        if check.condition is not None:
            conditions.setdefault(check.condition, []).append(kind.value)
    return case(*((ROW.kind.in_(kinds), condition) for condition, kinds in conditions.items()), else_=sql_true())


def _of_group() -> tuple[Any, ColumnElement[bool]]:
    """Return an alias for the notifications of one group, and the condition for those that the reader may see."""
    other = aliased(Notification, name="of_group")
    same = and_(
        other.user_id == READER.id,
        other.kind == ROW.kind,
        other.subject_id == ROW.subject_id,
        other.source_id.is_not_distinct_from(ROW.source_id),
        User.id == other.actor_id,
        User.is_active.is_(True),
        users.not_blocked(READER, User.id),
        users.not_muted(READER, User.id),
        is_current(other),
    )
    return other, same


def _is_latest_of_group() -> ColumnElement[bool]:
    other, same = _of_group()
    later = func.row(other.created_at, other.id) > ROW.position
    return ~any_row(select(other.id).join(User, User.id == other.actor_id).where(same, later))


def others_of_group() -> ColumnElement[int]:
    """Count the users other than the actor who acted in the same way on the same subject."""
    other, same = _of_group()
    number = select(func.count(other.actor_id.distinct())).join(User, User.id == other.actor_id)
    return number.where(same, other.actor_id != ROW.actor_id).correlate(None).scalar_subquery()


VISIBLE: ColumnElement[bool] = case(
    (
        _kinds_with(lambda _: True),
        _actor_visible()
        & _unless(_kinds_with(lambda check: not check.subject), _SUBJECT & _SOURCE)
        & _extra_conditions()
        & is_current(ROW),
    ),
    else_=false(),
)
"""Whether the reader of a row of ``notifications`` may see it now; always false for a kind without a check."""

LISTED: ColumnElement[bool] = VISIBLE & case(
    (ROW.kind.in_([kind.value for kind in sorted(GROUPED)]), _is_latest_of_group()), else_=sql_true()
)
"""Whether it is listed: only the latest notification of a group is."""

IS_READ: ColumnElement[bool] = or_(
    ROW.read_at.is_not(None), case((ROW.kind == NoticeKind.MESSAGE_CREATED.value, ~_HAS_UNREAD_MESSAGES), else_=false())
)
"""Whether it was read; the notification of a conversation is read when the conversation is."""
