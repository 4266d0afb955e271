"""The feature services, one for each use by a model: what is logged with a model is a service's name."""

from __future__ import annotations

from feature_repo.feast_import import FeatureService
from feature_repo.views import OWNER, VIEWS
from neighborconnect.contracts import features as names


def _build_service(name: str, views: tuple[str, ...], *, description: str) -> FeatureService:
    return FeatureService(name=name, features=[VIEWS[view] for view in views], description=description, owner=OWNER)


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
    )
}
