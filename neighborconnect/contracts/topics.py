"""Every Kafka topic, who writes it, and the table it becomes in the lake and in the warehouse."""

from __future__ import annotations

from dataclasses import dataclass

from neighborconnect.contracts.events import (
    EXPOSURE_COLUMNS,
    INTERACTION_COLUMNS,
    JUDGEMENT_COLUMNS,
    PREDICTION_COLUMNS,
)
from neighborconnect.contracts.tables import CAPTURED_TABLES, Column

PARTITIONS = 3
DEAD_LETTER_TOPIC = "neighborconnect.dead-letters"
INTERACTIONS_TOPIC = "behaviour.interactions"
PREDICTIONS_TOPIC = "prediction.recommendations"
JUDGEMENTS_TOPIC = "prediction.judgements"
EXPOSURES_TOPIC = "experiment.exposures"


@dataclass(frozen=True, slots=True)
class Stream:
    """A topic and its landing table.

    Attributes:
        topic: Kafka topic.
        table: name in the lake (``events/<table>``) and in the warehouse (``raw.<table>``).
        columns: what a row holds, beside the metadata columns.
        is_change_stream: Debezium envelope and current-state mirror if true, plain insert-only events if not.
    """

    topic: str
    table: str
    columns: tuple[Column, ...]
    is_change_stream: bool


STREAMS: tuple[Stream, ...] = (
    *(Stream(table.topic, table.name, table.published, is_change_stream=True) for table in CAPTURED_TABLES),
    Stream(INTERACTIONS_TOPIC, "interactions", INTERACTION_COLUMNS, is_change_stream=False),
    Stream(PREDICTIONS_TOPIC, "predictions", PREDICTION_COLUMNS, is_change_stream=False),
    Stream(JUDGEMENTS_TOPIC, "judgements", JUDGEMENT_COLUMNS, is_change_stream=False),
    Stream(EXPOSURES_TOPIC, "exposures", EXPOSURE_COLUMNS, is_change_stream=False),
)
STREAM_BY_TOPIC = {stream.topic: stream for stream in STREAMS}
STREAM_BY_TABLE = {stream.table: stream for stream in STREAMS}
ALL_TOPICS: tuple[str, ...] = (*STREAM_BY_TOPIC, DEAD_LETTER_TOPIC)
