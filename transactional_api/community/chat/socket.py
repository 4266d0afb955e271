"""``/ws/chat/{conversationId}``: live events, resumed after the client's last event without loss or repeat."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from contextlib import suppress
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from fastapi.exceptions import WebSocketRequestValidationError
from pydantic import ValidationError

from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from transactional_api.community.chat import messages, presence, statements
from transactional_api.community.chat.frames import (
    AuthFrame,
    ClientFrame,
    CloseCode,
    MessageFrame,
    ReadFrame,
    TypingFrame,
    event_frame,
    frame,
)
from transactional_api.community.chat.hub import STORE_ERRORS, Hub, Subscription
from transactional_api.community.chat.publisher import ChatPublisher
from transactional_api.community.chat.schemas import MAX_EVENT_ID, ChatEventOut, EventKind, NewMessage
from transactional_api.core.db.statements import PsycopgPool, StatementRunner
from transactional_api.core.error_texts import text_of
from transactional_api.core.errors import NotFoundError, Problem, UnauthenticatedError, UnavailableError
from transactional_api.core.http.auth import cookie_of, find_first_party_viewer, find_session_viewer
from transactional_api.core.http.origins import may_use_cookies
from transactional_api.core.http.query_parameters import unknown
from transactional_api.core.media.references import resolve_attachments
from transactional_api.core.pubsub import PostgresSubscriber, wait_for_any
from transactional_api.core.security import web_sessions
from transactional_api.core.security.tokens import Bearer, read_access_token
from transactional_api.core.viewer import Viewer

AUTH_SECONDS = 10.0
SEND_SECONDS = 20.0
CHECK_SECONDS = 20.0
FLOOD_FRAMES, FLOOD_SECONDS = 100, 10.0
_QUERY = frozenset({"last_event_id"})

router = APIRouter()
log = get_logger(__name__)


class ClosedError(Exception):
    """The server closes the socket with a code."""

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
    if errors := unknown(websocket.query_params, known=_QUERY):
        raise WebSocketRequestValidationError(errors)
    await websocket.accept()
    try:
        credential = _web_session(websocket) or await _token(websocket)
        connection = Connection(websocket, credential, conversation_id, sent=last_event_id)
        await connection.check()
        hub: Hub = websocket.app.state.hub
        async with hub.subscribe(conversation_id) as subscription:
            await connection.serve(subscription)
    except ClosedError as closed:
        await _close(websocket, closed.code, closed.code.name.lower())
    except STORE_ERRORS as error:
        log.warning("chat.store_failed", error=type(error).__name__)
        await _close(websocket, CloseCode.TRY_AGAIN, "try again later")
    except WebSocketDisconnect:
        pass


class Connection:
    """WebSocket of one user to one conversation, who has an access token or a cookie session."""

    def __init__(self, websocket: WebSocket, credential: str | Bearer, conversation_id: UUID, *, sent: int) -> None:
        self._socket, self._credential = websocket, credential
        state = websocket.app.state
        self._settings: Settings = state.settings
        self._psycopg_pool: PsycopgPool = state.psycopg_pool
        self._access_changes: PostgresSubscriber = state.access_changes
        self._conversation_id, self._sent = conversation_id, sent
        self._publisher = ChatPublisher(state.redis, state.hub)
        self._send_lock = asyncio.Lock()
        self._frames: deque[float] = deque(maxlen=FLOOD_FRAMES)
        self._hidden: set[UUID] = set()
        self._viewer: Viewer | None = None

    async def serve(self, subscription: Subscription) -> None:
        """Run the reader, the writer and the permission checks until the first of them ends."""
        with self._access_changes.signals.subscribe(self._me.id) as changed:
            changed.set()  # Changes since the first check were not received.
            tasks = [
                asyncio.create_task(coroutine)
                for coroutine in (
                    self._read(),
                    self._write(subscription),
                    self._watch(changed),
                    self._overflow(subscription),
                )
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
        """Check the session and membership, and refresh the hidden users.

        Raises:
            ClosedError: when the user may not receive the conversation.
        """
        try:
            async with self._psycopg_pool.autocommit() as runner:
                if self._viewer is None:
                    self._viewer = await self._identify(runner)
                else:
                    self._check_token()
                self._hidden = await messages.check_subscription(
                    runner, viewer=self._viewer, conversation_id=self._conversation_id
                )
        except UnauthenticatedError:
            raise ClosedError(CloseCode.UNAUTHENTICATED) from None
        except NotFoundError:
            raise ClosedError(CloseCode.GONE) from None
        await presence.mark_online(self._publisher.redis, self._viewer.id)

    async def _identify(self, runner: StatementRunner) -> Viewer:
        if isinstance(self._credential, Bearer):
            return await find_session_viewer(runner, bearer=self._credential)
        return await find_first_party_viewer(runner, token=self._credential, settings=self._settings)

    def _check_token(self) -> None:
        """Raise ``UnauthenticatedError`` if the access token has expired."""
        if isinstance(self._credential, str):
            read_access_token(self._credential, settings=self._settings)

    @property
    def _me(self) -> Viewer:
        assert self._viewer is not None  # noqa: S101 (``check`` came first)
        return self._viewer

    async def _watch(self, changed: asyncio.Event) -> None:
        while True:
            # Jitter: after a restart all clients reconnect at once, and would then be checked at once forever.
            seconds = CHECK_SECONDS * random.uniform(0.5, 1.0)  # noqa: S311 (nothing to guess)
            await wait_for_any(changed, seconds=seconds)
            changed.clear()
            await self.check()

    async def _overflow(self, subscription: Subscription) -> None:
        await subscription.overflowed.wait()
        raise ClosedError(CloseCode.SLOW)

    async def _write(self, subscription: Subscription) -> None:
        await self._catch_up()
        await self._send(frame("ready", last_event_id=self._sent))
        while True:
            delivery = await subscription.queue.get()
            if delivery.event is None:
                if str(self._me.id) not in delivery.hidden_from:
                    await self._send(delivery.text)
            elif delivery.event.event_id == self._sent + 1:
                await self._send_event(delivery.event, text=delivery.text)
            elif delivery.event.event_id > self._sent:
                await self._catch_up()

    async def _catch_up(self) -> None:
        while True:
            async with self._psycopg_pool.autocommit() as runner:
                missed = await messages.read_events(runner, conversation_id=self._conversation_id, after=self._sent)
                await resolve_attachments(runner, missed, viewer=self._me)
            for event in missed:
                await self._send_event(event)
            if len(missed) < statements.EVENTS_AT_ONCE:
                return

    async def _send_event(self, event: ChatEventOut, *, text: str | None = None) -> None:
        visible = messages.redact(event, self._hidden)
        await self._send(text if text is not None and visible is event else event_frame(visible))
        self._sent = event.event_id
        if event.kind is EventKind.MEMBER_LEFT and event.user_id == self._me.id:
            await self.check()  # They may have been added again since.

    async def _send(self, text: str) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS), self._send_lock:
                await self._socket.send_text(text)
        except TimeoutError:
            raise ClosedError(CloseCode.SLOW) from None

    async def _read(self) -> None:
        while True:
            text = await _receive(self._socket)
            now = time.monotonic()
            if len(self._frames) == FLOOD_FRAMES and now - self._frames[0] < FLOOD_SECONDS:
                raise ClosedError(CloseCode.FLOOD)
            self._frames.append(now)
            await self._handle(text)

    async def _handle(self, text: str) -> None:
        client_id: str | None = None
        try:
            received = ClientFrame.model_validate_json(text).root
            if isinstance(received, MessageFrame):
                client_id = received.client_id
                await self._send_message(received)
            elif isinstance(received, ReadFrame):
                async with self._psycopg_pool.transaction() as runner:
                    await messages.mark_read(
                        runner,
                        viewer=self._me,
                        publisher=self._publisher,
                        conversation_id=self._conversation_id,
                        event_id=received.event_id,
                    )
            elif isinstance(received, TypingFrame):
                async with self._psycopg_pool.autocommit() as runner:
                    hidden_from = await messages.blocked_users(runner, viewer=self._me)
                typing = {"type": "typing", "user_id": str(self._me.id)}
                await self._publisher.publish(self._conversation_id, typing, hidden_from=hidden_from)
            else:
                await presence.mark_online(self._publisher.redis, self._me.id)
                await self._send(frame("pong"))
        except ValidationError as error:
            reasons = [f"{'.'.join(map(str, item['loc']))}: {text_of(item)}" for item in error.errors()[:5]]
            await self._problem("invalid_request", "; ".join(reasons), client_id)
        except Problem as problem:
            await self._problem(problem.code, problem.detail, client_id)
        except STORE_ERRORS as error:
            log.warning("chat.store_failed", error=type(error).__name__)
            await self._problem(UnavailableError.code, UnavailableError.title, client_id)

    async def _send_message(self, received: MessageFrame) -> None:
        self._check_token()
        async with self._psycopg_pool.transaction() as runner:
            message = await messages.send(
                runner,
                viewer=self._me,
                publisher=self._publisher,
                conversation_id=self._conversation_id,
                body=NewMessage(**received.model_dump(exclude={"type"})),
            )
        await self._send(
            frame("ack", client_id=received.client_id, message_id=str(message.id), event_id=message.event_id)
        )

    async def _problem(self, code: str, detail: str, client_id: str | None) -> None:
        printable = detail.encode("utf-8", "replace").decode()[:500]
        await self._send(frame("problem", code=code, detail=printable, client_id=client_id))


async def _receive(websocket: WebSocket) -> str:
    """Return the next frame as text; a binary frame is decoded as UTF-8 with replacement characters."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005), message.get("reason"))
    text: str | None = message.get("text")
    return text if text is not None else message["bytes"].decode("utf-8", "replace")


def _web_session(websocket: WebSocket) -> Bearer | None:
    """Return the session of the cookie, which browsers send with handshakes of any page: only for allowed origins."""
    if "authorization" in websocket.headers or not may_use_cookies(websocket):
        return None
    return web_sessions.unseal(cookie_of(websocket) or "", settings=websocket.app.state.settings)


async def _token(websocket: WebSocket) -> str:
    """Return the bearer token of the header or of the first frame; never of the URL, which logs contain."""
    scheme, _, token = websocket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    try:
        first = await asyncio.wait_for(_receive(websocket), AUTH_SECONDS)
        return AuthFrame.model_validate_json(first).token.get_secret_value()
    except (TimeoutError, ValidationError):
        raise ClosedError(CloseCode.UNAUTHENTICATED) from None


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    # The client may be gone, or too slow to receive the close frame.
    with suppress(Exception):
        await asyncio.wait_for(websocket.close(code, reason), 2)
