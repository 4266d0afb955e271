"""The ways in which a notice can reach somebody, and the kinds of notices there are."""

from __future__ import annotations

from enum import StrEnum


class Channel(StrEnum):
    """A way to reach somebody. ``in_app`` off keeps a kind out altogether."""

    IN_APP = "in_app"
    EMAIL = "email"
    PUSH = "push"


class NoticeKind(StrEnum):
    """What people can be told of."""

    USER_FOLLOWED = "user.followed"
    POST_LIKED = "post.liked"
    COMMENT_CREATED = "comment.created"
    MENTIONED = "mentioned"
    POST_CREATED = "post.created"
    EVENT_CREATED = "event.created"
    EVENT_CHANGED = "event.changed"
    EVENT_SOON = "event.soon"
    EVENT_CANCELLED = "event.cancelled"
    PLACE_FREED = "place.freed"
    JOIN_REQUESTED = "join.requested"
    JOIN_ACCEPTED = "join.accepted"
    CONNECTOR_INVITED = "connector.invited"
    ITEM_RESERVED = "item.reserved"
    ITEM_BOUGHT = "item.bought"
    PURCHASE_COMPLETED = "purchase.completed"
    PURCHASE_CANCELLED = "purchase.cancelled"
    REVIEW_HIDDEN = "review.hidden"
    MODERATION_DECIDED = "moderation.decided"
    PLATFORM_ANNOUNCED = "platform.announced"


_WANTED = {Channel.IN_APP: True, Channel.EMAIL: False, Channel.PUSH: True}
# Who wants to hear of every post says so.
_UNASKED = frozenset({NoticeKind.POST_CREATED})


def wanted_by_default(kind: NoticeKind, channel: Channel) -> bool:
    """Whether people who said nothing are told of ``kind`` by ``channel``."""
    return kind not in _UNASKED and _WANTED[channel]
