"""The feature services, one for each use by a model: what is logged with a model is a service's name."""

from __future__ import annotations

from feature_repo.purposes import FeaturePurpose, require_purpose
from feature_repo.vendor_patches import FeatureService
from feature_repo.views import FEATURE_VIEW_SPECS, OWNER, VIEWS
from neighborconnect.contracts import features as names

_PURPOSE_TAG = "purpose"


def _build_service(
    name: str,
    views: tuple[str, ...],
    *,
    description: str,
    purpose: FeaturePurpose = FeaturePurpose.RECOMMENDATION,
) -> FeatureService:
    for view in views:
        require_purpose(view, allowed=FEATURE_VIEW_SPECS[view].purposes, purpose=purpose)
    return FeatureService(
        name=name,
        features=[VIEWS[view] for view in views],
        description=description,
        owner=OWNER,
        tags={_PURPOSE_TAG: purpose.value},
    )


def purpose_of(service: str) -> FeaturePurpose:
    """Return the purpose of a feature service; raises ``KeyError`` if there is no such service."""
    return FeaturePurpose(SERVICES[service].tags[_PURPOSE_TAG])


SERVICES = {
    service.name: service
    for service in (
        _build_service(
            names.RECOMMENDATION_SERVING,
            (names.USER_VECTORS, names.USER_RECENT_ACTIVITY, names.USER_AFFINITY),
            description="One user's row for ranking; keys user_id and model_version.",
        ),
        _build_service(
            names.SPAM_SERVING,
            (names.USER_RECENT_ACTIVITY,),
            description="What one user did within the hour, for telling spam; key user_id.",
            purpose=FeaturePurpose.MODERATION,
        ),
        _build_service(
            names.RECOMMENDATION_TRAINING,
            (names.USER_ACTIVITY, names.USER_AFFINITY, names.CONNECTOR_STATS, names.POST_STATS),
            description="All training features; keys user_id, connector_id and post_id ('' where there is none).",
        ),
        _build_service(
            names.CONNECTOR_TRAINING,
            (names.USER_ACTIVITY, names.USER_AFFINITY, names.CONNECTOR_STATS),
            description="Training features of the connector recommender; keys user_id and connector_id.",
        ),
        _build_service(
            names.POST_TRAINING,
            (names.USER_ACTIVITY, names.USER_AFFINITY, names.POST_STATS),
            description="Training features of the post recommender; keys user_id and post_id.",
        ),
        _build_service(
            names.EVENT_TRAINING,
            (names.USER_ACTIVITY, names.USER_AFFINITY, names.EVENT_STATS),
            description="Training features of the event recommender; keys user_id and event_id.",
        ),
        _build_service(
            names.ITEM_TRAINING,
            (names.USER_ACTIVITY, names.USER_AFFINITY, names.MARKETPLACE_ITEM_STATS),
            description="Training features of the recommender of marketplace items; keys user_id and "
            "marketplace_item_id.",
        ),
        _build_service(
            names.USER_ITEM_TRAINING,
            (
                names.USER_ACTIVITY,
                names.USER_NEGATIVES,
                names.USER_CONNECTOR,
                names.USER_AUTHOR,
                names.AUTHOR_STATS,
                names.CONNECTOR_STATS,
                names.POST_STATS,
            ),
            description="Features of a user with a post, its author and its connector; keys user_id, author_id, "
            "connector_id and post_id.",
        ),
    )
}
