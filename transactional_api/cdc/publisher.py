"""Kafka producer of the relay: publishes a batch and returns once the brokers have acknowledged all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from neighborconnect.kafka_options import client_options
from transactional_api.cdc.messages import Message

# A batch that timed out while a later one succeeded would reorder the changes of a row, so batches do not time out.
_DELIVERY_TIMEOUT_MS = 7 * 24 * 3_600_000
_FLUSH_SECONDS = 1.0


class PublishingStoppedError(RuntimeError):
    """The relay was stopped before the brokers acknowledged the batch."""


class Publisher:
    """Idempotent producer. After any error except a message that is too large, close it and create another."""

    def __init__(self, bootstrap_servers: str) -> None:
        """Connect to the brokers.

        Raises:
            KafkaError: when no broker responds within two seconds.
        """
        self._producer = KafkaProducer(
            **client_options(bootstrap_servers),
            client_id="relay",
            enable_idempotence=True,
            acks="all",
            delivery_timeout_ms=_DELIVERY_TIMEOUT_MS,
            request_timeout_ms=10_000,
            reconnect_backoff_max_ms=1_000,
            bootstrap_timeout_ms=2_000,
            max_block_ms=2_000,
            batch_size=256 * 1024,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )

    def publish(self, messages: Iterable[tuple[int, Message]], *, should_wait: Callable[[], bool]) -> dict[int, str]:
        """Send a batch and return once the brokers have acknowledged all of it.

        Args:
            messages: event ids and their messages; order is preserved per key.
            should_wait: called each second while acknowledgements are pending; publishing stops when it returns False.

        Returns:
            The ids of messages that Kafka will never accept, with the reason.

        Raises:
            KafkaError: when part of the batch may be missing; publish all of it again.
            PublishingStoppedError: when ``should_wait`` returned False.
        """
        rejected: dict[int, str] = {}
        futures: list[tuple[int, Any]] = []
        for event_id, message in messages:
            try:
                future = self._producer.send(
                    message.topic,
                    message.value,
                    key=message.key,
                    headers=message.headers,
                    timestamp_ms=message.timestamp_ms,
                )
            except MessageSizeTooLargeError as error:
                rejected[event_id] = str(error)
            else:
                futures.append((event_id, future))
        self._flush(should_wait)
        for event_id, future in futures:
            if not future.succeeded():
                if not isinstance(future.exception, MessageSizeTooLargeError):
                    raise future.exception or KafkaTimeoutError("A message was neither acknowledged nor refused")
                rejected[event_id] = str(future.exception)
        return rejected

    def _flush(self, should_wait: Callable[[], bool]) -> None:
        while True:
            try:
                self._producer.flush(timeout=_FLUSH_SECONDS)
            except KafkaTimeoutError:
                if not should_wait():
                    raise PublishingStoppedError from None
            else:
                return

    def close(self) -> None:
        """Close the producer and discard messages that it has not sent."""
        self._producer.close(timeout=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
