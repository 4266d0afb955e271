"""Checks on the copies of the events (lake and ``raw`` mirror) and on the marts."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from neighborconnect.contracts.tables import CAPTURED_DOCUMENTS
from neighborconnect.contracts.topics import STREAMS, Stream
from neighborconnect.settings import Settings
from pipelines.asset_keys import LAKE, RAW, table_key

if TYPE_CHECKING:
    from pipelines.quality.copy_comparison import Comparison

MAX_LAG_EVENTS = 50_000
"""A sink processes this many events in some seconds: a longer backlog means that it does not consume."""
MAX_EXAMPLES = 5
_COLLECTIONS = frozenset(collection.name for collection in CAPTURED_DOCUMENTS)
MARTS = (
    "daily_activity",
    "daily_connector_engagement",
    "daily_moderation",
    "daily_notifications",
    "daily_recommendation_quality",
    "experiment_arms",
    "fct_events",
    "fct_marketplace_items",
    "fct_moderation_cases",
    "fct_sessions",
    "fct_statements_of_reasons",
    "marketplace_sellers",
    "recommendable_items",
    "weekly_activation",
    "weekly_connector_reviews",
    "weekly_marketplace_prices",
    "weekly_neighborhood_activity",
    "weekly_reels",
    "weekly_retention",
)
"""The marts that have expectations."""


def _unique_events_check(stream: Stream) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=table_key(LAKE, stream.table), name="event_ids_are_unique", description="No `_event_id` occurs twice."
    )
    def event_ids_are_unique(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from pipelines.quality.copy_comparison import count_repeated_events

        repeated = count_repeated_events(settings, table=stream.table)
        return dg.AssetCheckResult(passed=repeated == 0, metadata={"repeated": repeated})

    return event_ids_are_unique


def _result(comparison: "Comparison", settings: Settings, *, source: str) -> dg.AssetCheckResult:
    """Convert a comparison to a check result.

    A comparison without rows passes only if the source is empty, too. Differing rows are an error, or a warning while
    events are in flight.
    """
    from pipelines.quality.copy_comparison import count_events_in_flight

    metadata: dict[str, Any] = {
        source: comparison.source_rows,
        "copy": comparison.copy_rows,
        "differing": len(comparison.differing_keys),
        "examples": list(comparison.differing_keys[:MAX_EXAMPLES]),
    }
    if comparison.passed:
        description = None if comparison.source_rows else "The source is empty."
        return dg.AssetCheckResult(passed=True, metadata=metadata, description=description)
    if comparison.compared_nothing:
        return dg.AssetCheckResult(
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            metadata=metadata | {"published": comparison.expected_rows},
            description=f"Both copies are empty, although Kafka received {comparison.expected_rows} records.",
        )
    in_flight = count_events_in_flight(settings)
    return dg.AssetCheckResult(
        passed=False,
        severity=dg.AssetCheckSeverity.WARN if in_flight else dg.AssetCheckSeverity.ERROR,
        metadata=metadata | {"events_in_flight": in_flight},
        description=f"{len(comparison.differing_keys)} rows differ; {in_flight} events are in flight.",
    )


def _source_check(store: str, stream: Stream) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=table_key(store, stream.table),
        name="matches_source",
        description="PostgreSQL has the same rows as this copy. Differing rows are compared again after a delay.",
    )
    def matches_source(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from pipelines.quality.copy_comparison import compare_lake_with_source, compare_mirror_with_source

        if settings.document_store == "mongodb" and stream.table in _COLLECTIONS:
            return dg.AssetCheckResult(passed=True, description="Not compared: the documents are in MongoDB.")
        compare = compare_lake_with_source if store == LAKE else compare_mirror_with_source
        return _result(compare(settings, table=stream.table), settings, source="source")

    return matches_source


def _lake_check(stream: Stream) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=table_key(RAW, stream.table),
        additional_deps=[table_key(LAKE, stream.table)],
        name="matches_lake",
        description="The newest event of each row is the same in lake and mirror. Differing rows are compared again.",
    )
    def matches_lake(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from pipelines.quality.copy_comparison import compare_mirror_with_lake

        return _result(compare_mirror_with_lake(settings, table=stream.table), settings, source="lake")

    return matches_lake


def _lag_check(store: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=table_key(store, "interactions"),
        name="consumer_lag",
        description="The lag of the relay and of this store's ingest service, over all topics, is below the limit.",
    )
    def consumer_lag(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from pipelines.ingest.progress import ProgressReader

        progress = ProgressReader(settings).read()
        lag = progress.outbox + (progress.lake if store == LAKE else progress.warehouse)
        return dg.AssetCheckResult(
            passed=lag <= MAX_LAG_EVENTS, metadata={"lag_events": lag, "outbox_events": progress.outbox}
        )

    return consumer_lag


def _mart_check(mart: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey(["marts", mart]),
        name="meets_expectations",
        description="Ranges and orders of the values of this mart (Great Expectations).",
    )
    def meets_expectations(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from pipelines.quality.mart_expectations import count_unexpected_rows

        unexpected = count_unexpected_rows(settings, mart=mart)
        return dg.AssetCheckResult(passed=not unexpected, metadata={"unexpected_rows": unexpected})

    return meets_expectations


COPY_CHECKS = [
    *(check for stream in STREAMS for check in (_unique_events_check(stream), _lake_check(stream))),
    *(_source_check(store, stream) for stream in STREAMS if stream.is_change_stream for store in (LAKE, RAW)),
    _lag_check(LAKE),
    _lag_check(RAW),
]
MART_CHECKS = [_mart_check(mart) for mart in MARTS]
CHECKS = [*COPY_CHECKS, *MART_CHECKS]
