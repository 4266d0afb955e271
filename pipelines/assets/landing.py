"""Topics and the tables they become. Long-running services write these; Dagster knows, watches and checks them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from neighborconnect.contracts.topics import INTERACTIONS_TOPIC, STREAMS, Stream
from neighborconnect.settings import Settings
from pipelines.assets.names import KAFKA, LAKE, RAW, landed
from pipelines.assets.policies import DAILY

if TYPE_CHECKING:
    from pipelines.checks_landing import Comparison

STORES = (KAFKA, LAKE, RAW)
# Events, some seconds of work for a sink: more than this between two flushes means that it stands still.
LARGEST_LAG = 50_000


def _specs(stream: Stream) -> Iterator[dg.AssetSpec]:
    what = "Row changes in Debezium's envelope" if stream.is_change_stream else "Events"
    state = "Present state of each row" if stream.is_change_stream else "Every event once"
    topic, lake, raw = (landed(store, stream.table) for store in STORES)
    columns = dg.TableSchema([dg.TableColumn(column.name, column.type.value) for column in stream.columns])
    # Only this topic is never quiet for a day in a town that lives.
    freshness = DAILY if stream.topic == INTERACTIONS_TOPIC else None
    yield dg.AssetSpec(topic, group_name=KAFKA, kinds={"kafka"}, description=f"{what}, topic `{stream.topic}`.")
    yield dg.AssetSpec(
        lake,
        deps=[topic],
        group_name=LAKE,
        kinds={"deltalake", "s3"},
        description="Every event for ever, each once; written by `python -m pipelines.ingest lake`.",
        metadata={"dagster/column_schema": columns, "lake_table": f"events/{stream.table}"},
        freshness_policy=freshness,
    )
    yield dg.AssetSpec(
        raw,
        deps=[topic],
        group_name=RAW,
        kinds={"postgres", "table"},
        description=f"{state}; written by `python -m pipelines.ingest warehouse`.",
        metadata={"dagster/column_schema": columns, "dagster/table_name": f"warehouse.raw.{stream.table}"},
        freshness_policy=freshness,
    )


SPECS = [spec for stream in STREAMS for spec in _specs(stream)]
CHECKED_KEYS = [landed(store, stream.table) for stream in STREAMS for store in (LAKE, RAW)]


def _lake_check(stream: Stream) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=landed(LAKE, stream.table), name="each_event_once", description="No `_event_id` is there twice."
    )
    def each_event_once(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from pipelines import checks_landing as checks

        repeated = checks.repeated_events(settings, table=stream.table)
        return dg.AssetCheckResult(passed=repeated == 0, metadata={"repeated": repeated})

    return each_event_once


def _verdict(comparison: "Comparison", settings: Settings, *, truth: str) -> dg.AssetCheckResult:
    """Judge a comparison. One that had nothing to compare is no pass, unless the source is empty too."""
    from pipelines import checks_landing as checks

    metadata: dict[str, Any] = {
        truth: comparison.truth,
        "copy": comparison.copy,
        "differing": len(comparison.differing),
        "examples": list(comparison.differing[: checks.EXAMPLES]),
    }
    if comparison.passed:
        told = "" if comparison.truth else "The source is empty."
        return dg.AssetCheckResult(passed=True, metadata=metadata, description=told or None)
    if comparison.compared_nothing:
        return dg.AssetCheckResult(
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            metadata=metadata | {"published": comparison.expected},
            description=f"Compared nothing: both copies are empty, and Kafka had {comparison.expected} records.",
        )
    waiting = checks.on_their_way(settings)
    return dg.AssetCheckResult(
        passed=False,
        severity=dg.AssetCheckSeverity.WARN if waiting else dg.AssetCheckSeverity.ERROR,
        metadata=metadata | {"events_on_their_way": waiting},
        description=f"{len(comparison.differing)} rows differ, {waiting} events are on their way.",
    )


def _source_check(store: str, stream: Stream) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=landed(store, stream.table),
        name="agrees_with_the_source",
        description="PostgreSQL has the same rows as this copy; rows that are on their way are compared again.",
    )
    def agrees_with_the_source(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from pipelines import checks_landing as checks

        against = checks.lake_against_source if store == LAKE else checks.mirror_against_source
        return _verdict(against(settings, table=stream.table), settings, truth="source")

    return agrees_with_the_source


def _raw_check(stream: Stream) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=landed(RAW, stream.table),
        additional_deps=[landed(LAKE, stream.table)],
        name="agrees_with_the_lake",
        description="The newest event of each row is the same in both copies; rows on their way are compared again.",
    )
    def agrees_with_the_lake(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from pipelines import checks_landing as checks

        return _verdict(checks.mirror_against_lake(settings, table=stream.table), settings, truth="lake")

    return agrees_with_the_lake


def _lag_check(store: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=landed(store, "interactions"),
        name="keeps_up",
        description="The relay and the service that writes this store are not far behind, over all topics.",
    )
    def keeps_up(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from pipelines.ingest.progress import progress

        now = progress(settings)
        behind = now.outbox + (now.lake if store == LAKE else now.warehouse)
        return dg.AssetCheckResult(
            passed=behind <= LARGEST_LAG, metadata={"events_behind": behind, "in_the_outbox": now.outbox}
        )

    return keeps_up


CHECKS = [
    *(check for stream in STREAMS for check in (_lake_check(stream), _raw_check(stream))),
    *(_source_check(store, stream) for stream in STREAMS if stream.is_change_stream for store in (LAKE, RAW)),
    _lag_check(LAKE),
    _lag_check(RAW),
]
