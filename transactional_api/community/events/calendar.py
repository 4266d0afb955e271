"""Export of an event as an iCalendar file (RFC 5545), in UTC.

Calendars update an existing entry with the same UID when its ``SEQUENCE`` is higher; each change of an exported field
increments it.
"""

from __future__ import annotations

from icalendar import Calendar
from icalendar import Event as CalendarEvent

from transactional_api.community.events.schemas import EventOut

MEDIA_TYPE = "text/calendar"


def to_calendar(event: EventOut) -> bytes:
    """Return the iCalendar file. Its UID contains the event's id, so that a later download replaces the entry."""
    entry = CalendarEvent()
    entry.add("uid", f"{event.id}@neighborconnect")
    entry.add("sequence", event.revision)
    entry.add("created", event.created_at)
    entry.add("dtstamp", event.updated_at)
    entry.add("last-modified", event.updated_at)
    entry.add("dtstart", event.start_date)
    if event.end_date is not None:
        entry.add("dtend", event.end_date)
    entry.add("summary", event.title)
    if event.description:
        entry.add("description", event.description)
    if event.location:
        entry.add("location", event.location)
    if event.point is not None:
        entry.add("geo", (event.point.latitude, event.point.longitude))
    entry.add("status", "CANCELLED" if event.cancelled else "CONFIRMED")
    calendar = Calendar()
    calendar.add("prodid", "-//NeighborConnect//EN")
    calendar.add("version", "2.0")
    calendar.add_component(entry)
    return bytes(calendar.to_ical())
