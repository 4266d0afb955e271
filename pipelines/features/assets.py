"""Feature views as assets: daily history, hourly latest rows and the online store."""

import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from neighborconnect.contracts.features import USER_RECENT_ACTIVITY
from neighborconnect.settings import Settings
from pipelines.asset_keys import (
    DAILY,
    DRIFTED_FEATURES,
    FEATURE_DRIFT,
    FEATURE_REGISTRY,
    HOURLY,
    KAFKA,
    LAKE,
    LATEST,
    OFFLINE,
    ONLINE,
    feature_key,
    table_key,
)
from pipelines.features.view_names import DAILY_VIEWS, LATEST_VIEWS
from pipelines.transforms.act_tables import ACT_USER_COLUMN, ITEM_TABLES

if TYPE_CHECKING:
    from pipelines.quality.quarantine import QuarantinedError

_Results = Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]
BLOCKING_CHECK: Final = "new_rows_are_in_range"
"""Check of rows before they replace others; a failure stops the assets downstream."""
GROUP = "features"
# The first day of the New York check-ins; simulated data begins later.
DAYS = dg.DailyPartitionsDefinition(start_date="2012-04-01", timezone="UTC")

_ACTS = tuple(ACT_USER_COLUMN)
_SOURCES = (*_ACTS, "posts", "connectors", *ITEM_TABLES.values())
_LAKE_TABLES = [table_key(LAKE, table) for table in _SOURCES]
_STREAMED = [table_key(KAFKA, table) for table in _ACTS]


@dg.asset(
    key=FEATURE_REGISTRY,
    group_name=GROUP,
    kinds={"feast", "postgres"},
    description="Registered entities, feature views and feature services.",
)
def feature_registry(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
    """Apply the definitions in the code to the registry and to the offline tables."""
    from feature_repo.store import apply, open_store

    with open_store(settings) as store:
        apply(store)
        names = [view.name for view in store.list_feature_views()]
    return dg.MaterializeResult(metadata={"views": names})


def _blocking_check(key: dg.AssetKey) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        BLOCKING_CHECK,
        asset=key,
        blocking=True,
        description="No value of new rows is out of range. Partitions that fail go to the quarantine, unserved."
        " `neighborconnect repair` computes them again.",
    )


def _report_quarantine(
    context: dg.AssetExecutionContext,
    settings: Settings,
    error: "QuarantinedError",
    *,
    keys: Mapping[str, dg.AssetKey],
) -> Iterator[dg.AssetCheckResult]:
    """Fail the check of each view with a partition in quarantine, record it on the asset and send one alert."""
    from pipelines.alerts import send_alert

    for view in sorted({one.view for one in error.partitions}):
        partitions = [one for one in error.partitions if one.view == view]
        metadata: dict[str, Any] = {
            "quarantined": [one.name for one in partitions],
            "rows_out_of_range": {one.partition: dict(one.reasons) for one in partitions},
            "remedy": f"neighborconnect repair {partitions[0].name}",
        }
        for one in partitions:
            partition = one.partition if context.has_partition_key_range or context.has_partition_key else None
            context.log_event(dg.AssetObservation(keys[view], partition=partition, metadata=metadata))
        yield dg.AssetCheckResult(passed=False, check_name=BLOCKING_CHECK, asset_key=keys[view], metadata=metadata)
    names = [one.name for one in error.partitions]
    send_alert(
        settings,
        kind="quarantine",
        text=f"{len(names)} feature partitions are in quarantine; the last good rows are served. Fix the input, then "
        f"run `neighborconnect repair {names[0]}`.",
        details={"partitions": names, "run": context.run_id},
    )


def _history(view: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=feature_key(OFFLINE, view),
        deps=[FEATURE_REGISTRY, *_LAKE_TABLES],
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        kinds={"polars", "postgres"},
        description=f"`{view}` as of the end of each UTC day, point-in-time correct.",
        freshness_policy=DAILY,
        # A partition in quarantine is not materialized.
        output_required=False,
        check_specs=[_blocking_check(feature_key(OFFLINE, view))],
    )
    def history(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> _Results:
        from pipelines.features.compute import compute_days
        from pipelines.quality.quarantine import QuarantinedError

        key = feature_key(OFFLINE, view)
        days = context.partition_time_window
        last = (days.end - timedelta(days=1)).date()
        try:
            rows = compute_days(settings, view=view, first=days.start.date(), last=last)
        except QuarantinedError as error:
            bad = {one.partition for one in error.partitions}
            for day in context.partition_keys:
                if day not in bad:
                    context.log_event(dg.AssetMaterialization(key, partition=day))
            yield from _report_quarantine(context, settings, error, keys={view: key})
            return
        yield dg.MaterializeResult(key, metadata={"rows": rows})
        yield dg.AssetCheckResult(passed=True, check_name=BLOCKING_CHECK, asset_key=key)

    return history


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            feature_key(LATEST, view),
            deps=[FEATURE_REGISTRY, *_LAKE_TABLES],
            group_name=GROUP,
            kinds={"polars", "postgres"},
            description=f"`{view}` as of the last run, in the offline store.",
            freshness_policy=HOURLY,
            # A view in quarantine is not materialized.
            skippable=True,
        )
        for view in LATEST_VIEWS
    ],
    check_specs=[_blocking_check(feature_key(LATEST, view)) for view in LATEST_VIEWS],
)
def latest_features(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> _Results:
    """Append the latest row of every entity to the history."""
    from pipelines.features.compute import compute_latest
    from pipelines.quality.quarantine import QuarantinedError

    keys = {view: feature_key(LATEST, view) for view in LATEST_VIEWS}
    failure: QuarantinedError | None = None
    try:
        written = compute_latest(settings, at=datetime.now(UTC))
    except QuarantinedError as error:
        written, failure = dict(error.rows), error
    for view, rows in written.items():
        yield dg.MaterializeResult(keys[view], metadata={"rows": rows})
        yield dg.AssetCheckResult(passed=True, check_name=BLOCKING_CHECK, asset_key=keys[view])
    if failure is not None:
        yield from _report_quarantine(context, settings, failure, keys=keys)


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            feature_key(ONLINE, view),
            deps=[
                feature_key(LATEST, view),
                *([feature_key(OFFLINE, view)] if view in DAILY_VIEWS else []),
                # The stream service pushes this view, so its rows are a second old rather than an hour.
                *(_STREAMED if view == USER_RECENT_ACTIVITY else []),
            ],
            group_name=GROUP,
            kinds={"feast", "redis"},
            description=f"`{view}` in the online store, which serving reads.",
            freshness_policy=HOURLY,
        )
        for view in LATEST_VIEWS
    ]
)
def online_features(settings: dg.ResourceParam[Settings]) -> Iterator[dg.MaterializeResult[None]]:
    """Copy the new rows of the history to the online store."""
    from pipelines.features.materialize import materialize

    until = datetime.now(UTC)
    materialize(settings, until=until)
    for view in LATEST_VIEWS:
        yield dg.MaterializeResult(feature_key(ONLINE, view), metadata={"until": dg.MetadataValue.timestamp(until)})


@dg.asset(
    key=FEATURE_DRIFT,
    deps=[feature_key(LATEST, view) for view in LATEST_VIEWS],
    group_name=GROUP,
    kinds={"postgres", "mlflow"},
    description="Drift of every numeric feature: its last day against the weeks before (PSI, Kolmogorov-Smirnov).",
    freshness_policy=DAILY,
)
def feature_drift(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
    """Measure drift, plot the largest values, and log them as an MLflow run."""
    from pipelines.features.drift import as_markdown, log_drift, measure_drift, plot_drift

    at = datetime.now(UTC)
    measured = measure_drift(settings, views=LATEST_VIEWS, at=at)
    return dg.MaterializeResult(
        metadata={
            "features": len(measured),
            DRIFTED_FEATURES: [f"{one.view}.{one.feature}" for one in measured if one.has_drifted],
            "plot": dg.MetadataValue.md(as_markdown(plot_drift(measured))),
            "run": log_drift(settings, measured, at=at),
        }
    )


with warnings.catch_warnings():
    # Backfill policies are in beta; one run for a range of days is their purpose.
    warnings.simplefilter("ignore", dg.BetaWarning)
    HISTORIES = [_history(view) for view in DAILY_VIEWS]
ASSETS = [feature_registry, *HISTORIES, latest_features, online_features, feature_drift]
