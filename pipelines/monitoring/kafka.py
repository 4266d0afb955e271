"""Offsets of Kafka: events published by topic, and the lag of each consumer group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError
from prometheus_client.core import GaugeMetricFamily
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from neighborconnect.contracts.topics import STREAM_BY_TOPIC
from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings
from pipelines.monitoring.exporter import Family

GROUPS = ("ingest-lake", "ingest-warehouse", "stream-features")
_TIMEOUT_MS = 4_000
_COORDINATOR_SECONDS = 3.0
_RETRY_SECONDS = 0.3
_NOT_READY = (CoordinatorNotAvailableError, CoordinatorLoadInProgressError)
_LATEST = -1


class KafkaOffsets:
    """Reads offsets through one client, which stays connected between scrapes."""

    def __init__(self, settings: Settings) -> None:
        """Initialize without connecting."""
        self._settings = settings
        self._admin: Any = None

    def collect(self) -> Iterator[Family]:
        """Yield end offsets and lags.

        Raises:
            KafkaError: no broker responds, or one refuses a request.
        """
        try:
            families = self._read()
        except BaseException:
            self._close()
            raise
        yield from families

    def _read(self) -> list[Family]:
        if self._admin is None:
            self._admin = KafkaAdminClient(
                **client_options(self._settings.kafka_bootstrap_servers, settings=self._settings),
                client_id="monitoring",
                request_timeout_ms=_TIMEOUT_MS,
                bootstrap_timeout_ms=_TIMEOUT_MS,
            )
        topics = self._admin.describe_topics(list(STREAM_BY_TOPIC))
        partitions = [
            TopicPartition(topic["name"], partition["partition_index"])
            for topic in topics
            for partition in topic["partitions"]
        ]
        found = self._admin.list_partition_offsets(dict.fromkeys(partitions, _LATEST), timeout_ms=_TIMEOUT_MS)
        ends = {partition: position.offset for partition, position in found.items()}
        committed = self._committed()
        published: defaultdict[str, int] = defaultdict(int)
        for partition, end in ends.items():
            published[partition.topic] += end
        end_offsets = GaugeMetricFamily(
            "neighborconnect_kafka_topic_end_offset",
            "Events ever published on a topic: the sum of the end offsets of its partitions.",
            labels=["topic"],
        )
        for topic, end in sorted(published.items()):
            end_offsets.add_metric([topic], end)
        lag = GaugeMetricFamily(
            "neighborconnect_kafka_consumer_lag_events",
            "Published events that a consumer group has not stored or pushed.",
            labels=["group", "topic"],
        )
        for group in GROUPS:
            behind: defaultdict[str, int] = defaultdict(int)
            for partition, position in committed.get(group, {}).items():
                if partition in ends and position.offset >= 0:
                    behind[partition.topic] += max(ends[partition] - position.offset, 0)
            for topic, events in sorted(behind.items()):
                lag.add_metric([group, topic], events)
        return [end_offsets, lag]

    def _committed(self) -> dict[str, dict[TopicPartition, Any]]:
        """Return the committed offsets; a broker that has no group yet first creates the topic that stores them."""
        for attempt in Retrying(
            retry=retry_if_exception_type(_NOT_READY),
            stop=stop_after_delay(_COORDINATOR_SECONDS),
            wait=wait_fixed(_RETRY_SECONDS),
            reraise=True,
        ):
            with attempt:
                found: dict[str, dict[TopicPartition, Any]] = self._admin.list_group_offsets(list(GROUPS))
        return found

    def _close(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()
