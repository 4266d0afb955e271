"""Withdrawal of a user's holdings in a connector, or with another user, when the permission ends.

``HOLDINGS`` applies to leaving, bans, connectors that turn private or close, and blocks. Erasure has a table of its own
(``neighborconnect.contracts.privacy``); a test compares the two, so that each column that references a user has a row
here: a step, or the reason why it stays. Each slice registers the functions of its steps under the names in the table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.db.tables import ConnectorMember


class Cause(StrEnum):
    """End of permissions in a connector."""

    LEFT = "left"
    """The person left or was removed."""
    BANNED = "banned"
    TURNED_PRIVATE = "turned_private"
    CLOSED = "closed"


ALL = frozenset(Cause)


Who = Callable[[Any], ColumnElement[bool]]
"""Condition on a column of user ids."""


def only(person: UUID) -> Who:
    """Return the condition for one person."""
    return lambda user_id: user_id == person


def outsiders(connector_id: UUID) -> Who:
    """Return the condition for everyone who does not belong to a connector."""
    members = select(ConnectorMember.user_id).where(ConnectorMember.connector_id == connector_id)
    return lambda user_id: user_id.not_in(members)


def everyone() -> Who:
    """Return the condition for everyone."""
    return lambda _user_id: true()


Step = TypeVar("Step", bound=Callable[..., Awaitable[None]])
_STEPS: dict[str, Callable[..., Awaitable[None]]] = {}
LOCKS = ("events.lock", "marketplace.lock")
"""Steps that lock the rows that a withdrawal in a connector may change; they run first, in this order."""


def step(name: str) -> Callable[[Step], Step]:
    """Register the function of a step under its name in ``HOLDINGS`` or ``LOCKS``, once per process.

    Raises:
        ValueError: when the name is registered already.
    """

    def register(function: Step) -> Step:
        if name in _STEPS:
            raise ValueError(f"The withdrawal step {name} is registered twice")
        _STEPS[name] = function
        return function

    return register


def registered_steps() -> frozenset[str]:
    """Return the names of the registered steps."""
    return frozenset(_STEPS)


@dataclass(frozen=True, slots=True)
class InConnector:
    """Step for holdings in a connector, and the causes that it applies to."""

    step: str
    causes: frozenset[Cause] = ALL


@dataclass(frozen=True, slots=True)
class Between:
    """Step for holdings between two users, which a block ends."""

    step: str


@dataclass(frozen=True, slots=True)
class Holding:
    """A column that references a user.

    Attributes:
        in_connector: for the end of permissions in a connector.
        between: for a block.
        stays: the reason where one of the steps is missing, or does not cover every cause.
    """

    in_connector: InConnector | None = None
    between: Between | None = None
    stays: str = ""


_ACCOUNT = Holding(stays="Belongs to the account alone; no connector and no other person gives or takes it")
_PRODUCT = Holding(stays="Derived from what the person wrote; it follows the text")
_TEXT = Holding(stays="A text stays with the people who answered it; its author can delete it at any time")
_MARK = Holding(stays="An opinion of something that stays; the person can take it back at any time")
_RECORD = Holding(stays="A record of what was decided or done; it gives no access")
_SETTING = Holding(stays="The person's own setting towards others; it gives no access")
_MEMBERSHIP = "Removed before the registry is walked, where the cause ends it; a block is between people, not in groups"
_VISIBLE = "Both stay in the connector; the other person does not see it any more"
_FOLLOW = Holding(between=Between("relationships.end_follows"), stays="A follow is of a person, in no connector")

HOLDINGS: dict[str, Holding] = {
    # Hosted events and items first: nobody may get capacity or an item that the next step cancels.
    "events.created_by": Holding(InConnector("events.cancel_hosted"), stays=_VISIBLE),
    "event_attendees.user_id": Holding(InConnector("events.decline"), Between("events.decline_between")),
    "marketplace_items.seller_id": Holding(InConnector("marketplace.withdraw_items"), stays=_VISIBLE),
    "marketplace_items.reserved_by": Holding(
        InConnector("marketplace.end_deals"), Between("marketplace.end_deals_between")
    ),
    "marketplace_purchases.buyer_id": Holding(
        InConnector("marketplace.end_deals"), Between("marketplace.end_deals_between")
    ),
    "marketplace_purchases.seller_id": Holding(
        InConnector("marketplace.withdraw_items"), Between("marketplace.end_deals_between")
    ),
    "media_captions.author_id": Holding(
        InConnector("stories.hide_stories", frozenset({Cause.BANNED})),
        stays="Like other texts, but a ban takes what is shown in the person's name off the connector's page; "
        "between two, neither sees the other's",
    ),
    "connector_join_requests.user_id": Holding(
        InConnector("connectors.drop_requests"), stays="Moderators decide on it, not one person"
    ),
    "connector_invitations.user_id": Holding(
        InConnector("connectors.drop_invitations", ALL - {Cause.TURNED_PRIVATE}),
        Between("connectors.drop_invitations_between"),
        stays="An invitation is the way into a private connector",
    ),
    "connector_invitations.invited_by": Holding(
        InConnector("connectors.drop_invitations_by"), Between("connectors.drop_invitations_between")
    ),
    "connector_members.user_id": Holding(stays=_MEMBERSHIP),
    "connector_bans.user_id": Holding(stays="The ban itself; a moderator lifts it"),
    "connector_bans.banned_by": _RECORD,
    "connectors.created_by": _RECORD,
    "follows.follower_id": _FOLLOW,
    "follows.followee_id": _FOLLOW,
    "blocks.blocker_id": _SETTING,
    "blocks.blocked_id": _SETTING,
    "mutes.muter_id": _SETTING,
    "mutes.muted_id": _SETTING,
    "hidden_items.user_id": _SETTING,
    "post_bookmarks.user_id": _ACCOUNT,
    "recommendation_feedback.user_id": _SETTING,
    "recommendation_feedback.author_id": _SETTING,
    "recommendation_preferences.user_id": _SETTING,
    "item_exposures.user_id": _ACCOUNT,
    "feed_decisions.user_id": _ACCOUNT,
    "retired_usernames.name_hash": _ACCOUNT,
    "posts.author_id": _TEXT,
    "comments.author_id": _TEXT,
    "reviews.reviewer_id": _TEXT,
    "seller_reviews.buyer_id": _TEXT,
    "seller_reviews.seller_id": _RECORD,
    "post_versions.editor_id": _RECORD,
    "pinned_posts.pinned_by": _RECORD,
    "post_likes.user_id": _MARK,
    "post_reactions.user_id": _MARK,
    "comment_likes.user_id": _MARK,
    "review_votes.user_id": _MARK,
    "media_engagements.user_id": _MARK,
    "marketplace_item_views.user_id": _MARK,
    "conversations.created_by": _RECORD,
    "conversation_members.user_id": Holding(
        stays="A conversation is in no connector; across a block each reads without the other's presence, read mark, "
        "typing and messages"
    ),
    "chat_messages.author_id": _TEXT,
    "chat_reactions.user_id": _MARK,
    "chat_events.user_id": _RECORD,
    "notifications.user_id": Holding(stays="What was delivered; each new notice passes the reader's permission"),
    "notifications.actor_id": Holding(stays="What was delivered; each new notice passes the reader's permission"),
    "embeddings.subject_id": _PRODUCT,
    "search_documents.subject_id": _PRODUCT,
    "uploads.owner_id": _ACCOUNT,
    "media_usage.user_id": _ACCOUNT,
    "model_changes.requested_by": _RECORD,
    "moderation_cases.owner_id": _RECORD,
    "moderation_cases.assignee_id": _RECORD,
    "moderation_reports.reporter_id": _RECORD,
    "moderation_decisions.moderator_id": _RECORD,
    "moderation_appeals.appellant_id": _RECORD,
    "moderation_appeals.decided_by": _RECORD,
    "audit_log.actor_id": _RECORD,
    "user_sessions.user_id": _ACCOUNT,
    "refresh_tokens.user_id": _ACCOUNT,
    "one_time_tokens.user_id": _ACCOUNT,
    "second_factors.user_id": _ACCOUNT,
    "linked_accounts.user_id": _ACCOUNT,
    "oauth_apps.owner_id": _ACCOUNT,
    "oauth_codes.user_id": _ACCOUNT,
    "reputation_changes.user_id": _ACCOUNT,
    "idempotency_keys.user_id": _ACCOUNT,
    "consents.user_id": _ACCOUNT,
    "data_exports.user_id": _ACCOUNT,
    "erasures.user_id": _ACCOUNT,
    "notification_preferences.user_id": _ACCOUNT,
    "delivery_schedules.user_id": _ACCOUNT,
    "push_devices.user_id": _ACCOUNT,
}
"""Holdings by table and column, in lock order: connector, events, items, then rows without waiting transactions."""


async def withdraw(session: AsyncSession, cause: Cause, *, connector_id: UUID, who: Who) -> None:
    """Withdraw holdings in a connector whose row is locked, after permissions in it ended.

    All events, then all items are locked first, each in the order of their ids, as ``withdraw_between`` does, so that
    concurrent withdrawals cannot deadlock.
    """
    for name in LOCKS:
        await _STEPS[name](session, connector_id=connector_id, who=who)
    steps = [holding.in_connector for holding in HOLDINGS.values() if holding.in_connector is not None]
    for holding_step in dict.fromkeys(steps):
        if cause in holding_step.causes:
            await _STEPS[holding_step.step](session, connector_id=connector_id, who=who)


async def withdraw_between(session: AsyncSession, *, one: UUID, other: UUID) -> None:
    """Withdraw the holdings between two users after a block."""
    steps = [holding.between for holding in HOLDINGS.values() if holding.between is not None]
    for between in dict.fromkeys(steps):
        await _STEPS[between.step](session, one=one, other=other)
