"""What a person has not read: a list that is kept at hand, and dropped when something is told or read.

What else changes it, such as a block, is seen once the copy has passed.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import ColumnElement, and_, select

from transactional_api.auth import Viewer
from transactional_api.db.tables import Notification
from transactional_api.hot import OWNER, HotList
from transactional_api.prepared import SOMEONE
from transactional_api.users import queries as users

COUNTED = 500
"""So many are kept; who has more is counted for in PostgreSQL."""


def unread_of(viewer: Viewer) -> ColumnElement[bool]:
    """Whether a notification is the viewer's and not read, without those of people blocked since."""
    return and_(
        Notification.user_id == viewer.id,
        Notification.read_at.is_(None),
        users.not_blocked(viewer, Notification.actor_id),
    )


UNREAD = HotList.of(
    "user:{}:notifications",
    select(Notification.id)
    .where(unread_of(replace(SOMEONE, id=OWNER)))
    .order_by(Notification.created_at.desc(), Notification.id.desc())
    .limit(COUNTED),
)
