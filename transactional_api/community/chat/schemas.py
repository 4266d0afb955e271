"""Request and response models of conversations, messages and events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, Strict, StrictBool, StringConstraints

from transactional_api.core.media.addresses import AvatarAddress
from transactional_api.core.media.attachments import MAX_ATTACHED, AttachedMedia, NewMediaIds, OwnLink, ShowsMedia
from transactional_api.core.media.link_previews import ShowsLink
from transactional_api.core.reactions import ReactionKind
from transactional_api.core.text import Line, RequestBody, Text
from transactional_api.identity.users.people import Person

MAX_MEMBERS = 200
MAX_EVENT_ID = 2**53 - 1
"""Largest integer that every JSON parser represents exactly."""
_MESSAGE = "9d2c4a3e-5b0f-4a8e-8a55-2d6b1f0c7e11"
_PERSON = "f61d941e-641d-45e2-9350-e8c76a3a5853"

EventId = Annotated[int, Field(ge=0, le=MAX_EVENT_ID)]
ClientId = Annotated[Line, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class ConversationKind(StrEnum):
    """Kind of a conversation: two members, or a group."""

    DIRECT = "direct"
    GROUP = "group"


class EventKind(StrEnum):
    """Kind of a numbered event of a conversation."""

    MESSAGE_CREATED = "message.created"
    MESSAGE_EDITED = "message.edited"
    MESSAGE_DELETED = "message.deleted"
    MESSAGE_REACTED = "message.reacted"
    MEMBER_JOINED = "member.joined"
    MEMBER_LEFT = "member.left"


class NewDirectConversation(RequestBody):
    """Conversation with one neighbor; each pair of users has at most one."""

    kind: Literal[ConversationKind.DIRECT] = Field(examples=["direct"])
    user_id: UUID = Field(examples=[_PERSON])


class NewGroupConversation(RequestBody):
    """Group conversation."""

    kind: Literal[ConversationKind.GROUP] = Field(examples=["group"])
    title: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(examples=["Seed swap helpers"])
    member_ids: list[UUID] = Field(min_length=1, max_length=MAX_MEMBERS - 1, examples=[[_PERSON]])


NewConversation = Annotated[NewDirectConversation | NewGroupConversation, Field(discriminator="kind")]


class MessageBody(RequestBody):
    """Content of a message."""

    content: Annotated[Text, StringConstraints(min_length=1, max_length=4_000)] = Field(examples=["Are you coming?"])
    media_ids: NewMediaIds = None
    attachments: list[OwnLink] = Field(
        default=[],
        max_length=MAX_ATTACHED,
        json_schema_extra={"deprecated": True},
        description="Links to your own uploads; send `media_ids` instead.",
        examples=[[]],
    )


class NewMessage(MessageBody):
    """Message with an idempotency key of the client: a repeated `client_id` returns the message sent first."""

    client_id: ClientId | None = Field(default=None, examples=["c-3f1c9a52"])
    reply_to_id: UUID | None = Field(
        default=None, description="Message of the conversation that this one replies to.", examples=[_MESSAGE]
    )


class MessageReactionBody(RequestBody):
    """A reaction to a message."""

    kind: ReactionKind = Field(examples=["helpful"])


class ReadReceipt(RequestBody):
    """Event up to which the viewer has read."""

    event_id: Annotated[EventId, Strict()] = Field(examples=[17])


class ChatSettings(RequestBody):
    """Settings of your conversations."""

    read_receipts: StrictBool = Field(
        description="Whether other members see how far you have read; if not, you do not see how far they have either.",
        examples=[True],
    )


class NewConversationMember(RequestBody):
    """User to add to a group."""

    user_id: UUID = Field(examples=[_PERSON])


class QuotedMessage(BaseModel):
    """Message that another one replies to, in its current state."""

    id: UUID = Field(examples=[_MESSAGE])
    author_id: UUID = Field(examples=[_PERSON])
    author: Person
    content: str | None = Field(
        description="Beginning of its text, at most 200 characters; null after deletion.",
        examples=["Who brings the ladder?"],
    )


class MessageReaction(BaseModel):
    """A member's reaction to a message."""

    user_id: UUID = Field(examples=[_PERSON])
    kind: ReactionKind = Field(examples=["helpful"])


class MessageOut(ShowsMedia, ShowsLink):
    """Current state of a message."""

    model_config = ConfigDict(from_attributes=True)
    is_private: ClassVar[bool] = True

    id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    event_id: int = Field(description="Number of the event that created it.", examples=[17])
    author_id: UUID = Field(examples=[_PERSON])
    author: Person
    content: str | None = Field(description="Null after deletion.", examples=["Are you coming?"])
    attachments: list[str] = Field(
        default=[],
        description="Links of the uploads in `media`.",
        examples=[["https://cdn.example.org/3c1f.jpg?expires=1&signature=ab"]],
    )
    client_id: str | None = Field(examples=["c-3f1c9a52"])
    reply_to_id: UUID | None = Field(description="Message that it replies to.", examples=[_MESSAGE])
    reply_to: QuotedMessage | None = Field(
        description="The message of `reply_to_id`; null if you and its author block each other."
    )
    reactions: list[MessageReaction] = Field(description="Reactions of users whom you can see, oldest first.")
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    edited_at: datetime | None = Field(examples=["2026-03-01T09:31:00Z"])
    deleted_at: datetime | None = Field(examples=["2026-03-01T09:32:00Z"])

    def show(self, media: Sequence[AttachedMedia]) -> None:
        """Set the uploads that still exist."""
        super().show(media)
        self.attachments = [upload.url for upload in media if upload.url]


class ChatEventOut(BaseModel):
    """Event of a conversation; event numbers have no gaps."""

    event_id: int = Field(examples=[17])
    kind: EventKind = Field(examples=["message.created"])
    user_id: UUID = Field(
        description="Who wrote, edited or deleted the message, changed their reaction to it, joined or left.",
        examples=[_PERSON],
    )
    user: Person | None = Field(description="Null if you and they block each other.")
    message: MessageOut | None = Field(
        description="Current state of the message; null if you and its author, or the user, block each other."
    )
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class ConversationEvents(BaseModel):
    """Events after an event number, oldest first."""

    items: list[ChatEventOut]
    last_event_id: int = Field(
        description="Number of the conversation's latest event; later than the last of `items` if there are more.",
        examples=[17],
    )


class Participant(BaseModel):
    """Member of a conversation."""

    user_id: UUID = Field(examples=[_PERSON])
    user: Person | None = Field(description="Null across a block.")
    username: str = Field(examples=["ada.okafor"])
    avatar_url: AvatarAddress = Field(examples=["https://media.example.org/ada.jpg"])
    read_up_to: int = Field(
        description="Number of the last event read; 0 across a block, and where one of you has read receipts off.",
        examples=[16],
    )
    online: bool = Field(description="False across a block.", examples=[True])


class ConversationOut(BaseModel):
    """Conversation of the viewer."""

    id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    kind: ConversationKind = Field(examples=["group"])
    title: str | None = Field(description="Null for a direct conversation.", examples=["Seed swap helpers"])
    created_by: UUID | None = Field(examples=[_PERSON])
    members: list[Participant]
    last_event_id: int = Field(examples=[17])
    last_message_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    unread_count: int = Field(description="Unread messages of other members, at most 100.", examples=[2])
