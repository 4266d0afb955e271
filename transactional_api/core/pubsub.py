"""Publish and subscribe between the API processes, over Redis channels and PostgreSQL notifications.

Delivery is at most once. A message is only a hint that PostgreSQL has something new: subscribers also poll at an
interval, so that a lost message delays an update and never loses one.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from uuid import UUID

import orjson
import psycopg
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from neighborconnect.telemetry import get_logger

RETRY_SECONDS = 1.0
CONNECT_SECONDS = 2.0
IDLE_SECONDS = 15.0

log = get_logger(__name__)


async def publish(redis: Redis, channel: str, message: Any) -> None:
    """Publish a message as JSON; a failure of Redis is logged and not raised."""
    try:
        await redis.publish(channel, orjson.dumps(message))
    except RedisError as error:
        log.warning("pubsub.publish_failed", channel=channel.partition(":")[0], error=type(error).__name__)


class UserSignals:
    """Events of this process by user; setting one wakes every stream or socket of the user."""

    def __init__(self) -> None:
        self._events: dict[UUID, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def subscribe(self, user_id: UUID) -> Iterator[asyncio.Event]:
        """Yield an event that is set at each message about the user."""
        event = asyncio.Event()
        self._events[user_id].add(event)
        try:
            yield event
        finally:
            self._events[user_id].discard(event)
            if not self._events[user_id]:
                del self._events[user_id]

    def set(self, user_id: UUID) -> None:
        """Set the events of one user."""
        for event in self._events.get(user_id, ()):
            event.set()

    def set_all(self) -> None:
        """Set the events of every user, after messages may have been lost."""
        for user_id in list(self._events):
            self.set(user_id)


class RedisSubscriber:
    """One subscription of this process to a changing set of Redis channels, reopened after a lost connection."""

    def __init__(
        self,
        redis: Redis,
        *channels: str,
        on_message: Callable[[str, Any], None],
        on_subscribed: Callable[[], None],
    ) -> None:
        """Create a subscriber.

        Args:
            redis: client of its own, since a subscription occupies a connection.
            channels: initial channels; Redis requires at least one.
            on_message: receives the channel and the decoded JSON of each message.
            on_subscribed: called after each (re)connection, because messages before it are lost.
        """
        self._redis, self._channels = redis, set(channels)
        self._on_message, self._on_subscribed = on_message, on_subscribed
        self._pubsub: PubSub | None = None

    async def add(self, channel: str) -> None:
        """Subscribe to one more channel, now or at the next reconnection."""
        self._channels.add(channel)
        try:
            if self._pubsub is not None:
                await self._pubsub.subscribe(channel)
        except (RedisError, OSError) as error:
            log.warning("pubsub.subscription_lost", error=type(error).__name__)

    async def remove(self, channel: str) -> None:
        """Unsubscribe from a channel."""
        self._channels.discard(channel)
        with suppress(RedisError, OSError):
            if self._pubsub is not None:
                await self._pubsub.unsubscribe(channel)

    async def run(self) -> None:
        """Dispatch messages until cancelled, and reconnect after each failure of Redis."""
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    channels = set(self._channels)
                    await pubsub.subscribe(*channels)
                    self._pubsub = pubsub
                    if added := self._channels - channels:  # While the first ones were subscribed to.
                        await pubsub.subscribe(*added)
                    self._on_subscribed()
                    while True:
                        message = await pubsub.get_message(timeout=IDLE_SECONDS)
                        if message is not None:
                            self._on_message(message["channel"].decode(), orjson.loads(message["data"]))
            except (RedisError, OSError) as error:
                log.warning("pubsub.subscription_lost", error=type(error).__name__)
            finally:
                self._pubsub = None
            await asyncio.sleep(RETRY_SECONDS)


@asynccontextmanager
async def open_subscriber(
    redis_url: str,
    *channels: str,
    on_message: Callable[[str, Any], None],
    on_subscribed: Callable[[], None],
) -> AsyncIterator[RedisSubscriber]:
    """Run a ``RedisSubscriber`` in the background over a connection of its own."""
    redis = Redis.from_url(redis_url, socket_connect_timeout=CONNECT_SECONDS)
    subscriber = RedisSubscriber(redis, *channels, on_message=on_message, on_subscribed=on_subscribed)
    try:
        async with _background(subscriber.run):
            yield subscriber
    finally:
        await redis.aclose()


class PostgresSubscriber:
    """``LISTEN`` on one channel whose payloads are user ids; sets the signals of these users."""

    def __init__(self, database_url: str, channel: str) -> None:
        self._url, self._channel = database_url, channel
        self.signals = UserSignals()
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Dispatch notifications until cancelled; after a lost connection, set the signals of all users."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {self._channel}")
                    self.listening.set()
                    self.signals.set_all()
                    async for notification in connection.notifies():
                        self.signals.set(UUID(notification.payload))
            except (psycopg.Error, OSError) as error:
                log.warning("pubsub.subscription_lost", channel=self._channel, error=type(error).__name__)
            self.listening.clear()
            await asyncio.sleep(RETRY_SECONDS)


@asynccontextmanager
async def open_postgres_subscriber(database_url: str, channel: str) -> AsyncIterator[PostgresSubscriber]:
    """Run a ``PostgresSubscriber`` in the background over a connection of its own."""
    subscriber = PostgresSubscriber(database_url, channel)
    async with _background(subscriber.run):
        yield subscriber


@asynccontextmanager
async def _background(run: Callable[[], Any]) -> AsyncIterator[None]:
    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def wait_for_any(*events: asyncio.Event, seconds: float) -> None:
    """Return when one of the events is set, or after a timeout in seconds."""
    tasks: Iterable[asyncio.Task[Any]] = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
