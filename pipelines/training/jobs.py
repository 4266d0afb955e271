"""Jobs that train models and refresh what serving reads, and the first run of all pipelines."""

import dagster as dg

from pipelines.asset_keys import (
    FEATURE_DRIFT,
    FEATURE_REGISTRY,
    ITEM_INDEXES,
    SOCIAL_GRAPH,
    VECTORS,
    WEEKLY_EVALUATION,
    service_key,
)
from pipelines.features.jobs import HISTORY, LATEST_FEATURES
from pipelines.run_control import NETWORK_RETRY
from pipelines.training.assets import content, matching, recommendation, vision
from pipelines.warehouse.jobs import MARTS

_RECOMMENDER_ARTIFACTS = (
    dg.AssetSelection.groups(recommendation.GROUP) & dg.AssetSelection.key_prefixes([ITEM_INDEXES], [VECTORS])
) | dg.AssetSelection.keys(service_key("recommendation"))
RECOMMENDERS = dg.AssetSelection.groups(recommendation.GROUP) | _RECOMMENDER_ARTIFACTS
MATCHING = dg.AssetSelection.groups(matching.GROUP) | dg.AssetSelection.keys(service_key("matching"))
CONTENT = dg.AssetSelection.groups(content.GROUP) | dg.AssetSelection.keys(service_key("content"))
VISION = dg.AssetSelection.groups(vision.GROUP) | dg.AssetSelection.keys(service_key("image"), service_key("video"))

refresh_serving = dg.define_asset_job(
    "refresh_serving",
    selection=MARTS | _RECOMMENDER_ARTIFACTS | dg.AssetSelection.keys(SOCIAL_GRAPH, service_key("matching")),
    description="Add new items, new users and recent interactions to serving, without a training.",
    op_retry_policy=NETWORK_RETRY,
)
train_recommenders = dg.define_asset_job(
    "train_recommenders",
    selection=dg.AssetSelection.keys(FEATURE_REGISTRY) | MARTS | LATEST_FEATURES | RECOMMENDERS,
    description="Train all recommenders on current data and promote the versions that pass the gate.",
)
train_content = dg.define_asset_job(
    "train_content",
    selection=CONTENT,
    description="Train the content models on moderation feedback, promote them if they pass, and model topics.",
)
train_matching = dg.define_asset_job(
    "train_matching",
    selection=MATCHING,
    description="Publish the social graph, train the matching models and promote the version that passes the gate.",
)
train_vision = dg.define_asset_job(
    "train_vision",
    selection=VISION,
    description="Evaluate the installed vision networks and promote them if they pass the gate.",
)
evaluate_recommendations = dg.define_asset_job(
    "evaluate_recommendations",
    selection=dg.AssetSelection.keys(WEEKLY_EVALUATION),
    description="Evaluate the recommendations that were served in the last seven days.",
    op_retry_policy=NETWORK_RETRY,
)
bootstrap = dg.define_asset_job(
    "bootstrap",
    selection=dg.AssetSelection.keys(FEATURE_REGISTRY, FEATURE_DRIFT, WEEKLY_EVALUATION)
    | HISTORY
    | MARTS
    | LATEST_FEATURES
    | RECOMMENDERS
    | CONTENT
    | MATCHING
    | VISION,
    description="The first run: materialize every asset once.",
)
JOBS = [
    bootstrap,
    refresh_serving,
    train_recommenders,
    train_content,
    train_matching,
    train_vision,
    evaluate_recommendations,
]
