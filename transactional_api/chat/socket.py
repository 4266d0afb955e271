"""``/ws/chat/{conversationId}``: a conversation live, resumed from the client's last event without loss or repeat."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from contextlib import suppress
from typing import Annotated
from uuid import UUID

import psycopg
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from transactional_api.access_changes import AccessChanges, wait_for_any
from transactional_api.auth import Viewer, find_own_viewer
from transactional_api.chat import messages, presence, statements
from transactional_api.chat.bell import Bell
from transactional_api.chat.frames import Auth, CloseCode, Incoming, Message, Read, Typing, event_frame, frame
from transactional_api.chat.hub import Hub, Listener
from transactional_api.chat.schemas import MAX_EVENT_ID, ChatEventOut, EventKind, NewMessage
from transactional_api.db.plain import Plain
from transactional_api.errors import NotFoundError, Problem, UnauthenticatedError, UnavailableError
from transactional_api.tokens import read_access_token

AUTH_SECONDS = 10.0
SEND_SECONDS = 20.0
CHECK_SECONDS = 20.0
FLOOD_FRAMES, FLOOD_SECONDS = 100, 10.0

router = APIRouter()
log = get_logger(__name__)


class ClosedError(Exception):
    """The server wants the socket closed."""

    def __init__(self, code: CloseCode) -> None:
        super().__init__(code.name)
        self.code = code


@router.websocket("/ws/chat/{conversation_id}")
async def chat(
    websocket: WebSocket,
    conversation_id: UUID,
    last_event_id: Annotated[int, Query(ge=0, le=MAX_EVENT_ID)] = 0,
) -> None:
    """Serve one socket until either side closes it."""
    await websocket.accept()
    try:
        token = await _token(websocket)
        chatter = Chatter(websocket, token, conversation_id, sent=last_event_id)
        await chatter.check()
        hub: Hub = websocket.app.state.hub
        async with hub.listen(conversation_id) as listener:
            await chatter.serve(listener)
    except ClosedError as closed:
        await _close(websocket, closed.code, closed.code.name.lower())
    except (psycopg.Error, OSError) as error:
        log.warning("chat.store_failed", error=type(error).__name__)
        await _close(websocket, CloseCode.TRY_AGAIN, "try again later")
    except WebSocketDisconnect:
        pass


class Chatter:
    """One person's socket into one conversation."""

    def __init__(self, websocket: WebSocket, token: str, conversation_id: UUID, *, sent: int) -> None:
        self._socket, self._token = websocket, token
        state = websocket.app.state
        self._settings: Settings = state.settings
        self._plain: Plain = state.plain
        self._access_changes: AccessChanges = state.access_changes
        self._conversation_id, self._sent = conversation_id, sent
        self._bell = Bell(state.redis, state.hub)
        self._speaking = asyncio.Lock()
        self._frames: deque[float] = deque(maxlen=FLOOD_FRAMES)
        self._hidden: set[UUID] = set()
        self._viewer: Viewer | None = None

    async def serve(self, listener: Listener) -> None:
        """Read, write and watch until one of them ends; the first to end decides."""
        with self._access_changes.of(self._me.id) as changed:
            changed.set()  # What changed since the first check was not heard.
            tasks = [
                asyncio.create_task(deed)
                for deed in (self._read(), self._write(listener), self._watch(changed), self._overflow(listener))
            ]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def check(self) -> None:
        """See that the person may still listen, and whom they are not to hear; raises ``ClosedError`` if not."""
        try:
            async with self._plain.reads() as session:
                if self._viewer is None:
                    self._viewer = await find_own_viewer(session, token=self._token, settings=self._settings)
                else:
                    read_access_token(self._token, settings=self._settings)  # It may have expired.
                self._hidden = await messages.may_listen(
                    session, viewer=self._viewer, conversation_id=self._conversation_id
                )
        except UnauthenticatedError:
            raise ClosedError(CloseCode.UNAUTHENTICATED) from None
        except NotFoundError:
            raise ClosedError(CloseCode.GONE) from None
        await presence.mark_online(self._bell.redis, self._viewer.id)

    @property
    def _me(self) -> Viewer:
        assert self._viewer is not None  # noqa: S101 (``check`` came first)
        return self._viewer

    async def _watch(self, changed: asyncio.Event) -> None:
        while True:
            # Apart: after a restart all clients come back at once, and must not be looked at all at once for ever.
            seconds = CHECK_SECONDS * random.uniform(0.5, 1.0)  # noqa: S311 (nothing to guess)
            await wait_for_any(changed, seconds=seconds)
            changed.clear()
            await self.check()

    async def _overflow(self, listener: Listener) -> None:
        await listener.overflowed.wait()
        raise ClosedError(CloseCode.SLOW)

    async def _write(self, listener: Listener) -> None:
        await self._catch_up()
        await self._send(frame("ready", last_event_id=self._sent))
        while True:
            delivery = await listener.queue.get()
            if delivery.event is None:
                await self._send(delivery.text)
            elif delivery.event.event_id == self._sent + 1:
                await self._send_event(delivery.event, text=delivery.text)
            elif delivery.event.event_id > self._sent:
                await self._catch_up()

    async def _catch_up(self) -> None:
        while True:
            async with self._plain.reads() as session:
                missed = await messages.read_events(session, conversation_id=self._conversation_id, after=self._sent)
            for event in missed:
                await self._send_event(event)
            if len(missed) < statements.EVENTS_AT_ONCE:
                return

    async def _send_event(self, event: ChatEventOut, *, text: str | None = None) -> None:
        seen = messages.without(event, self._hidden)
        await self._send(text if text is not None and seen is event else event_frame(seen))
        self._sent = event.event_id
        if event.kind is EventKind.MEMBER_LEFT and event.user_id == self._me.id:
            await self.check()  # They may have been let in again since.

    async def _send(self, text: str) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS), self._speaking:
                await self._socket.send_text(text)
        except TimeoutError:
            raise ClosedError(CloseCode.SLOW) from None

    async def _read(self) -> None:
        while True:
            text = await self._socket.receive_text()
            now = time.monotonic()
            if len(self._frames) == FLOOD_FRAMES and now - self._frames[0] < FLOOD_SECONDS:
                raise ClosedError(CloseCode.FLOOD)
            self._frames.append(now)
            await self._answer(text)

    async def _answer(self, text: str) -> None:
        client_id: str | None = None
        try:
            said = Incoming.model_validate_json(text).root
            if isinstance(said, Message):
                client_id = said.client_id
                await self._message(said)
            elif isinstance(said, Read):
                async with self._plain.transaction() as session:
                    await messages.mark_read(
                        session,
                        viewer=self._me,
                        bell=self._bell,
                        conversation_id=self._conversation_id,
                        event_id=said.event_id,
                    )
            elif isinstance(said, Typing):
                await self._bell.say(self._conversation_id, {"type": "typing", "user_id": str(self._me.id)})
            else:
                await presence.mark_online(self._bell.redis, self._me.id)
                await self._send(frame("pong"))
        except ValidationError as error:
            reasons = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5]]
            await self._problem("invalid_request", "; ".join(reasons), client_id)
        except Problem as problem:
            await self._problem(problem.code, problem.detail, client_id)
        except (psycopg.Error, OSError) as error:
            log.warning("chat.store_failed", error=type(error).__name__)
            await self._problem(UnavailableError.code, UnavailableError.title, client_id)

    async def _message(self, said: Message) -> None:
        read_access_token(self._token, settings=self._settings)
        async with self._plain.transaction() as session:
            message = await messages.send(
                session,
                viewer=self._me,
                bell=self._bell,
                conversation_id=self._conversation_id,
                body=NewMessage(**said.model_dump(exclude={"type"})),
            )
        await self._send(frame("ack", client_id=said.client_id, message_id=str(message.id), event_id=message.event_id))

    async def _problem(self, code: str, detail: str, client_id: str | None) -> None:
        printable = detail.encode("utf-8", "replace").decode()[:500]
        await self._send(frame("problem", code=code, detail=printable, client_id=client_id))


async def _token(websocket: WebSocket) -> str:
    """Return the bearer token of the header, or of the first frame; never of the address, which logs keep."""
    scheme, _, token = websocket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    try:
        first = await asyncio.wait_for(websocket.receive_text(), AUTH_SECONDS)
        return Auth.model_validate_json(first).token.get_secret_value()
    except (TimeoutError, ValidationError):
        raise ClosedError(CloseCode.UNAUTHENTICATED) from None


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    # The other side may be gone, or so slow that not even this reaches it.
    with suppress(Exception):
        await asyncio.wait_for(websocket.close(code, reason), 2)
