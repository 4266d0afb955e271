"""Names of the feature views and services, shared by those who write, train and serve."""

from __future__ import annotations

OFFLINE_SCHEMA = "offline"

USER_ACTIVITY = "user_activity"
USER_RECENT_ACTIVITY = "user_recent_activity"
USER_AFFINITY = "user_affinity"
USER_VECTORS = "user_vectors"
CONNECTOR_STATS = "connector_stats"
POST_STATS = "post_stats"

# Push sources: rows go straight to the online store (and the offline one where the view keeps history).
RECENT_ACTIVITY_PUSH = "user_recent_activity_push"
USER_VECTORS_PUSH = "user_vectors_push"

# Feature services, one for each use by a model.
RECOMMENDATION_TRAINING = "recommendation_training"
RECOMMENDATION_SERVING = "recommendation_serving"
SPAM_SERVING = "spam_serving"
CONNECTOR_TRAINING = "connector_recommendation_training"
POST_TRAINING = "post_recommendation_training"
