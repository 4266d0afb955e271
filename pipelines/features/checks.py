"""Checks on the feature views and on the online store."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.features import USER_AFFINITY, USER_RECENT_ACTIVITY
from neighborconnect.settings import Settings
from pipelines.asset_keys import DRIFTED_FEATURES, FEATURE_DRIFT, LATEST, ONLINE, feature_key, vectors_key
from pipelines.features import online_store
from pipelines.features.view_names import DAILY_VIEWS, LATEST_VIEWS

POPULATED_KEY = feature_key(ONLINE, USER_AFFINITY)
IS_POPULATED = "online_store_is_populated"
ONLINE_STORE_PARTS = {
    online_store.FEATURES: POPULATED_KEY,
    **{online_store.vectors_part(kind): vectors_key(kind) for kind in ItemKind},
}
"""The asset that writes each part of the online store."""


def _values_check(view: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=feature_key(LATEST, view),
        name="values_are_in_range",
        description="Counts and ages are not negative, rates are between 0 and 1, weights sum to one.",
    )
    def values_are_in_range(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from pipelines.features.store_checks import count_out_of_range

        out_of_range = count_out_of_range(settings, view=view)
        return dg.AssetCheckResult(passed=not out_of_range, metadata={"out_of_range_rows": out_of_range})

    return values_are_in_range


def _equality_check(view: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=feature_key(ONLINE, view),
        name="online_equals_offline",
        description="Sampled entities have the same values in Redis as in the newest row of their history.",
    )
    def online_equals_offline(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from pipelines.features.store_checks import compare_online_with_offline

        sampled, differing = compare_online_with_offline(settings, view=view)
        return dg.AssetCheckResult(passed=not differing, metadata={"sampled": sampled, "differing": differing})

    return online_equals_offline


def _consistency_check(view: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=feature_key(ONLINE, view),
        name="served_equals_recomputed",
        description="Sampled rows that were served in the last day equal their recomputation from the events of then.",
    )
    def served_equals_recomputed(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from pipelines.features.consistency import MAX_MISMATCH, measure_consistency, share_differing

        results = measure_consistency(settings, view=view, since=datetime.now(UTC) - timedelta(days=1))
        share = share_differing(results)
        table = [
            f"| {feature} | {one.cells} | {one.mismatched} | {one.missing} | {one.extra} | {one.smape:.4f} |"
            for feature, one in results.items()
        ]
        header = ["| Feature | Cells | Mismatched | Missing | Extra | sMAPE |", "|---|---|---|---|---|---|"]
        return dg.AssetCheckResult(
            passed=share <= MAX_MISMATCH,
            metadata={
                "share_differing": share,
                "cells": sum(one.cells for one in results.values()),
                "features": dg.MetadataValue.md("\n".join([*header, *table])),
            },
        )

    return served_equals_recomputed


def missing_online_parts(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Return the parts of the online store that were materialized before and are missing now."""
    present = online_store.written_parts(settings)
    absent = [part for part in ONLINE_STORE_PARTS if part not in present]
    return [part for part in absent if instance.get_latest_materialization_event(ONLINE_STORE_PARTS[part]) is not None]


@dg.asset_check(
    asset=POPULATED_KEY,
    name=IS_POPULATED,
    description="Redis contains every part of the online store that was ever materialized: it was not emptied.",
)
def online_store_is_populated(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings]
) -> dg.AssetCheckResult:
    """Compare the parts in the online store with the materialized parts."""
    missing = missing_online_parts(context.instance, settings)
    return dg.AssetCheckResult(passed=not missing, metadata={"missing": missing})


@dg.asset_check(
    asset=FEATURE_DRIFT,
    name="features_are_stable",
    description="No feature has drifted: the population stability index of each is at most 0.25.",
)
def features_are_stable(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Warn of the features that the newest measurement names."""
    drifted = read_drifted_features(context.instance)
    return dg.AssetCheckResult(
        passed=not drifted, severity=dg.AssetCheckSeverity.WARN, metadata={DRIFTED_FEATURES: drifted}
    )


def read_drifted_features(instance: dg.DagsterInstance) -> list[str]:
    """Return the features that the newest measurement of drift names; none before the first."""
    event = instance.get_latest_materialization_event(FEATURE_DRIFT)
    if event is None or event.asset_materialization is None:
        return []
    drifted = event.asset_materialization.metadata[DRIFTED_FEATURES].value
    return [str(name) for name in drifted] if isinstance(drifted, list) else []


# The stream may push a newer last hour between the two reads, so `user_recent_activity` has no equality check.
CHECKS = [
    *map(_values_check, LATEST_VIEWS),
    *map(_equality_check, DAILY_VIEWS),
    *map(_consistency_check, (USER_AFFINITY, USER_RECENT_ACTIVITY)),
    online_store_is_populated,
    features_are_stable,
]
