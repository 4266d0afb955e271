"""Tables that are not captured, each with the reason."""

from __future__ import annotations

from typing import Final

_CREDENTIAL = "Credentials"
_CHAT = "Words of chats, and who talks with whom, stay in PostgreSQL"
_DERIVED = "Derived from captured tables"
_MACHINERY = "State of the platform itself, about no user"
_SETTING = "A setting of one account that no consumer needs"
_EVENT = "Published as an event of its own"
_PERSONAL = "Personal, and no consumer needs it"

NOT_CAPTURED: Final[dict[str, str]] = {
    "alembic_version": _MACHINERY,
    "audit_log": "Evidence with a hash chain of its own, which copies would weaken",
    "cdc_outbox": _MACHINERY,
    "cdc_relay_state": _MACHINERY,
    "chat_events": _CHAT,
    "chat_messages": _CHAT,
    "chat_reactions": _CHAT,
    "connector_bans": _PERSONAL,
    "connector_invitations": _PERSONAL,
    "connector_join_requests": f"{_PERSONAL}: an accepted request is a membership",
    "consents": "The current consents are columns of users",
    "conversation_members": _CHAT,
    "data_exports": _PERSONAL,
    "delivery_schedules": _SETTING,
    "document_changes": _MACHINERY,
    "embeddings": f"{_DERIVED}: the lake has embeddings of its own",
    "experiments": f"{_EVENT}: exposures name experiment and variant",
    "feed_decisions": f"{_EVENT}: predictions have the same answers",
    "idempotency_keys": _MACHINERY,
    "item_exposures": f"{_EVENT}: impressions and clicks are interactions",
    "link_previews": "Copies of public pages, fetched again from their links",
    "linked_accounts": _CREDENTIAL,
    "media_captions": "The moderated copy of captions: stories and reels have topics of their own",
    "media_documents": "The document store in PostgreSQL: its stories and reels are published on topics of their own",
    "media_engagements": f"{_DERIVED}: views and likes of stories and reels are counts of their documents",
    "media_usage": _MACHINERY,
    "model_changes": "Requests of admins; MLflow records the changes that were made",
    "notification_preferences": _SETTING,
    "oauth_apps": _CREDENTIAL,
    "oauth_codes": _CREDENTIAL,
    "one_time_tokens": _CREDENTIAL,
    "pinned_posts": "A choice of moderators that no consumer needs",
    "post_bookmarks": f"{_SETTING}: posts that they keep for later",
    "post_tags": f"{_DERIVED}: hashtags are in the text of the post",
    "post_versions": f"{_DERIVED}: the lake has every version of a post",
    "procrastinate_events": _MACHINERY,
    "procrastinate_jobs": _MACHINERY,
    "procrastinate_periodic_defers": _MACHINERY,
    "procrastinate_workers": _MACHINERY,
    "push_devices": _CREDENTIAL,
    "recommendation_feedback": f"{_SETTING}: it acts when feeds are served",
    "recommendation_preferences": f"{_SETTING}: it acts when feeds are served",
    "refresh_tokens": _CREDENTIAL,
    "reputation_changes": f"{_DERIVED}: the reputation is a column of users",
    "retired_usernames": "Hashes of erased usernames, which must not be copied",
    "search_changes": _DERIVED,
    "search_documents": _DERIVED,
    "search_languages": _DERIVED,
    "search_words": _DERIVED,
    "second_factors": _CREDENTIAL,
    "uploads": "Descriptions for moderators; posts, items, stories and reels name their uploads",
    "user_sessions": _CREDENTIAL,
    "webhook_deliveries": _MACHINERY,
    "webhook_endpoints": _CREDENTIAL,
}
