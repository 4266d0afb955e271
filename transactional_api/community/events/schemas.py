"""Request and response schemas of events and RSVPs."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    computed_field,
    model_validator,
)

from transactional_api.core.geography import Point
from transactional_api.core.http.partial_updates import Patch, patch_of
from transactional_api.core.media.addresses import AvatarAddress
from transactional_api.core.media.attachments import NewMediaIds, ShowsMedia
from transactional_api.core.text import Line, Moment, RequestBody, Text, TimeZone
from transactional_api.identity.users.people import Person

MAX_GUESTS = 10
MAX_CAPACITY = 100_000
_EXAMPLE_POINT = {"latitude": 40.6722, "longitude": -73.9772}


class RsvpStatus(StrEnum):
    """A user's response to an event."""

    ATTENDING = "attending"
    MAYBE = "maybe"
    DECLINED = "declined"


class AttendeeStatus(StrEnum):
    """Attendance of a user: their response, or a position on the waitlist."""

    ATTENDING = "attending"
    MAYBE = "maybe"
    DECLINED = "declined"
    WAITING = "waiting"


class OwnEvents(StrEnum):
    """Part of a user's events: those that they answered and that they host, until they end; and those that ended."""

    GOING = "going"
    HOSTING = "hosting"
    PAST = "past"


class EventBody(RequestBody):
    """Editable fields of an event; PUT replaces all of them."""

    title: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(examples=["Seed swap"])
    description: Annotated[Text, StringConstraints(max_length=10_000)] | None = Field(
        default=None, examples=["Bring what you have too much of."]
    )
    location: Annotated[Line, StringConstraints(max_length=500)] | None = Field(
        default=None, examples=["The bed on the corner of Dean Street"]
    )
    point: Point | None = Field(
        default=None, description="Location, used by the `near` filters.", examples=[_EXAMPLE_POINT]
    )
    start_date: Moment = Field(examples=["2026-05-02T14:00:00Z"])
    end_date: Moment | None = Field(default=None, examples=["2026-05-02T16:00:00Z"])
    time_zone: TimeZone = Field(
        default="UTC",
        description="IANA time zone of the event, for display. All timestamps of the API are UTC.",
        examples=["America/New_York"],
    )
    max_attendees: StrictInt | None = Field(default=None, ge=1, le=MAX_CAPACITY, examples=[20])
    hides_attendees: StrictBool = Field(
        default=False, description="Whether only the host and moderators can list the attendees.", examples=[False]
    )

    media_ids: NewMediaIds = None

    @model_validator(mode="after")
    def _ends_after_start(self) -> Self:
        if self.end_date is not None and self.end_date <= self.start_date:
            raise ValueError("An event must end after it starts")
        return self


@patch_of(EventBody)
class EventPatch(Patch):
    """Fields of an event to change; absent ones stay, and null clears a field that may be null."""


class NewEvent(EventBody):
    """A new event and the connector that it belongs to."""

    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])


class EventOut(ShowsMedia):
    """An event and the authenticated user's attendance."""

    id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    connector_name: str = Field(examples=["Dean Street Gardeners"])
    host: Person
    title: str = Field(examples=["Seed swap"])
    description: str | None = Field(examples=["Bring what you have too much of."])
    location: str | None = Field(examples=["The bed on the corner of Dean Street"])
    point: Point | None = Field(examples=[_EXAMPLE_POINT])
    start_date: datetime = Field(examples=["2026-05-02T14:00:00Z"])
    end_date: datetime | None = Field(examples=["2026-05-02T16:00:00Z"])
    time_zone: str = Field(examples=["America/New_York"])
    max_attendees: int | None = Field(examples=[20])
    attendee_count: int = Field(description="Attending users plus their guests.", examples=[12])
    hides_attendees: bool = Field(examples=[False])
    cancelled: bool = Field(examples=[False])
    revision: int = Field(
        description="Number of changes of the public fields, including the cancellation.", examples=[1]
    )
    viewer_status: AttendeeStatus | None = Field(
        description="Attendance of the authenticated user; null before their first RSVP.", examples=["attending"]
    )
    viewer_guest_count: int | None = Field(description="Guests of your RSVP; null before the first.", examples=[1])
    created_at: datetime = Field(examples=["2026-04-20T09:30:00Z"])
    updated_at: datetime = Field(examples=["2026-04-20T09:30:00Z"])

    @computed_field(description="`max_attendees - attendee_count`; null without a limit.", examples=[8])  # type: ignore[prop-decorator]
    @property
    def remaining_capacity(self) -> int | None:
        """Return how many more people can attend."""
        return None if self.max_attendees is None else max(0, self.max_attendees - self.attendee_count)

    @computed_field(description="Whether a new RSVP is placed on the waitlist.", examples=[False])  # type: ignore[prop-decorator]
    @property
    def is_full(self) -> bool:
        """Return whether no capacity remains."""
        return self.remaining_capacity == 0


class RsvpBody(RequestBody):
    """An RSVP to an event."""

    status: RsvpStatus = Field(default=RsvpStatus.ATTENDING, examples=["attending"])
    guest_count: StrictInt = Field(
        default=0,
        ge=0,
        le=MAX_GUESTS,
        description="Guests that the user brings; each counts toward the capacity.",
        examples=[1],
    )


class RsvpOut(BaseModel):
    """The authenticated user's attendance after the RSVP."""

    event_id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    status: AttendeeStatus = Field(examples=["waiting"])
    guest_count: int = Field(examples=[1])
    attendee_count: int = Field(examples=[20])


class AttendeeOut(BaseModel):
    """An attendee or a user on the waitlist."""

    model_config = ConfigDict(from_attributes=True)

    user: Person
    user_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    username: str = Field(examples=["ada.okafor"])
    avatar_url: AvatarAddress = Field(examples=["https://media.example.org/ada.jpg"])
    status: AttendeeStatus = Field(examples=["attending"])
    guest_count: int = Field(examples=[1])
    joined_at: datetime = Field(examples=["2026-04-21T10:00:00Z"])
