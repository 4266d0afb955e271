"""Every table of the product database; importing this package fills the metadata."""

from transactional_api.core.db.tables.accounts import LinkedAccount, OAuthApp, OAuthCode, ReputationChange, SecondFactor
from transactional_api.core.db.tables.audit import AuditEntry
from transactional_api.core.db.tables.chat import ChatEvent, ChatMessage, ChatReaction, Conversation, ConversationMember
from transactional_api.core.db.tables.connectors import Ban, Connector, ConnectorMember, Invitation, JoinRequest
from transactional_api.core.db.tables.events import Event, EventAttendee
from transactional_api.core.db.tables.experiments import Experiment
from transactional_api.core.db.tables.idempotency import IdempotencyKey
from transactional_api.core.db.tables.interactions import (
    FeedDecision,
    HiddenItem,
    ItemExposure,
    RecommendationFeedback,
    RecommendationPreferences,
)
from transactional_api.core.db.tables.link_previews import LinkPreview
from transactional_api.core.db.tables.marketplace import ItemView, MarketplaceItem, Purchase, SellerReview
from transactional_api.core.db.tables.media import (
    DocumentChange,
    MediaCaption,
    MediaDocument,
    MediaEngagement,
    MediaUsage,
    Upload,
)
from transactional_api.core.db.tables.model_changes import ModelChange
from transactional_api.core.db.tables.moderation import Appeal, ModerationCase, ModerationDecision, Report
from transactional_api.core.db.tables.notifications import (
    DeliverySchedule,
    Notification,
    NotificationPreference,
    PushDevice,
)
from transactional_api.core.db.tables.posts import (
    Comment,
    CommentLike,
    PinnedPost,
    Post,
    PostBookmark,
    PostLike,
    PostTag,
    PostVersion,
    Reaction,
)
from transactional_api.core.db.tables.privacy import Consent, DataExport, Erasure
from transactional_api.core.db.tables.reviews import HelpfulVote, Review
from transactional_api.core.db.tables.searched import TEXTS, SearchChange, SearchDocument, SearchLanguage, SearchWord
from transactional_api.core.db.tables.users import (
    Block,
    Follow,
    Mute,
    OneTimeToken,
    RefreshToken,
    RetiredUsername,
    User,
    UserSession,
)
from transactional_api.core.db.tables.webhooks import WebhookDelivery, WebhookEndpoint

__all__ = [
    "TEXTS",
    "Appeal",
    "AuditEntry",
    "Ban",
    "Block",
    "ChatEvent",
    "ChatMessage",
    "ChatReaction",
    "Comment",
    "CommentLike",
    "Connector",
    "ConnectorMember",
    "Consent",
    "Conversation",
    "ConversationMember",
    "DataExport",
    "DeliverySchedule",
    "DocumentChange",
    "Erasure",
    "Event",
    "EventAttendee",
    "Experiment",
    "FeedDecision",
    "Follow",
    "HelpfulVote",
    "HiddenItem",
    "IdempotencyKey",
    "Invitation",
    "ItemExposure",
    "ItemView",
    "JoinRequest",
    "LinkPreview",
    "LinkedAccount",
    "MarketplaceItem",
    "MediaCaption",
    "MediaDocument",
    "MediaEngagement",
    "MediaUsage",
    "ModelChange",
    "ModerationCase",
    "ModerationDecision",
    "Mute",
    "Notification",
    "NotificationPreference",
    "OAuthApp",
    "OAuthCode",
    "OneTimeToken",
    "PinnedPost",
    "Post",
    "PostBookmark",
    "PostLike",
    "PostTag",
    "PostVersion",
    "Purchase",
    "PushDevice",
    "Reaction",
    "RecommendationFeedback",
    "RecommendationPreferences",
    "RefreshToken",
    "Report",
    "ReputationChange",
    "RetiredUsername",
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
    "WebhookDelivery",
    "WebhookEndpoint",
]
