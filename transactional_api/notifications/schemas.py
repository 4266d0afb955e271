"""Notifications on the wire."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

from transactional_api.notifications.channels import Channel, NoticeKind
from transactional_api.text import Line, Link, RequestBody, Text, TimeOfDay


class NotificationOut(BaseModel):
    """Something that others did, and where it leads."""

    id: UUID = Field(examples=["5a3bd3cf-0a6b-4ad8-8f5e-6d6d31f2c0b1"])
    kind: str = Field(examples=["comment.created"])
    actor_id: UUID | None = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    subject_kind: str = Field(examples=["post"])
    subject_id: UUID = Field(examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"])
    title: str = Field(examples=["ben.larsen commented on your post"])
    body: str = Field(examples=["I will bring pots."])
    created_at: datetime = Field(examples=["2026-03-03T08:00:00Z"])
    read_at: datetime | None = Field(examples=[None])


class UnreadCount(BaseModel):
    """How many notifications are unread."""

    unread: int = Field(examples=[3])


class MarkRead(RequestBody):
    """Which notifications are read; all of them where none is named."""

    notification_ids: list[UUID] | None = Field(
        default=None, max_length=1_000, examples=[["5a3bd3cf-0a6b-4ad8-8f5e-6d6d31f2c0b1"]]
    )


class Preference(RequestBody):
    """Whether you want notices of a kind by a channel."""

    kind: NoticeKind = Field(examples=["post.liked"])
    channel: Channel = Field(examples=["email"])
    wanted: StrictBool = Field(examples=[False])


class Preferences(RequestBody):
    """Every kind by every channel; in a request, those to change."""

    preferences: list[Preference] = Field(max_length=100)


def _timezone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("This time zone is not known; name one as `Europe/Paris`")
    return name


class Hours(RequestBody):
    """When you want no letters and pushes (they come afterwards), and when a daily letter instead of single ones."""

    model_config = ConfigDict(from_attributes=True)

    timezone: Annotated[str, AfterValidator(_timezone)] = Field(default="UTC", examples=["Europe/Paris"])
    quiet_from: TimeOfDay | None = Field(default=None, description="Local time.", examples=["22:00:00"])
    quiet_until: TimeOfDay | None = Field(default=None, description="Local time.", examples=["07:00:00"])
    digest_hour: StrictInt | None = Field(default=None, ge=0, le=23, description="Local hour.", examples=[8])

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValueError("Name both quiet_from and quiet_until, or neither")
        if any(one and one.tzinfo for one in (self.quiet_from, self.quiet_until)):
            raise ValueError("Times are local to the time zone; give them without an offset")
        return self


class DeviceKind(StrEnum):
    """A browser, or a phone with the Expo app."""

    WEB = "web"
    EXPO = "expo"


class NewDevice(RequestBody):
    """A browser's push subscription, or a phone's Expo token."""

    kind: DeviceKind = Field(examples=["web"])
    address: Annotated[Line, StringConstraints(min_length=1, max_length=1_000)] = Field(
        description="The subscription's endpoint, or the Expo token.",
        examples=["https://updates.push.services.mozilla.com/wpush/v2/gAAAA"],
    )
    p256dh: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{80,120}=*$")] | None = Field(
        default=None,
        description="Of a browser.",
        examples=["BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM"],
    )
    auth: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{20,40}=*$")] | None = Field(
        default=None, description="Of a browser.", examples=["tBHItJI5svbpez7KI4CCXg"]
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


class Device(BaseModel):
    """A device that pushes go to."""

    id: UUID = Field(examples=["3f7f7a5e-6d2c-4b7e-9f43-0d6b6c5a1e11"])
    kind: DeviceKind = Field(examples=["web"])
    created_at: datetime = Field(examples=["2026-03-03T08:00:00Z"])


class Devices(BaseModel):
    """Your devices."""

    items: list[Device]


class PushKey(BaseModel):
    """The key that a browser subscribes with (`applicationServerKey`); null where browsers get no pushes."""

    public_key: str | None = Field(examples=["BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u"])


class Announcement(RequestBody):
    """What the platform tells people: those named, a connector's members, or everyone."""

    title: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(examples=["Water is off on Monday"])
    body: Annotated[Text, StringConstraints(max_length=2_000)] = Field(default="", examples=["From 9 to 12."])
    user_ids: list[UUID] = Field(default_factory=list, max_length=1_000, examples=[[]])
    connector_id: UUID | None = Field(default=None, examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    everyone: StrictBool = Field(default=False, examples=[False])

    @model_validator(mode="after")
    def _to_somebody(self) -> Self:
        if not (self.user_ids or self.connector_id or self.everyone):
            raise ValueError("Name user_ids or a connector_id, or say everyone")
        return self


class Announced(BaseModel):
    """The announcement is on its way."""

    notice_id: UUID = Field(examples=["9b3f5f63-8a5e-4a0b-9a35-0c7c3c1ce0aa"])
