"""Topics of Kafka and the tables that the ingest services write, as external assets."""

from collections.abc import Iterator

import dagster as dg

from neighborconnect.contracts.topics import INTERACTIONS_TOPIC, STREAMS, Stream
from pipelines.asset_keys import DAILY, KAFKA, LAKE, RAW, table_key


def _specs(stream: Stream) -> Iterator[dg.AssetSpec]:
    content = "Row changes in Debezium's envelope" if stream.is_change_stream else "Events"
    rows = "Current state of each row" if stream.is_change_stream else "Each event once"
    topic, lake, raw = (table_key(store, stream.table) for store in (KAFKA, LAKE, RAW))
    columns = dg.TableSchema([dg.TableColumn(column.name, column.type.value) for column in stream.columns])
    # Every other topic may receive nothing for a day.
    freshness = DAILY if stream.topic == INTERACTIONS_TOPIC else None
    yield dg.AssetSpec(topic, group_name=KAFKA, kinds={"kafka"}, description=f"{content}, topic `{stream.topic}`.")
    yield dg.AssetSpec(
        lake,
        deps=[topic],
        group_name=LAKE,
        kinds={"deltalake", "s3"},
        description="Append-only history, each event once; written by `python -m pipelines.ingest lake`.",
        metadata={"dagster/column_schema": columns, "lake_table": f"events/{stream.table}"},
        freshness_policy=freshness,
    )
    yield dg.AssetSpec(
        raw,
        deps=[topic],
        group_name=RAW,
        kinds={"postgres", "table"},
        description=f"{rows}; written by `python -m pipelines.ingest warehouse`.",
        metadata={"dagster/column_schema": columns, "dagster/table_name": f"warehouse.raw.{stream.table}"},
        freshness_policy=freshness,
    )


ASSETS = [spec for stream in STREAMS for spec in _specs(stream)]
