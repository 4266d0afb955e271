"""Sensors of ingest."""

import json
from collections import Counter

import dagster as dg

from neighborconnect.settings import Settings


@dg.sensor(
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports new versions of the tables that the ingest services write, for lineage and freshness.",
)
def table_versions_sensor(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.SensorResult | dg.SkipReason:
    """Report a materialization of each table whose version differs from the cursor's."""
    from pipelines.ingest.table_versions import read_table_versions

    reported: dict[str, str] = json.loads(context.cursor or "{}")
    tables = read_table_versions(settings)
    changed = [table for table in tables if reported.get(table.name) != table.version]
    if not changed:
        return dg.SkipReason("No table has changed since the last evaluation.")
    return dg.SensorResult(
        asset_events=[dg.AssetMaterialization(table.key, metadata=table.metadata) for table in changed],
        cursor=json.dumps({table.name: table.version for table in tables}),
    )


@dg.sensor(
    minimum_interval_seconds=600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Alerts when the number of records that a sink rejected and nobody settled grows.",
)
def dead_letters_sensor(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.SkipReason:
    """Compare the number of pending letters by sink and topic with the cursor's."""
    from kafka.errors import KafkaError

    from pipelines.alerts import send_alert
    from pipelines.ingest.dead_letters import pending_letters

    try:
        letters = pending_letters(settings.kafka_bootstrap_servers)
    except KafkaError as error:
        return dg.SkipReason(f"{type(error).__name__}; the next evaluation retries")
    counts = Counter(f"{letter.sink}: {letter.record.topic}" for letter in letters)
    before: dict[str, int] = json.loads(context.cursor or "{}")
    context.update_cursor(json.dumps(counts, sort_keys=True))
    if all(count <= before.get(name, 0) for name, count in counts.items()):
        return dg.SkipReason(f"{counts.total()} dead letters are pending; none is new.")
    send_alert(
        settings,
        kind="dead_letters",
        text=f"{counts.total()} dead letters are pending. List them with `neighborconnect dlq list` and settle them.",
        details={"pending": dict(counts)},
    )
    return dg.SkipReason(f"Alerted: {counts.total()} dead letters are pending.")


SENSORS = [table_versions_sensor, dead_letters_sensor]
