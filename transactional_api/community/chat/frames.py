"""Frames of the chat WebSocket, and its close codes."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, RootModel, Strict

from transactional_api.community.chat.schemas import ChatEventOut, EventId, NewMessage
from transactional_api.core.text import Password, RequestBody

MAX_FRAME_BYTES = 64 * 1024


class CloseCode(IntEnum):
    """Reason for which the server closed the socket. Reconnect except after ``GONE`` and ``UNAUTHENTICATED``."""

    TRY_AGAIN = 1013
    """A store is unavailable."""
    UNAUTHENTICATED = 4401
    """The token is missing, expired or invalid, or its session ended: refresh it before reconnecting."""
    GONE = 4404
    """The conversation does not exist, or the user is not or no longer a member."""
    SLOW = 4408
    """The client reads too slowly: resume from the last received event."""
    FLOOD = 4429
    """The client sent too many frames: wait ten seconds."""


class AuthFrame(RequestBody):
    """First frame of a client that cannot send an ``Authorization`` header."""

    type: Literal["auth"]
    token: Password


class MessageFrame(NewMessage):
    """Message to the conversation."""

    type: Literal["message"]


class TypingFrame(RequestBody):
    """Typing indicator; neither numbered nor stored."""

    type: Literal["typing"]


class ReadFrame(RequestBody):
    """Read receipt up to an event."""

    type: Literal["read"]
    event_id: Annotated[EventId, Strict()]


class PingFrame(RequestBody):
    """Heartbeat; the server responds with ``pong``."""

    type: Literal["ping"]


class ClientFrame(
    RootModel[Annotated[MessageFrame | TypingFrame | ReadFrame | PingFrame, Field(discriminator="type")]]
):
    """Frame that an authenticated client may send."""


def event_frame(event: ChatEventOut) -> str:
    """Return the JSON text of a numbered event."""
    return orjson.dumps({"type": "event", **event.model_dump(mode="json")}).decode()


def frame(kind: str, **fields: Any) -> str:
    """Return the JSON text of an unnumbered frame."""
    return orjson.dumps({"type": kind, **fields}).decode()
