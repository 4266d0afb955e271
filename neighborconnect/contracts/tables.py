"""The registry of tables: which columns leave PostgreSQL, with which type and privacy class.

``secret`` never leaves. ``personal`` leaves only for the consumers listed with it. Every table of the product database
is in ``CAPTURED_TABLES`` or in ``NOT_CAPTURED``; tests compare both with the catalog of the database. Topic, lake
table, warehouse table, dbt source, staging model and the inventory of personal data follow from the entry.
"""

from __future__ import annotations

from typing import Final

from neighborconnect.contracts.captured.accounts import (
    BLOCKS,
    ERASURES,
    FOLLOWS,
    HIDDEN_ITEMS,
    MUTES,
    NOTIFICATIONS,
    USERS,
)
from neighborconnect.contracts.captured.content import (
    COMMENT_LIKES,
    COMMENTS,
    CONNECTOR_MEMBERS,
    CONNECTORS,
    POST_LIKES,
    POST_REACTIONS,
    POSTS,
    REVIEW_VOTES,
    REVIEWS,
)
from neighborconnect.contracts.captured.documents import REELS, STORIES
from neighborconnect.contracts.captured.moderation import (
    CONVERSATIONS,
    MODERATION_APPEALS,
    MODERATION_CASES,
    MODERATION_DECISIONS,
    MODERATION_REPORTS,
)
from neighborconnect.contracts.captured.not_captured import NOT_CAPTURED
from neighborconnect.contracts.captured.offers import (
    EVENT_ATTENDEES,
    EVENTS,
    MARKETPLACE_ITEM_VIEWS,
    MARKETPLACE_ITEMS,
    MARKETPLACE_PURCHASES,
    SELLER_REVIEWS,
)
from neighborconnect.contracts.columns import CDC_TOPIC_PREFIX, CapturedTable, Column, ColumnType, Privacy

__all__ = [
    "CAPTURED",
    "CAPTURED_DOCUMENTS",
    "CAPTURED_TABLES",
    "CDC_TOPIC_PREFIX",
    "NOT_CAPTURED",
    "POSTS",
    "REGISTRY_VERSION",
    "USERS",
    "CapturedTable",
    "Column",
    "ColumnType",
    "Privacy",
]

REGISTRY_VERSION: Final = "2.1"
"""Version of the registry: a higher minor for additions, a higher major for changes that readers cannot handle."""

CAPTURED_TABLES: tuple[CapturedTable, ...] = (
    USERS,
    CONNECTORS,
    CONNECTOR_MEMBERS,
    POSTS,
    COMMENTS,
    POST_LIKES,
    FOLLOWS,
    ERASURES,
    MODERATION_DECISIONS,
    EVENTS,
    EVENT_ATTENDEES,
    MARKETPLACE_ITEMS,
    MARKETPLACE_ITEM_VIEWS,
    MARKETPLACE_PURCHASES,
    SELLER_REVIEWS,
    REVIEWS,
    REVIEW_VOTES,
    POST_REACTIONS,
    COMMENT_LIKES,
    HIDDEN_ITEMS,
    BLOCKS,
    MUTES,
    MODERATION_CASES,
    MODERATION_REPORTS,
    MODERATION_APPEALS,
    NOTIFICATIONS,
    CONVERSATIONS,
)

CAPTURED_DOCUMENTS: tuple[CapturedTable, ...] = (STORIES, REELS)
"""Collections of the document store; PostgreSQL has a view of each, with the name and the columns of the entry."""

CAPTURED: tuple[CapturedTable, ...] = (*CAPTURED_TABLES, *CAPTURED_DOCUMENTS)
