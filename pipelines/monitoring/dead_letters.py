"""Dead letters that are not settled, by sink and topic, from the headers of the dead-letter topic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from prometheus_client.core import GaugeMetricFamily

from neighborconnect.contracts.dead_letters import ORIGIN_HEADER, SETTLED_HEADER, SINK_HEADER
from neighborconnect.contracts.topics import DEAD_LETTER_TOPIC
from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings
from pipelines.monitoring.exporter import Family

_TIMEOUT_MS = 4_000
_POLL_MS = 500
_FETCH_BYTES = 1024 * 1024

Identity = tuple[str, str]


class DeadLetters:
    """Reads only the records since the last scrape; the first one reads the topic from its beginning."""

    def __init__(self, settings: Settings) -> None:
        """Initialize without connecting."""
        self._settings = settings
        self._consumer: Any = None
        self._beginnings: dict[TopicPartition, int] = {}
        self._letters: set[Identity] = set()
        self._settled: set[Identity] = set()

    def collect(self) -> Iterator[Family]:
        """Yield the number of pending letters.

        Raises:
            KafkaError: no broker responds.
        """
        try:
            self._read()
        except BaseException:
            self._close()
            raise
        # An origin is topic:partition:offset.
        pending = Counter((sink, origin.rsplit(":", 2)[0]) for sink, origin in self._letters - self._settled)
        family = GaugeMetricFamily(
            "neighborconnect_dead_letters",
            "Dead letters that are neither replayed nor discarded, by sink and topic of the record.",
            labels=["sink", "topic"],
        )
        for key, count in sorted(pending.items()):
            family.add_metric(key, count)
        yield family
        yield GaugeMetricFamily(
            "neighborconnect_dead_letters_pending", "Dead letters that are not settled.", value=pending.total()
        )

    def _read(self) -> None:
        consumer = self._connected()
        partitions = list(consumer.assignment())
        beginnings, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        # An erasure deletes the beginning of the topic, and whoever deletes the topic starts it again at 0.
        if beginnings != self._beginnings or any(consumer.position(each) > ends[each] for each in partitions):
            self._letters.clear()
            self._settled.clear()
            self._beginnings = beginnings
            for partition in partitions:
                consumer.seek(partition, beginnings[partition])
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for records in consumer.poll(timeout_ms=_POLL_MS).values():
                for record in records:
                    self._add(dict(record.headers))

    def _add(self, headers: dict[str, bytes]) -> None:
        identity = (_text(headers.get(SINK_HEADER)), _text(headers.get(ORIGIN_HEADER)))
        (self._settled if SETTLED_HEADER in headers else self._letters).add(identity)

    def _connected(self) -> Any:
        if self._consumer is None:
            consumer = KafkaConsumer(
                **client_options(self._settings.kafka_bootstrap_servers, settings=self._settings),
                client_id="monitoring",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                request_timeout_ms=_TIMEOUT_MS,
                bootstrap_timeout_ms=_TIMEOUT_MS,
                max_partition_fetch_bytes=_FETCH_BYTES,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
            numbers = sorted(consumer.partitions_for_topic(DEAD_LETTER_TOPIC) or ())
            consumer.assign([TopicPartition(DEAD_LETTER_TOPIC, number) for number in numbers])
            self._consumer, self._beginnings = consumer, {}
        return self._consumer

    def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close(autocommit=False)


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")
