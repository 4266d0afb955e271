"""Channels of conversations in this process: one PostgreSQL reader for all the connections to a conversation.

A message that this process commits is delivered to its connections directly. For all other events, a message in Redis
announces that there are new ones; a channel then reads them from PostgreSQL once and delivers them to its connections.
A channel also polls every ``POLL_SECONDS`` seconds, so that a lost announcement only delays.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from pymongo.errors import PyMongoError
from sqlalchemy.exc import SQLAlchemyError

from neighborconnect.telemetry import get_logger
from transactional_api.community.chat import messages, statements
from transactional_api.community.chat.frames import event_frame, frame
from transactional_api.community.chat.publisher import channel_name
from transactional_api.community.chat.schemas import MAX_EVENT_ID, ChatEventOut
from transactional_api.core.db.statements import PsycopgPool
from transactional_api.core.media.references import resolve_attachments
from transactional_api.core.pubsub import RedisSubscriber, open_subscriber

POLL_SECONDS = 15.0
RETRY_SECONDS = 1.0
START_SECONDS = 10.0
QUEUE_FRAMES = 256
_INITIAL_CHANNEL = "chat"
STORE_ERRORS = (psycopg.Error, SQLAlchemyError, PyMongoError, OSError)
"""Errors of an unavailable store; messages show uploads, which may be in MongoDB."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A frame on its way to a socket, with its event where it is numbered."""

    text: str
    event: ChatEventOut | None = None
    hidden_from: frozenset[str] = frozenset()
    """Ids of the users whose sockets do not receive it."""


@dataclass(eq=False, slots=True)
class Subscription:
    """Queue of one socket. A socket that lets it fill up is too slow and receives nothing more."""

    queue: asyncio.Queue[Delivery] = field(default_factory=lambda: asyncio.Queue(QUEUE_FRAMES))
    overflowed: asyncio.Event = field(default_factory=asyncio.Event)

    def enqueue(self, delivery: Delivery) -> None:
        """Queue a frame, or mark the queue as overflowed."""
        try:
            self.queue.put_nowait(delivery)
        except asyncio.QueueFull:
            self.overflowed.set()


@dataclass(eq=False, slots=True)
class _Channel:
    conversation_id: UUID
    subscriptions: set[Subscription] = field(default_factory=set)
    has_new: asyncio.Event = field(default_factory=asyncio.Event)
    # Set once the reader knows its first event number: later commits are delivered to current subscriptions.
    started: asyncio.Event = field(default_factory=asyncio.Event)
    reader: asyncio.Task[None] | None = None
    last_event_id: int = 0
    """Number of the last delivered event; valid from ``started`` on."""

    def deliver(self, event: ChatEventOut) -> None:
        """Queue an event for every subscription; sockets skip events that they have."""
        self.broadcast(Delivery(event_frame(event), event))
        self.last_event_id = max(self.last_event_id, event.event_id)

    def broadcast(self, delivery: Delivery) -> None:
        for subscription in self.subscriptions:
            subscription.enqueue(delivery)


class Hub:
    """Channels of this process by conversation; use ``async with hub.subscribe(conversation_id)``."""

    def __init__(self, pool: PsycopgPool) -> None:
        self._psycopg_pool = pool
        self._channels: dict[UUID, _Channel] = {}
        self._subscriber: RedisSubscriber | None = None

    @asynccontextmanager
    async def subscribe(self, conversation_id: UUID) -> AsyncIterator[Subscription]:
        """Queue the events of a conversation from now on.

        Raises:
            TimeoutError: when PostgreSQL does not respond.
        """
        channel = self._channels.get(conversation_id)
        if channel is None:
            channel = self._channels[conversation_id] = _Channel(conversation_id)
            channel.reader = asyncio.create_task(self._read(channel))
        subscription = Subscription()
        channel.subscriptions.add(subscription)
        try:
            if self._subscriber is not None:
                await self._subscriber.add(channel_name(conversation_id))
            await asyncio.wait_for(channel.started.wait(), START_SECONDS)
            yield subscription
        finally:
            channel.subscriptions.discard(subscription)
            if not channel.subscriptions and self._channels.get(conversation_id) is channel:
                del self._channels[conversation_id]
                channel.reader.cancel() if channel.reader else None
                if self._subscriber is not None:
                    await self._subscriber.remove(channel_name(conversation_id))

    def deliver(self, conversation_id: UUID, event: ChatEventOut) -> None:
        """Deliver an event that this process committed; after a gap the channel reads what is missing."""
        channel = self._channels.get(conversation_id)
        if channel is not None and channel.started.is_set() and event.event_id == channel.last_event_id + 1:
            channel.deliver(event)

    @asynccontextmanager
    async def connect(self, redis_url: str) -> AsyncIterator[None]:
        """Receive announcements of other processes through Redis while the context is open."""
        async with open_subscriber(
            redis_url, _INITIAL_CHANNEL, on_message=self._dispatch, on_subscribed=self._read_all
        ) as self._subscriber:
            yield

    def _read_all(self) -> None:
        # Announcements were lost until the subscription was open.
        for channel in self._channels.values():
            channel.has_new.set()

    def _dispatch(self, name: str, message: dict[str, Any]) -> None:
        _, _, conversation_id = name.partition(":")
        channel = self._channels.get(UUID(conversation_id)) if conversation_id else None
        if channel is None:
            return
        if message["type"] == "events":
            if message.get("up_to", MAX_EVENT_ID) > channel.last_event_id:
                channel.has_new.set()
        else:
            hidden_from = frozenset(message.pop("hidden_from", ()))
            channel.broadcast(Delivery(frame(message.pop("type"), **message), hidden_from=hidden_from))

    async def _read(self, channel: _Channel) -> None:
        """Deliver each new event to the subscriptions of a channel, in order."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(channel.has_new.wait(), POLL_SECONDS if channel.started.is_set() else 0)
            channel.has_new.clear()
            try:
                async with self._psycopg_pool.autocommit() as runner:
                    if not channel.started.is_set():
                        channel.last_event_id = await messages.last_event_id(
                            runner, conversation_id=channel.conversation_id
                        )
                        channel.started.set()
                        continue
                    events = await messages.read_events(
                        runner, conversation_id=channel.conversation_id, after=channel.last_event_id
                    )
                    await resolve_attachments(runner, events, viewer=None)
            except STORE_ERRORS as error:
                log.warning("chat.read_failed", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
                channel.has_new.set()
                continue
            before = channel.last_event_id
            for event in events:
                channel.deliver(event)
            # By numbers, because events of unknown kinds are left out.
            if channel.last_event_id - before >= statements.EVENTS_AT_ONCE:
                channel.has_new.set()


@asynccontextmanager
async def open_hub(redis_url: str, pool: PsycopgPool) -> AsyncIterator[Hub]:
    """Open a hub that subscribes to Redis over a connection of its own."""
    hub = Hub(pool)
    async with hub.connect(redis_url):
        yield hub
