"""Jobs of the feature views."""

import dagster as dg

from pipelines.asset_keys import FEATURE_DRIFT, FEATURE_REGISTRY, LATEST, OFFLINE, ONLINE, VECTORS
from pipelines.features.assets import DAYS
from pipelines.run_control import NETWORK_RETRY, SERVING, SLOT

HISTORY = dg.AssetSelection.key_prefixes([OFFLINE])
LATEST_FEATURES = dg.AssetSelection.key_prefixes([LATEST], [ONLINE])

refresh_features = dg.define_asset_job(
    "refresh_features",
    selection=LATEST_FEATURES,
    description="Compute the latest features, offline and online.",
    op_retry_policy=NETWORK_RETRY,
)
restore_online_store = dg.define_asset_job(
    "restore_online_store",
    selection=dg.AssetSelection.key_prefixes([ONLINE], [VECTORS]),
    description="Write the online store in full after Redis was emptied: features and user vectors.",
    op_retry_policy=NETWORK_RETRY,
    tags={SLOT: SERVING},
)
apply_features = dg.define_asset_job(
    "apply_features",
    selection=dg.AssetSelection.keys(FEATURE_REGISTRY),
    description="Apply the feature definitions in the code to the registry.",
    op_retry_policy=NETWORK_RETRY,
)
record_features = dg.define_asset_job(
    "record_features",
    selection=HISTORY,
    partitions_def=DAYS,
    description="Compute a day of feature history; a backfill computes a range of days in one run.",
    op_retry_policy=NETWORK_RETRY,
)
measure_feature_drift = dg.define_asset_job(
    "measure_feature_drift",
    selection=dg.AssetSelection.keys(FEATURE_DRIFT),
    description="Compare the features of the last day with those of the weeks before.",
    op_retry_policy=NETWORK_RETRY,
)
JOBS = [measure_feature_drift, refresh_features, restore_online_store, apply_features, record_features]
