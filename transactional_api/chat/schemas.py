"""Conversations, messages and events on the wire."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints

from transactional_api.text import Line, Link, RequestBody, Text

MAX_MEMBERS = 200
MAX_ATTACHMENTS = 10
MAX_EVENT_ID = 2**53 - 1
"""The largest number that every JSON parser keeps."""
_PERSON = "f61d941e-641d-45e2-9350-e8c76a3a5853"

EventId = Annotated[int, Field(ge=0, le=MAX_EVENT_ID)]
ClientId = Annotated[Line, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Attachments = Annotated[list[Annotated[Link, StringConstraints(max_length=500)]], Field(max_length=MAX_ATTACHMENTS)]


class ConversationKind(StrEnum):
    """Between two, or among many."""

    DIRECT = "direct"
    GROUP = "group"


class EventKind(StrEnum):
    """What can happen in a conversation and is numbered."""

    MESSAGE_CREATED = "message.created"
    MESSAGE_EDITED = "message.edited"
    MESSAGE_DELETED = "message.deleted"
    MEMBER_JOINED = "member.joined"
    MEMBER_LEFT = "member.left"


class NewDirect(RequestBody):
    """A conversation with one neighbour; there is one for each two."""

    kind: Literal[ConversationKind.DIRECT] = Field(examples=["direct"])
    user_id: UUID = Field(examples=[_PERSON])


class NewGroup(RequestBody):
    """A conversation among several."""

    kind: Literal[ConversationKind.GROUP] = Field(examples=["group"])
    title: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(examples=["Seed swap helpers"])
    member_ids: list[UUID] = Field(min_length=1, max_length=MAX_MEMBERS - 1, examples=[[_PERSON]])


NewConversation = Annotated[NewDirect | NewGroup, Field(discriminator="kind")]


class MessageBody(RequestBody):
    """What a message says."""

    content: Annotated[Text, StringConstraints(min_length=1, max_length=4_000)] = Field(examples=["Are you coming?"])
    attachments: Attachments = Field(default=[], examples=[["https://media.example.org/seedlings.jpg"]])


class NewMessage(MessageBody):
    """A message, and the client's own name for it: sent again with it, it is the same message."""

    client_id: ClientId | None = Field(default=None, examples=["c-3f1c9a52"])


class ReadBody(RequestBody):
    """Up to which event the viewer has read."""

    event_id: Annotated[EventId, Strict()] = Field(examples=[17])


class MemberBody(RequestBody):
    """Whom to add."""

    user_id: UUID = Field(examples=[_PERSON])


class MessageOut(BaseModel):
    """A message as it is now."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    event_id: int = Field(description="The event that created it.", examples=[17])
    author_id: UUID = Field(examples=[_PERSON])
    content: str | None = Field(description="Null once it is deleted.", examples=["Are you coming?"])
    attachments: list[str] = Field(examples=[["https://media.example.org/seedlings.jpg"]])
    client_id: str | None = Field(examples=["c-3f1c9a52"])
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    edited_at: datetime | None = Field(examples=["2026-03-01T09:31:00Z"])
    deleted_at: datetime | None = Field(examples=["2026-03-01T09:32:00Z"])


class ChatEventOut(BaseModel):
    """Something that happened in a conversation; numbers have no gaps."""

    event_id: int = Field(examples=[17])
    kind: EventKind = Field(examples=["message.created"])
    user_id: UUID = Field(description="Whose message it is, or who came or went.", examples=[_PERSON])
    message: MessageOut | None = Field(description="The message as it is now; null of somebody you block.")
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class Events(BaseModel):
    """What happened after an event, the oldest first."""

    items: list[ChatEventOut]
    last_event_id: int = Field(
        description="The conversation's latest; beyond `items` there may be more.", examples=[17]
    )


class Participant(BaseModel):
    """A person in a conversation."""

    user_id: UUID = Field(examples=[_PERSON])
    username: str = Field(examples=["ada.okafor"])
    avatar_url: str | None = Field(examples=["https://media.example.org/ada.jpg"])
    read_up_to: int = Field(examples=[16])
    online: bool = Field(examples=[True])


class ConversationOut(BaseModel):
    """A conversation that the viewer is in."""

    id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    kind: ConversationKind = Field(examples=["group"])
    title: str | None = Field(description="Null of a direct one.", examples=["Seed swap helpers"])
    created_by: UUID | None = Field(examples=[_PERSON])
    members: list[Participant]
    last_event_id: int = Field(examples=[17])
    last_message_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    unread: int = Field(description="Messages of others after what you have read; at most 100.", examples=[2])
