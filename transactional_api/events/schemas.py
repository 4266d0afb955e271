"""Events and answers to them on the wire."""

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
    model_validator,
)

from transactional_api.places import Point
from transactional_api.text import Line, Moment, RequestBody, Text

MAX_GUESTS = 10
MAX_PLACES = 100_000
_ZONES = available_timezones()
_EXAMPLE_POINT = {"latitude": 40.6722, "longitude": -73.9772}


def _zone(name: str) -> str:
    if name not in _ZONES:
        raise ValueError("The time zone must be a name of the IANA database, such as Europe/Amsterdam")
    return name


class Answer(StrEnum):
    """What a person says to an event."""

    ATTENDING = "attending"
    MAYBE = "maybe"
    DECLINED = "declined"


class EventStatus(StrEnum):
    """Where a person stands with an event: their answer, or on the wait list."""

    ATTENDING = "attending"
    MAYBE = "maybe"
    DECLINED = "declined"
    WAITING = "waiting"


class EventBody(RequestBody):
    """An event as its host writes it; PUT replaces all of it."""

    title: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(examples=["Seed swap"])
    description: Annotated[Text, StringConstraints(max_length=10_000)] | None = Field(
        default=None, examples=["Bring what you have too much of."]
    )
    location: Annotated[Line, StringConstraints(max_length=500)] | None = Field(
        default=None, examples=["The bed on the corner of Dean Street"]
    )
    point: Point | None = Field(
        default=None, description="Where it is, for lists by distance.", examples=[_EXAMPLE_POINT]
    )
    start_date: Moment = Field(examples=["2026-05-02T14:00:00Z"])
    end_date: Moment | None = Field(default=None, examples=["2026-05-02T16:00:00Z"])
    time_zone: Annotated[Line, AfterValidator(_zone)] = Field(
        default="UTC",
        description="IANA name of the host's zone, for display; times on the wire are UTC.",
        examples=["America/New_York"],
    )
    max_attendees: StrictInt | None = Field(default=None, ge=1, le=MAX_PLACES, examples=[20])
    hides_attendees: StrictBool = Field(default=False, description="Only the host sees who comes.", examples=[False])

    @model_validator(mode="after")
    def _ends_after_start(self) -> Self:
        if self.end_date is not None and self.end_date <= self.start_date:
            raise ValueError("An event must end after it starts")
        return self


class NewEvent(EventBody):
    """A new event and the connector it is held by."""

    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])


class EventOut(BaseModel):
    """An event, and where the viewer stands with it."""

    id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    connector_name: str = Field(examples=["Dean Street Gardeners"])
    created_by: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    title: str = Field(examples=["Seed swap"])
    description: str | None = Field(examples=["Bring what you have too much of."])
    location: str | None = Field(examples=["The bed on the corner of Dean Street"])
    point: Point | None = Field(examples=[_EXAMPLE_POINT])
    start_date: datetime = Field(examples=["2026-05-02T14:00:00Z"])
    end_date: datetime | None = Field(examples=["2026-05-02T16:00:00Z"])
    time_zone: str = Field(examples=["America/New_York"])
    max_attendees: int | None = Field(examples=[20])
    attendee_count: int = Field(description="Places taken, guests with them.", examples=[12])
    hides_attendees: bool = Field(examples=[False])
    cancelled: bool = Field(examples=[False])
    status: EventStatus | None = Field(description="Your own; null before you answer.", examples=["attending"])
    created_at: datetime = Field(examples=["2026-04-20T09:30:00Z"])
    updated_at: datetime = Field(examples=["2026-04-20T09:30:00Z"])


class Rsvp(RequestBody):
    """An answer to an event."""

    status: Answer = Field(default=Answer.ATTENDING, examples=["attending"])
    guests: StrictInt = Field(
        default=0, ge=0, le=MAX_GUESTS, description="Who comes along; each takes a place.", examples=[1]
    )


class RsvpOut(BaseModel):
    """Where the viewer stands after their answer."""

    event_id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    status: EventStatus = Field(examples=["waiting"])
    guests: int = Field(examples=[1])
    attendee_count: int = Field(examples=[20])


class AttendeeOut(BaseModel):
    """One who comes, may come, or waits."""

    model_config = ConfigDict(from_attributes=True)

    user_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    username: str = Field(examples=["ada.okafor"])
    avatar_url: str | None = Field(examples=["https://media.example.org/ada.jpg"])
    status: EventStatus = Field(examples=["attending"])
    guests: int = Field(examples=[1])
    joined_at: datetime = Field(examples=["2026-04-21T10:00:00Z"])
