"""Every table of the product database; importing this package fills the metadata."""

from transactional_api.db.tables.accounts import LinkedAccount, OAuthApp, OAuthCode, ReputationChange, SecondFactor
from transactional_api.db.tables.audit import AuditEntry
from transactional_api.db.tables.chat import ChatEvent, ChatMessage, Conversation, ConversationMember
from transactional_api.db.tables.connectors import Ban, Connector, ConnectorMember, Invitation, JoinRequest
from transactional_api.db.tables.events import Event, EventAttendee
from transactional_api.db.tables.experiments import Experiment
from transactional_api.db.tables.idempotency import IdempotencyKey
from transactional_api.db.tables.interactions import HiddenItem
from transactional_api.db.tables.marketplace import ItemView, MarketplaceItem, Purchase, SellerReview
from transactional_api.db.tables.media import MediaCaption, MediaDocument, MediaMark, MediaUsage, Upload
from transactional_api.db.tables.moderation import Appeal, ModerationCase, ModerationDecision, Report
from transactional_api.db.tables.notifications import (
    Notification,
    NotificationHours,
    NotificationPreference,
    PushDevice,
)
from transactional_api.db.tables.posts import (
    Comment,
    CommentLike,
    PinnedPost,
    Post,
    PostLike,
    PostTag,
    PostVersion,
    Reaction,
)
from transactional_api.db.tables.privacy import Consent, DataExport, Erasure
from transactional_api.db.tables.reviews import HelpfulVote, Review
from transactional_api.db.tables.searched import TEXTS, SearchChange, SearchDocument, SearchLanguage, SearchWord
from transactional_api.db.tables.users import Block, Follow, Mute, OneTimeToken, RefreshToken, User, UserSession

__all__ = [
    "TEXTS",
    "Appeal",
    "AuditEntry",
    "Ban",
    "Block",
    "ChatEvent",
    "ChatMessage",
    "Comment",
    "CommentLike",
    "Connector",
    "ConnectorMember",
    "Consent",
    "Conversation",
    "ConversationMember",
    "DataExport",
    "Erasure",
    "Event",
    "EventAttendee",
    "Experiment",
    "Follow",
    "HelpfulVote",
    "HiddenItem",
    "IdempotencyKey",
    "Invitation",
    "ItemView",
    "JoinRequest",
    "LinkedAccount",
    "MarketplaceItem",
    "MediaCaption",
    "MediaDocument",
    "MediaMark",
    "MediaUsage",
    "ModerationCase",
    "ModerationDecision",
    "Mute",
    "Notification",
    "NotificationHours",
    "NotificationPreference",
    "OAuthApp",
    "OAuthCode",
    "OneTimeToken",
    "PinnedPost",
    "Post",
    "PostLike",
    "PostTag",
    "PostVersion",
    "Purchase",
    "PushDevice",
    "Reaction",
    "RefreshToken",
    "Report",
    "ReputationChange",
    "Review",
    "SearchChange",
    "SearchDocument",
    "SearchLanguage",
    "SearchWord",
    "SecondFactor",
    "SellerReview",
    "Upload",
    "User",
    "UserSession",
]
