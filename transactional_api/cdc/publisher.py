"""The Kafka half of the relay: publish a batch and know which of it the brokers keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from neighborconnect.kafka_options import client_options
from transactional_api.cdc.messages import Message

# A batch that gave up while a later one went through would reorder a row's changes: wait, as long as it takes.
_NEVER_GIVE_UP_MS = 7 * 24 * 3_600_000
_PATIENCE_SECONDS = 1.0


class PublishingStoppedError(RuntimeError):
    """The relay was told to stop before the brokers acknowledged the batch."""


class Publisher:
    """One idempotent producer. After any error but a message that is too large it must be closed and made anew."""

    def __init__(self, bootstrap_servers: str) -> None:
        """Connect.

        Raises:
            KafkaError: when no broker answers within two seconds.
        """
        self._producer = KafkaProducer(
            **client_options(bootstrap_servers),
            client_id="relay",
            enable_idempotence=True,
            acks="all",
            delivery_timeout_ms=_NEVER_GIVE_UP_MS,
            request_timeout_ms=10_000,
            reconnect_backoff_max_ms=1_000,
            bootstrap_timeout_ms=2_000,
            max_block_ms=2_000,
            batch_size=256 * 1024,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )

    def publish(self, messages: Iterable[tuple[int, Message]], *, waiting: Callable[[], bool]) -> dict[int, str]:
        """Send a batch and return once the brokers hold all of it.

        Args:
            messages: event ids and their messages; order is kept per key.
            waiting: called each second while acknowledgements are out; publishing stops when it returns False.

        Returns:
            The events that Kafka will never take, with the reason.

        Raises:
            KafkaError: when part of the batch may not have arrived; publish all of it again.
            PublishingStoppedError: when ``waiting`` said so.
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
        self._flush(waiting)
        for event_id, future in futures:
            if not future.succeeded():
                if not isinstance(future.exception, MessageSizeTooLargeError):
                    raise future.exception or KafkaTimeoutError("A message was neither acknowledged nor refused")
                rejected[event_id] = str(future.exception)
        return rejected

    def _flush(self, waiting: Callable[[], bool]) -> None:
        while True:
            try:
                self._producer.flush(timeout=_PATIENCE_SECONDS)
            except KafkaTimeoutError:
                if not waiting():
                    raise PublishingStoppedError from None
            else:
                return

    def close(self) -> None:
        """Drop the producer and whatever it has not sent."""
        self._producer.close(timeout=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
