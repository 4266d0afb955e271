"""Rows of events and of replies to them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from simulator.arrays import uuids
from simulator.columns import Ids, id_series, point, times
from simulator.people import TIME_ZONE
from simulator.text import Writer
from simulator.town import REPLIES, Town


def event_rows(town: Town, ids: Ids, rng: np.random.Generator, writer: Writer) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the rows of events and attendees."""
    events, rsvps, start = town.events, town.rsvps, town.spec.start
    texts = [writer.event(town.vocabulary.themes[theme][1]) for theme in town.connectors.theme[events.connector]]
    created = times(start, events.created)
    yield (
        "events",
        pl.DataFrame(
            {
                "id": ids.events,
                "connector_id": ids.connectors.gather(events.connector),
                "created_by": ids.users.gather(events.host),
                "title": [title for title, _, _ in texts],
                "description": [about for _, about, _ in texts],
                "location": [place for _, _, place in texts],
                **point(events.location),
                "start_date": times(start, events.starts),
                "end_date": times(start, events.ends),
                "time_zone": pl.repeat(TIME_ZONE, len(events), eager=True),
                "max_attendees": pl.Series(events.capacity).replace(0, None),
                "attendee_count": rsvps.attendee_counts(events=len(events)),
                "created_at": created,
                "updated_at": created,
            }
        ),
    )
    yield (
        "event_attendees",
        pl.DataFrame(
            {
                "id": id_series(uuids(rng, len(rsvps))),
                "event_id": ids.events.gather(rsvps.event),
                "user_id": ids.users.gather(rsvps.user),
                "status": pl.Series(REPLIES).gather(rsvps.status),
                "guests": rsvps.guests,
                "joined_at": times(start, rsvps.at),
            }
        ),
    )
