"""Reversible acts: a notification is shown only while its act has not been undone."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy import true as sql_true
from sqlalchemy.orm import aliased

from transactional_api.community.notifications.reader import ROW, any_row
from transactional_api.community.posts.reactions import REACTION_TYPES
from transactional_api.core.db.tables import (
    Comment,
    Follow,
    JoinRequest,
    MarketplaceItem,
    MediaEngagement,
    Notification,
    Purchase,
)
from transactional_api.core.notices import NoticeKind


def is_current(row: Any) -> ColumnElement[bool]:
    """Condition: the act that a notification reports has not been undone.

    A request to join is current until it is decided. A reservation ends with the purchase by the same user, and its
    notification stays.
    """
    bought = exists().where(
        Purchase.item_id == MarketplaceItem.id, Purchase.buyer_id == row.actor_id, Purchase.status != "cancelled"
    )
    reserved = or_(MarketplaceItem.reserved_by == row.actor_id, bought.correlate_except(Purchase))
    acts = {
        **{
            one.notice: select(one.rows.id).where(
                one.is_by(row.actor_id, subject_id=row.source_id if one.subject is Comment else row.subject_id)
            )
            for one in REACTION_TYPES
        },
        NoticeKind.REEL_LIKED: select(MediaEngagement.id).where(
            MediaEngagement.document_id == row.subject_id,
            MediaEngagement.user_id == row.actor_id,
            MediaEngagement.kind == "like",
        ),
        NoticeKind.USER_FOLLOWED: select(Follow.id).where(
            Follow.follower_id == row.actor_id, Follow.followee_id == row.user_id
        ),
        NoticeKind.JOIN_REQUESTED: select(JoinRequest.id).where(JoinRequest.id == row.notice_id),
        NoticeKind.ITEM_RESERVED: select(MarketplaceItem.id).where(MarketplaceItem.id == row.subject_id, reserved),
    }
    return case(*((row.kind == kind.value, _any(act, row)) for kind, act in acts.items()), else_=sql_true())


def is_latest_by_actor() -> ColumnElement[bool]:
    """Condition: no later act of the same kind by the actor; of repeated reservations only the latest counts."""
    other = aliased(Notification, name="again")
    same = and_(
        other.user_id == ROW.user_id,
        other.kind == ROW.kind,
        other.subject_id == ROW.subject_id,
        other.actor_id == ROW.actor_id,
    )
    return ~any_row(select(other.id).where(same, func.row(other.created_at, other.id) > ROW.position))


def _any(statement: Any, row: Any) -> ColumnElement[bool]:
    if row is ROW:
        return any_row(statement)
    condition: ColumnElement[bool] = statement.correlate(row).exists()
    return condition
