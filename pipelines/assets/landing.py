"""Topics and the tables they become. Long-running services write these; Dagster knows, watches and checks them."""

from collections.abc import Iterator

import dagster as dg

from neighborconnect.contracts.topics import INTERACTIONS_TOPIC, STREAMS, Stream
from neighborconnect.settings import Settings
from pipelines.assets.names import KAFKA, LAKE, RAW, landed
from pipelines.assets.policies import DAILY

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


def _raw_check(stream: Stream) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=landed(RAW, stream.table),
        additional_deps=[landed(LAKE, stream.table)],
        name="agrees_with_the_lake",
        description="Newest events per key are the same, in number and in identity, up to what both have settled.",
    )
    def agrees_with_the_lake(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from pipelines import checks_landing as checks

        lake, raw = checks.landing_digests(settings, table=stream.table)
        return dg.AssetCheckResult(passed=lake == raw, metadata={"lake": str(lake), "raw": str(raw)})

    return agrees_with_the_lake


def _lag_check(store: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=landed(store, "interactions"),
        name="keeps_up",
        description="The service that writes this store is not far behind Kafka, over all topics.",
    )
    def keeps_up(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from pipelines.ingest.progress import progress

        now = progress(settings)
        behind = now.lake if store == LAKE else now.warehouse
        return dg.AssetCheckResult(passed=behind <= LARGEST_LAG, metadata={"events_behind": behind})

    return keeps_up


CHECKS = [
    *(check for stream in STREAMS for check in (_lake_check(stream), _raw_check(stream))),
    _lag_check(LAKE),
    _lag_check(RAW),
]
