"""What travels through a chat's socket, and the codes that it is closed with."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, RootModel, SecretStr, Strict

from transactional_api.chat.schemas import ChatEventOut, EventId, NewMessage
from transactional_api.text import RequestBody

MAX_FRAME_BYTES = 64 * 1024


class CloseCode(IntEnum):
    """Why the server closed the socket. Come again after all but ``GONE`` and ``UNAUTHENTICATED``."""

    TRY_AGAIN = 1013
    """A store does not answer."""
    UNAUTHENTICATED = 4401
    """The token is missing, expired or not ours, or its session ended: refresh it first."""
    GONE = 4404
    """There is no such conversation for you, or no longer."""
    SLOW = 4408
    """You read more slowly than the others write: resume from your last event."""
    FLOOD = 4429
    """You sent too many frames: wait ten seconds."""


class Auth(RequestBody):
    """The first frame, where no Authorization header could be sent."""

    type: Literal["auth"]
    token: SecretStr


class Message(NewMessage):
    """A message to the conversation."""

    type: Literal["message"]


class Typing(RequestBody):
    """The sender is typing; not numbered, not kept."""

    type: Literal["typing"]


class Read(RequestBody):
    """Up to which event the sender has read."""

    type: Literal["read"]
    event_id: Annotated[EventId, Strict()]


class Ping(RequestBody):
    """A sign of life; answered with ``pong``."""

    type: Literal["ping"]


class Incoming(RootModel[Annotated[Message | Typing | Read | Ping, Field(discriminator="type")]]):
    """Any frame that a client may send once it is let in."""


def event_frame(event: ChatEventOut) -> str:
    """Return the frame of a numbered event."""
    return orjson.dumps({"type": "event", **event.model_dump(mode="json")}).decode()


def frame(kind: str, **fields: Any) -> str:
    """Return a frame that is not numbered."""
    return orjson.dumps({"type": kind, **fields}).decode()
