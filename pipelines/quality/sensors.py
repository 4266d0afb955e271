"""Sensor of late assets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

from neighborconnect.settings import Settings


def late_assets(graph: BaseAssetGraph[Any], instance: dg.DagsterInstance, *, now: datetime) -> dict[str, timedelta]:
    """Return the assets past the fail window of their freshness policy, with the time since they were materialized.

    An asset that was never materialized is not late: a new platform has not run yet.
    """
    windows = {
        node.key: policy.fail_window.to_timedelta()
        for node in graph.asset_nodes
        if (policy := node.freshness_policy_or_from_metadata) is not None and hasattr(policy, "fail_window")
    }
    late = {}
    for record in instance.get_asset_records(list(windows)):
        materialized = record.asset_entry.last_materialization_record
        if materialized is None:
            continue
        age = now - datetime.fromtimestamp(materialized.timestamp, UTC)
        if age > windows[record.asset_entry.asset_key]:
            late[record.asset_entry.asset_key.to_user_string()] = age
    return late


@dg.sensor(
    minimum_interval_seconds=900,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Alerts when an asset has not been materialized within its freshness policy.",
)
def late_assets_sensor(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.SkipReason:
    """Compare the late assets with the cursor's; an asset is reported once, until it is materialized again."""
    from pipelines.alerts import send_alert

    if context.repository_def is None:
        return dg.SkipReason("The code location is not loaded.")
    late = late_assets(context.repository_def.asset_graph, context.instance, now=datetime.now(UTC))
    reported = set(json.loads(context.cursor or "[]"))
    context.update_cursor(json.dumps(sorted(late)))
    new = sorted(late.keys() - reported)
    if not new:
        return dg.SkipReason(f"{len(late)} assets are late; none is newly late." if late else "No asset is late.")
    send_alert(
        settings,
        kind="late_assets",
        text=f"{len(new)} assets are late. Open their runs in Dagster, and start the job of the failed one again.",
        details={"hours_since_materialization": {name: round(late[name] / timedelta(hours=1)) for name in new}},
    )
    return dg.SkipReason(f"Alerted: {', '.join(new)}.")


SENSORS = [late_assets_sensor]
