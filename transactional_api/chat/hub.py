"""The conversations that sockets of this process listen to: one reader each, however many sockets there are.

A message that this process commits it gives to its listeners itself. Of all else a bell in Redis says that there is
something new; a room then reads the new events from PostgreSQL once and gives them to its listeners. Without a bell it
looks again every few seconds, so that a lost one only delays.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

import orjson
import psycopg
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from neighborconnect.telemetry import get_logger
from transactional_api.chat import messages, statements
from transactional_api.chat.bell import channel
from transactional_api.chat.frames import event_frame, frame
from transactional_api.chat.schemas import MAX_EVENT_ID, ChatEventOut
from transactional_api.db.plain import Plain

LOOK_AGAIN_SECONDS = 15.0
RETRY_SECONDS = 1.0
BEGIN_SECONDS = 10.0
QUEUE_FRAMES = 256
_OWN_CHANNEL = "chat"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A frame on its way to a socket; of a numbered one also the event."""

    text: str
    event: ChatEventOut | None = None


@dataclass(eq=False, slots=True)
class Listener:
    """What waits for one socket. A socket that lets it fill up is too slow: nothing more is kept for it."""

    queue: asyncio.Queue[Delivery] = field(default_factory=lambda: asyncio.Queue(QUEUE_FRAMES))
    overflowed: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, delivery: Delivery) -> None:
        """Keep a frame, or note that there is no room."""
        try:
            self.queue.put_nowait(delivery)
        except asyncio.QueueFull:
            self.overflowed.set()


@dataclass(eq=False, slots=True)
class _Room:
    conversation_id: UUID
    listeners: set[Listener] = field(default_factory=set)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    # Set once the reader knows where it begins: what is committed later is offered to whoever listens then.
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    reader: asyncio.Task[None] | None = None
    after: int = 0
    """The last event that the listeners were given; from ``begun`` on."""

    def give(self, event: ChatEventOut) -> None:
        """Offer an event; who has it already passes it over."""
        self.offer(Delivery(event_frame(event), event))
        self.after = max(self.after, event.event_id)

    def offer(self, delivery: Delivery) -> None:
        for listener in self.listeners:
            listener.offer(delivery)


class Hub:
    """Use as ``async with open_hub(resources) as hub``; then ``async with hub.listen(conversation_id)``."""

    def __init__(self, plain: Plain, redis: Redis) -> None:
        self._plain, self._redis = plain, redis
        self._rooms: dict[UUID, _Room] = {}
        self._pubsub: PubSub | None = None

    @asynccontextmanager
    async def listen(self, conversation_id: UUID) -> AsyncIterator[Listener]:
        """Collect what is said in a conversation from now on; raises ``TimeoutError`` if PostgreSQL does not answer."""
        room = self._rooms.get(conversation_id)
        if room is None:
            room = self._rooms[conversation_id] = _Room(conversation_id)
            room.reader = asyncio.create_task(self._read(room))
        listener = Listener()
        room.listeners.add(listener)
        try:
            await self._subscribe(room)
            await asyncio.wait_for(room.begun.wait(), BEGIN_SECONDS)
            yield listener
        finally:
            room.listeners.discard(listener)
            if not room.listeners and self._rooms.get(conversation_id) is room:
                del self._rooms[conversation_id]
                room.reader.cancel() if room.reader else None
                with suppress(RedisError, OSError):
                    if self._pubsub is not None:
                        await self._pubsub.unsubscribe(channel(conversation_id))

    def deliver(self, conversation_id: UUID, event: ChatEventOut) -> None:
        """Give what this process committed to its sockets; after a gap the room reads what it lacks."""
        room = self._rooms.get(conversation_id)
        if room is not None and room.begun.is_set() and event.event_id == room.after + 1:
            room.give(event)

    async def run(self) -> None:
        """Hear the bells of every process until cancelled; a Redis that goes away is waited for."""
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(_OWN_CHANNEL, *(channel(one) for one in self._rooms))
                    self._pubsub = pubsub
                    for room in self._rooms.values():
                        room.news.set()  # Nobody heard what was rung meanwhile.
                    while True:
                        said = await pubsub.get_message(timeout=LOOK_AGAIN_SECONDS)
                        if said is not None:
                            self._hear(said["channel"].decode(), said["data"])
            except (RedisError, OSError) as error:
                log.warning("chat.deaf", error=type(error).__name__)
            finally:
                self._pubsub = None
            await asyncio.sleep(RETRY_SECONDS)

    def _hear(self, name: str, data: bytes) -> None:
        _, _, conversation_id = name.partition(":")
        room = self._rooms.get(UUID(conversation_id)) if conversation_id else None
        if room is None:
            return
        said = orjson.loads(data)
        if said["type"] == "events":
            if said.get("up_to", MAX_EVENT_ID) > room.after:
                room.news.set()
        else:
            room.offer(Delivery(frame(said.pop("type"), **said)))

    async def _subscribe(self, room: _Room) -> None:
        try:
            if self._pubsub is not None:
                await self._pubsub.subscribe(channel(room.conversation_id))
        except (RedisError, OSError) as error:
            log.warning("chat.deaf", error=type(error).__name__)

    async def _read(self, room: _Room) -> None:
        """Give a room's listeners each new event, in order."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(room.news.wait(), LOOK_AGAIN_SECONDS if room.begun.is_set() else 0)
            room.news.clear()
            try:
                async with self._plain.reads() as session:
                    if not room.begun.is_set():
                        room.after = await messages.last_event_id(session, conversation_id=room.conversation_id)
                        room.begun.set()
                        continue
                    new = await messages.read_events(session, conversation_id=room.conversation_id, after=room.after)
            except (psycopg.Error, OSError) as error:
                log.warning("chat.read_failed", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
                room.news.set()
                continue
            for event in new:
                room.give(event)
            if len(new) == statements.EVENTS_AT_ONCE:
                room.news.set()


@asynccontextmanager
async def open_hub(redis_url: str, plain: Plain) -> AsyncIterator[Hub]:
    """Open a hub that hears over a connection of its own, and close it at the end."""
    redis = Redis.from_url(redis_url, socket_connect_timeout=2)
    hub = Hub(plain, redis)
    hearing = asyncio.create_task(hub.run())
    try:
        yield hub
    finally:
        hearing.cancel()
        with suppress(asyncio.CancelledError):
            await hearing
        await redis.aclose()
