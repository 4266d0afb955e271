"""Grants of an app under which a subject of an event may be delivered to it: checked at every attempt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, select

from transactional_api.community.events import queries as events
from transactional_api.community.marketplace import queries as marketplace
from transactional_api.community.notifications.checks import VISIBLE
from transactional_api.community.posts import queries as posts
from transactional_api.core.compiled_queries import viewer_of
from transactional_api.core.db.tables import (
    Comment,
    Connector,
    Event,
    MarketplaceItem,
    Notification,
    Post,
    User,
    UserSession,
    WebhookEndpoint,
)
from transactional_api.core.viewer import is_account_active
from transactional_api.core.webhooks import SCOPE_OF, WebhookEvent
from transactional_api.identity.users import queries as users

_READER: Final = viewer_of(UserSession.user_id)
"""The granting user, in the row of their session."""


def _post(subject_id: UUID) -> Select[Any]:
    return (select(Post.id).join(Connector, Connector.id == Post.connector_id).where(Post.id == subject_id)).where(
        posts.may_see(_READER)
    )


def _comment(subject_id: UUID) -> Select[Any]:
    return (
        select(Comment.id)
        .join(Post, Post.id == Comment.post_id)
        .join(Connector, Connector.id == Post.connector_id)
        .where(Comment.id == subject_id, Comment.is_active.is_(True), posts.may_see(_READER))
        .where(users.not_blocked(_READER, Comment.author_id))
    )


def _event(subject_id: UUID) -> Select[Any]:
    return (
        select(Event.id)
        .join(Connector, Connector.id == Event.connector_id)
        .where(Event.id == subject_id, events.may_see(_READER))
    )


def _active_event(subject_id: UUID) -> Select[Any]:
    return _event(subject_id).where(Event.is_active.is_(True))


def _item(subject_id: UUID) -> Select[Any]:
    return (
        select(MarketplaceItem.id)
        .join(Connector, Connector.id == MarketplaceItem.connector_id)
        .where(MarketplaceItem.id == subject_id, marketplace.may_see(_READER))
    )


def _notification(subject_id: UUID) -> Select[Any]:
    return select(Notification.id).where(
        Notification.id == subject_id, Notification.user_id == UserSession.user_id, VISIBLE
    )


_SUBJECT: Final[dict[WebhookEvent, Callable[[UUID], Select[Any]]]] = {
    WebhookEvent.POST_CREATED: _post,
    WebhookEvent.COMMENT_CREATED: _comment,
    WebhookEvent.EVENT_CREATED: _active_event,
    WebhookEvent.EVENT_CHANGED: _active_event,
    WebhookEvent.EVENT_CANCELLED: _event,
    WebhookEvent.ITEM_CREATED: _item,
    WebhookEvent.NOTIFICATION_CREATED: _notification,
}
"""Subject of an event, if the granting user may see it now."""


def notifications_of_app_users(notification_ids: Sequence[UUID]) -> Select[tuple[UUID]]:
    """Select the notifications whose reader granted an app with a webhook for them the scope: a few of an announcement.

    Whether the reader may see them is not checked.
    """
    event = WebhookEvent.NOTIFICATION_CREATED
    granted = exists().where(
        UserSession.user_id == Notification.user_id,
        UserSession.scopes.contains([SCOPE_OF[event]]),
        UserSession.app_id == WebhookEndpoint.app_id,
        WebhookEndpoint.is_enabled.is_(True),
        WebhookEndpoint.event_types.contains([event.value]),
    )
    return select(Notification.id).where(Notification.id.in_(notification_ids), granted)


def may_receive(event: WebhookEvent, subject_id: UUID) -> ColumnElement[bool]:
    """Condition: a user of the app of the enclosing ``WebhookEndpoint`` granted the scope and may see the subject."""
    return granting_users(event, subject_id).correlate(WebhookEndpoint).exists()


def granting_users(event: WebhookEvent, subject_id: UUID) -> Select[Any]:
    """Select the users of the app of the enclosing ``WebhookEndpoint`` that the event may be delivered for."""
    return (
        select(UserSession.user_id)
        .join(User, User.id == UserSession.user_id)
        .where(
            UserSession.app_id == WebhookEndpoint.app_id,
            UserSession.expires_at > func.now(),
            UserSession.scopes.contains([SCOPE_OF[event]]),
            is_account_active(),
            _SUBJECT[event](subject_id).correlate(UserSession).exists(),
        )
    )
