"""Names of the feature views, push sources and feature services."""

from __future__ import annotations

OFFLINE_SCHEMA = "offline"
READER_ROLE = "analyst"
"""PostgreSQL role with which people and notebooks read the history of the features."""

USER_ACTIVITY = "user_activity"
USER_RECENT_ACTIVITY = "user_recent_activity"
USER_AFFINITY = "user_affinity"
USER_VECTORS = "user_vectors"
CONNECTOR_STATS = "connector_stats"
POST_STATS = "post_stats"
USER_NEGATIVES = "user_negatives"
USER_AUTHOR = "user_author"
USER_CONNECTOR = "user_connector"
AUTHOR_STATS = "author_stats"
PLACE_STATS = "place_stats"
EVENT_STATS = "event_stats"
MARKETPLACE_ITEM_STATS = "marketplace_item_stats"

# Push sources: rows go directly to the online store, and to the offline store if the view has history.
RECENT_ACTIVITY_PUSH = "user_recent_activity_push"
USER_VECTORS_PUSH = "user_vectors_push"

# Feature services, one per use by a model.
RECOMMENDATION_TRAINING = "recommendation_training"
RECOMMENDATION_SERVING = "recommendation_serving"
SPAM_SERVING = "spam_serving"
CONNECTOR_TRAINING = "connector_recommendation_training"
POST_TRAINING = "post_recommendation_training"
EVENT_TRAINING = "event_recommendation_training"
ITEM_TRAINING = "item_recommendation_training"
USER_ITEM_TRAINING = "user_item_training"
