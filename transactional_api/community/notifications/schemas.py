"""Request and response models of notifications."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

from transactional_api.core.media.addresses import AvatarAddress
from transactional_api.core.notices import Channel, NoticeKind
from transactional_api.core.text import Line, Link, PlainText, RequestBody, Text, TimeOfDay, TimeZone
from transactional_api.identity.users.people import Person


class NotificationOut(BaseModel):
    """Notification of an act of other users or of the platform, with its subject."""

    id: UUID = Field(examples=["5a3bd3cf-0a6b-4ad8-8f5e-6d6d31f2c0b1"])
    kind: str = Field(examples=["comment.created"])
    actor: Person | None = Field(description="Who acted; null if nobody did, or you cannot see them.")
    actor_id: UUID | None = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    actor_name: str | None = Field(examples=["Ben Larsen"])
    actor_username: str | None = Field(examples=["ben.larsen"])
    actor_avatar_url: AvatarAddress = Field(examples=[None])
    other_count: int = Field(description="Number of other users who acted in the same way.", examples=[0])
    subject_kind: str = Field(examples=["post"])
    subject_id: UUID = Field(examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"])
    source_kind: str | None = Field(
        description="Kind of the quoted object, if it is not the subject itself.", examples=["comment"]
    )
    source_id: UUID | None = Field(examples=["2f0f2a50-3f0e-4c8e-9a5f-5a5b6c7d8e9f"])
    title: str = Field(examples=["Ben Larsen commented on your post"])
    body: str = Field(examples=["I will bring pots."])
    created_at: datetime = Field(examples=["2026-03-03T08:00:00Z"])
    read_at: datetime | None = Field(examples=[None])


class NotificationGroup(BaseModel):
    """Notifications of the same kind about the same thing; alone where the kind has no groups.

    Likes and reactions are grouped by what they are about, comments by post, and new followers by day (UTC).
    """

    id: UUID = Field(
        description="Id of the latest notification; changes with a new one.",
        examples=["5a3bd3cf-0a6b-4ad8-8f5e-6d6d31f2c0b1"],
    )
    kind: str = Field(examples=["comment.created"])
    actors: list[Person] = Field(description="The latest who acted, at most 3, newest first.")
    actor_count: int = Field(description="Number of users who acted.", examples=[5])
    notification_count: int = Field(examples=[7])
    unread: bool = Field(description="Whether any notification of the group is unread.", examples=[True])
    subject_kind: str = Field(examples=["post"])
    subject_id: UUID = Field(
        description="Subject of the latest notification.", examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"]
    )
    source_kind: str | None = Field(
        description="Kind of the object that `body` quotes, if it is not the subject itself.", examples=["comment"]
    )
    source_id: UUID | None = Field(examples=["2f0f2a50-3f0e-4c8e-9a5f-5a5b6c7d8e9f"])
    title: str = Field(examples=["Ben Larsen and 4 others commented on your post"])
    body: str = Field(description="As in the latest notification.", examples=["I will bring pots."])
    created_at: datetime = Field(
        description="Time of the latest notification, which the list is in the order of.",
        examples=["2026-03-03T08:00:00Z"],
    )


class UnreadCount(BaseModel):
    """Number of unread notifications."""

    unread_count: int = Field(examples=[3])


class UnreadTotals(BaseModel):
    """Numbers for the badges of a front end."""

    unread_notification_count: int = Field(description="As `GET /notifications/unread`.", examples=[3])
    unread_conversation_count: int = Field(
        description="Conversations with unread messages of other members, without those across a block.", examples=[1]
    )


class MarkRead(RequestBody):
    """Notifications to mark as read; all if no ids are given."""

    notification_ids: list[UUID] | None = Field(
        default=None, max_length=1_000, examples=[["5a3bd3cf-0a6b-4ad8-8f5e-6d6d31f2c0b1"]]
    )
    group_ids: list[UUID] | None = Field(
        default=None,
        max_length=100,
        description="Ids of `GET /notifications/grouped`: the notifications that the group had then.",
        examples=[["5a3bd3cf-0a6b-4ad8-8f5e-6d6d31f2c0b1"]],
    )


class Preference(RequestBody):
    """Whether notifications of a kind are delivered by a channel."""

    kind: NoticeKind = Field(examples=["post.liked"])
    channel: Channel = Field(examples=["email"])
    wanted: StrictBool = Field(examples=[False])


class Preferences(RequestBody):
    """Preferences of every kind and channel; in a request, those to change."""

    preferences: list[Preference] = Field(max_length=200)


class DeliverySchedule(RequestBody):
    """Quiet hours, which delay emails and pushes, and the hour of a daily digest that replaces single emails."""

    time_zone: TimeZone = Field(default="UTC", examples=["Europe/Paris"])
    quiet_from: TimeOfDay | None = Field(
        default=None, description="Start of quiet hours, local time.", examples=["22:00:00"]
    )
    quiet_until: TimeOfDay | None = Field(
        default=None, description="End of quiet hours, local time.", examples=["07:00:00"]
    )
    digest_hour: StrictInt | None = Field(
        default=None, ge=0, le=23, description="Local hour of the digest; null for single emails.", examples=[8]
    )

    @model_validator(mode="after")
    def _has_both_bounds(self) -> Self:
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValueError("Give both quiet_from and quiet_until, or neither")
        if any(bound and bound.tzinfo for bound in (self.quiet_from, self.quiet_until)):
            raise ValueError("Times are local to the time zone; give them without an offset")
        return self


class DeviceKind(StrEnum):
    """Kind of a push device: a browser, or a phone with the Expo app."""

    WEB = "web"
    EXPO = "expo"


class NewPushDevice(RequestBody):
    """Push subscription of a browser, or Expo token of a phone."""

    kind: DeviceKind = Field(examples=["web"])
    address: Annotated[Line, StringConstraints(min_length=1, max_length=1_000)] = Field(
        description="Endpoint of the subscription, or the Expo token.",
        examples=["https://updates.push.services.mozilla.com/wpush/v2/gAAAA"],
    )
    p256dh: Annotated[PlainText, StringConstraints(pattern=r"^[A-Za-z0-9_-]{80,120}=*$")] | None = Field(
        default=None,
        description="Browsers only.",
        examples=["BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM"],
    )
    auth: Annotated[PlainText, StringConstraints(pattern=r"^[A-Za-z0-9_-]{20,40}=*$")] | None = Field(
        default=None, description="Browsers only.", examples=["tBHItJI5svbpez7KI4CCXg"]
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind is DeviceKind.EXPO:
            if not self.address.startswith("ExponentPushToken["):
                raise ValueError("A phone's address is its Expo token, ExponentPushToken[...]")
            return self
        _LINK.validate_python(self.address)
        if self.p256dh is None or self.auth is None:
            raise ValueError("A browser's subscription has p256dh and auth keys")
        return self


_LINK: TypeAdapter[str] = TypeAdapter(Link)


class PushDeviceOut(BaseModel):
    """Registered push device."""

    id: UUID = Field(examples=["3f7f7a5e-6d2c-4b7e-9f43-0d6b6c5a1e11"])
    kind: DeviceKind = Field(examples=["web"])
    created_at: datetime = Field(examples=["2026-03-03T08:00:00Z"])


class PushDevices(BaseModel):
    """Registered push devices, at most 20."""

    items: list[PushDeviceOut]


class PushKey(BaseModel):
    """Key for browser subscriptions (`applicationServerKey`); null if Web Push is not configured."""

    public_key: str | None = Field(examples=["BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u"])


class Announcement(RequestBody):
    """Announcement of the platform to the given users, a connector's members, or everyone."""

    title: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(examples=["Water is off on Monday"])
    body: Annotated[Text, StringConstraints(max_length=2_000)] = Field(default="", examples=["From 9 to 12."])
    user_ids: list[UUID] = Field(default_factory=list, max_length=1_000, examples=[[]])
    connector_id: UUID | None = Field(default=None, examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    everyone: StrictBool = Field(default=False, examples=[False])

    @model_validator(mode="after")
    def _has_recipients(self) -> Self:
        if not (self.user_ids or self.connector_id or self.everyone):
            raise ValueError("Give user_ids or a connector_id, or set everyone")
        return self


class AnnouncementReceipt(BaseModel):
    """Receipt of an announcement that is being delivered."""

    notice_id: UUID = Field(examples=["9b3f5f63-8a5e-4a0b-9a35-0c7c3c1ce0aa"])


class StreamTicket(BaseModel):
    """Single-use ticket for ``GET /notifications/stream?ticket=…``."""

    ticket: str = Field(examples=["hP3bJ2rYtqkK5sXw9u0vZ1aQeLr7mNcDfG4iTyUoBxE"])
    expires_in: int = Field(description="Lifetime in seconds.", examples=[30])
