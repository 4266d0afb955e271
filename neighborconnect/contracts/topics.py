"""Kafka topics, and the table of each in the lake and in the warehouse."""

from __future__ import annotations

from dataclasses import dataclass

from neighborconnect.contracts.events import (
    EXPOSURE_COLUMNS,
    INTERACTION_COLUMNS,
    JUDGEMENT_COLUMNS,
    PREDICTION_COLUMNS,
)
from neighborconnect.contracts.tables import CAPTURED, Column

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
        columns: columns of a row, in addition to the metadata columns.
        is_change_stream: True for a Debezium envelope and a mirror of the current state, False for insert-only events.
        description: content of one row.
        event_time: column with the time of the event.
        withheld: columns that older messages may have and that are not published any more.
    """

    topic: str
    table: str
    columns: tuple[Column, ...]
    is_change_stream: bool
    description: str = ""
    event_time: str = "created_at"
    withheld: frozenset[str] = frozenset()


STREAMS: tuple[Stream, ...] = (
    *(
        Stream(
            table.topic,
            table.name,
            table.published,
            is_change_stream=True,
            description=table.description,
            event_time=table.event_time,
            withheld=frozenset(column.name for column in table.columns if not column.leaves),
        )
        for table in CAPTURED
    ),
    Stream(
        INTERACTIONS_TOPIC,
        "interactions",
        INTERACTION_COLUMNS,
        is_change_stream=False,
        description="A behavior event.",
        event_time="occurred_at",
    ),
    Stream(
        PREDICTIONS_TOPIC,
        "predictions",
        PREDICTION_COLUMNS,
        is_change_stream=False,
        description="A response of the recommender or of its fallback.",
        event_time="predicted_at",
    ),
    Stream(
        JUDGEMENTS_TOPIC,
        "judgements",
        JUDGEMENT_COLUMNS,
        is_change_stream=False,
        description="A prediction of the content, matching and vision models.",
        event_time="judged_at",
    ),
    Stream(
        EXPOSURES_TOPIC,
        "exposures",
        EXPOSURE_COLUMNS,
        is_change_stream=False,
        description="An exposure to the variant of an experiment.",
        event_time="exposed_at",
    ),
)
STREAM_BY_TOPIC = {stream.topic: stream for stream in STREAMS}
STREAM_BY_TABLE = {stream.table: stream for stream in STREAMS}
ALL_TOPICS: tuple[str, ...] = (*STREAM_BY_TOPIC, DEAD_LETTER_TOPIC)
