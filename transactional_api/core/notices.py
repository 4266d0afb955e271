"""Notices: a slice publishes one, in its own transaction, when something happens that users may want to know.

The fan-out job (``transactional_api.community.notifications.fan_out``) decides on recipients and channels; the writer
waits for one inserted row.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.jobs import queue


class Channel(StrEnum):
    """Channel of a notification. Disabling ``in_app`` disables the kind entirely."""

    IN_APP = "in_app"
    EMAIL = "email"
    PUSH = "push"


class NoticeKind(StrEnum):
    """Kinds of notifications."""

    USER_FOLLOWED = "user.followed"
    POST_LIKED = "post.liked"
    POST_REACTED = "post.reacted"
    COMMENT_LIKED = "comment.liked"
    REEL_LIKED = "reel.liked"
    COMMENT_CREATED = "comment.created"
    MENTIONED = "mentioned"
    MESSAGE_CREATED = "message.created"
    POST_CREATED = "post.created"
    EVENT_CREATED = "event.created"
    EVENT_CHANGED = "event.changed"
    EVENT_SOON = "event.soon"
    EVENT_CANCELLED = "event.cancelled"
    PLACE_FREED = "place.freed"
    JOIN_REQUESTED = "join.requested"
    JOIN_ACCEPTED = "join.accepted"
    JOIN_DECLINED = "join.declined"
    CONNECTOR_INVITED = "connector.invited"
    ROLE_CHANGED = "role.changed"
    MEMBERSHIP_ENDED = "membership.ended"
    ITEM_RESERVED = "item.reserved"
    RESERVATION_CANCELLED = "reservation.cancelled"
    ITEM_BOUGHT = "item.bought"
    PURCHASE_COMPLETED = "purchase.completed"
    PURCHASE_CANCELLED = "purchase.cancelled"
    SELLER_REVIEWED = "seller.reviewed"
    REVIEW_HIDDEN = "review.hidden"
    MODERATION_DECIDED = "moderation.decided"
    REPORT_DECIDED = "report.decided"
    PLATFORM_ANNOUNCED = "platform.announced"


GROUPED = frozenset({NoticeKind.POST_LIKED, NoticeKind.POST_REACTED, NoticeKind.COMMENT_LIKED, NoticeKind.REEL_LIKED})
"""Kinds whose notifications about the same subject are grouped under the latest actor."""
COLLAPSED = frozenset({NoticeKind.MESSAGE_CREATED})
"""Kinds whose new notification replaces the previous one about the same subject."""

NAMES_SUBJECT = frozenset(
    {
        NoticeKind.EVENT_CANCELLED,
        NoticeKind.RESERVATION_CANCELLED,
        NoticeKind.PURCHASE_CANCELLED,
        NoticeKind.MEMBERSHIP_ENDED,
    }
)
"""Kinds that store the name of a canceled or ended subject, since the reader may no longer see it."""
OF_PLATFORM = frozenset({NoticeKind.MODERATION_DECIDED, NoticeKind.REPORT_DECIDED, NoticeKind.PLATFORM_ANNOUNCED})
"""Kinds whose text the platform writes and stores."""

_DEFAULTS = {Channel.IN_APP: True, Channel.EMAIL: False, Channel.PUSH: True}
# Opt-in kinds.
_OPT_IN = frozenset({NoticeKind.POST_CREATED})


def wanted_by_default(kind: NoticeKind, channel: Channel) -> bool:
    """Return whether ``channel`` is enabled for ``kind`` without a preference."""
    return kind not in _OPT_IN and _DEFAULTS[channel]


class Notice(BaseModel):
    """An event that users are notified of.

    Attributes:
        id: a user receives the same notice once.
        kind: its kind.
        actor_id: the acting user; not notified, nor are users who block or mute the actor. None for the platform,
            and for notices that users must receive regardless of the actor.
        subject_kind, subject_id: target of the notification, e.g. ``post`` and its id.
        source_kind, source_id: the quoted text if it is another subject, e.g. a comment on the post.
        title, body: text of the platform, or the name of a canceled subject. All other text is rendered from the
            subject and the source on each read.
        user_ids: recipients.
        connector_id: connector whose members are recipients too.
        everyone: whether all users are recipients.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: UUID = Field(default_factory=uuid4)
    kind: NoticeKind
    actor_id: UUID | None = None
    subject_kind: str
    subject_id: UUID
    source_kind: str | None = None
    source_id: UUID | None = None
    title: str = Field(default="", max_length=200)
    body: str = Field(default="", max_length=2_000)
    user_ids: list[UUID] = []
    connector_id: UUID | None = None
    everyone: bool = False

    @model_validator(mode="after")
    def _stores_no_rendered_words(self) -> Self:
        """Reject text that would survive the edit or erasure of its subject."""
        if self.body and self.kind not in NAMES_SUBJECT | OF_PLATFORM:
            raise ValueError(f"The body of {self.kind} is rendered when it is read, not stored")
        return self


DELIVER = queue.JobReference("notifications.deliver", priority=queue.Priority.NOTICE)
"""Delivers a notice to its recipients."""
NOTIFY_OF_MESSAGE = queue.JobReference("chat.notify", priority=queue.Priority.NOTICE)
"""Notifies the other members of a conversation of a message."""


async def notify(session: AsyncSession, notice: Notice) -> None:
    """Queue the delivery when the session's transaction commits."""
    await queue.defer(session, DELIVER, notice=notice.model_dump(mode="json"))
