"""Feature views: history by day, newest rows by the hour, and their way to the online store."""

import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from neighborconnect.contracts import features as views
from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings
from pipelines.assets.names import (
    FEATURE_REGISTRY,
    KAFKA,
    LAKE,
    LATEST,
    OFFLINE,
    ONLINE,
    feature_key,
    landed,
    vectors_key,
)
from pipelines.assets.policies import DAILY, HOURLY
from pipelines.features import online_store

GROUP = "features"
# The first day of the New York check-ins; a town of our own begins later.
DAYS = dg.DailyPartitionsDefinition(start_date="2012-04-01", timezone="UTC")

DAILY_VIEWS = (views.USER_ACTIVITY, views.USER_AFFINITY, views.CONNECTOR_STATS, views.POST_STATS)
HOURLY_VIEWS = (*DAILY_VIEWS, views.USER_RECENT_ACTIVITY)
# The part of the online store that each asset writes, by the name of its mark.
POPULATED_KEY = feature_key(ONLINE, views.USER_AFFINITY)
IS_POPULATED = "online_store_is_populated"
ONLINE_STORE_PARTS = {
    online_store.FEATURES: POPULATED_KEY,
    **{online_store.vectors_part(kind): vectors_key(kind) for kind in ItemKind},
}
_SOURCES = ("interactions", "post_likes", "comments", "connector_members", "posts", "connectors")
_LAKE_TABLES = [landed(LAKE, table) for table in _SOURCES]
_STREAMED = [landed(KAFKA, table) for table in _SOURCES[:4]]


@dg.asset(
    key=FEATURE_REGISTRY, group_name=GROUP, kinds={"feast", "postgres"}, description="Entities, views and services."
)
def feature_registry(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
    """Bring the registry and the offline tables up to date with the code."""
    from feature_repo.store import apply
    from pipelines.stores import feature_store

    with feature_store(settings) as store:
        apply(store)
        names = [view.name for view in store.list_feature_views()]
    return dg.MaterializeResult(metadata={"views": names})


def _history(view: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=feature_key(OFFLINE, view),
        deps=[FEATURE_REGISTRY, *_LAKE_TABLES],
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        kinds={"polars", "postgres"},
        description=f"`{view}` as of the end of each day, point-in-time correct.",
        freshness_policy=DAILY,
    )
    def history(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from pipelines.features.compute import compute_days

        days = context.partition_time_window
        last = (days.end - timedelta(days=1)).date()
        return dg.MaterializeResult(
            metadata={"rows": compute_days(settings, view=view, first=days.start.date(), last=last)}
        )

    return history


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            feature_key(LATEST, view),
            deps=[FEATURE_REGISTRY, *_LAKE_TABLES],
            group_name=GROUP,
            kinds={"polars", "postgres"},
            description=f"`{view}` as of now, in the offline store.",
            freshness_policy=HOURLY,
        )
        for view in HOURLY_VIEWS
    ]
)
def latest_features(settings: dg.ResourceParam[Settings]) -> Iterator[dg.MaterializeResult[None]]:
    """Add the newest row of every entity to the history."""
    from pipelines.features.compute import compute_latest

    for view, rows in compute_latest(settings, at=datetime.now(UTC)).items():
        yield dg.MaterializeResult(feature_key(LATEST, view), metadata={"rows": rows})


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            feature_key(ONLINE, view),
            deps=[
                feature_key(LATEST, view),
                *([feature_key(OFFLINE, view)] if view in DAILY_VIEWS else []),
                # The stream service pushes this one, so that it is a second old and not an hour.
                *(_STREAMED if view == views.USER_RECENT_ACTIVITY else []),
            ],
            group_name=GROUP,
            kinds={"feast", "redis"},
            description=f"`{view}` where serving reads it.",
            freshness_policy=HOURLY,
        )
        for view in HOURLY_VIEWS
    ]
)
def online_features(settings: dg.ResourceParam[Settings]) -> Iterator[dg.MaterializeResult[None]]:
    """Bring what is new in the history to the online store."""
    from pipelines.features.materialize import materialize

    until = datetime.now(UTC)
    materialize(settings, until=until)
    for view in HOURLY_VIEWS:
        yield dg.MaterializeResult(feature_key(ONLINE, view), metadata={"until": dg.MetadataValue.timestamp(until)})


def _values_check(view: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=feature_key(LATEST, view),
        name="values_are_possible",
        description="Counts and ages are not negative, rates are within 0 and 1, weights sum to one.",
    )
    def values_are_possible(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from pipelines.checks_features import impossible_rows

        found = impossible_rows(settings, view=view)
        return dg.AssetCheckResult(passed=not found, metadata={"impossible_rows": found})

    return values_are_possible


def _equality_check(view: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=feature_key(ONLINE, view),
        name="online_equals_offline",
        description="Sampled entities read the same from Redis as the newest row of their history.",
    )
    def online_equals_offline(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from pipelines.checks_features import online_differences

        read, differing = online_differences(settings, view=view)
        return dg.AssetCheckResult(passed=not differing, metadata={"sampled": read, "differing": differing})

    return online_equals_offline


def missing_online_parts(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Return the parts that were written to the online store once and that it does not have now."""
    present = online_store.written_parts(settings)
    absent = [part for part in ONLINE_STORE_PARTS if part not in present]
    return [part for part in absent if instance.get_latest_materialization_event(ONLINE_STORE_PARTS[part]) is not None]


@dg.asset_check(
    asset=POPULATED_KEY,
    name=IS_POPULATED,
    description="Every part that was ever written to the online store is there: Redis was not emptied since.",
)
def online_store_is_populated(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings]
) -> dg.AssetCheckResult:
    """Compare the marks in the online store with the parts that were written."""
    missing = missing_online_parts(context.instance, settings)
    return dg.AssetCheckResult(passed=not missing, metadata={"missing": missing})


with warnings.catch_warnings():
    # Backfill policies are marked as beta; one run for a range of days is what they are for.
    warnings.simplefilter("ignore", dg.BetaWarning)
    HISTORIES = [_history(view) for view in DAILY_VIEWS]
ASSETS = [feature_registry, *HISTORIES, latest_features, online_features]
# The stream may push a newer last hour between the two reads, so that view has no such check.
CHECKS = [*map(_values_check, HOURLY_VIEWS), *map(_equality_check, DAILY_VIEWS), online_store_is_populated]
