"""Real check-ins of New York (LBSN2Vec) as people, connectors, memberships, visits and friendships.

The data set (Yang et al., WWW 2019) has only the hour of the week of each check-in. Its rows are in temporal order:
hours increase within a week and drop at its end, so weeks can be counted. The published file yields 92 weeks, from a
Tuesday 14:00 to a Wednesday 11:00, which matches the published collection period (April 2012 to January 2014). A
rolling median distinguishes week ends from single outliers (travelers in another time zone). A gap of more than a week
without any check-in would not be detected. Hours are taken as New York local time, and the first week as that of 2
April 2012. Within an hour, rows are spread evenly in their order.

* **visit**: each check-in is an interaction of kind ``visit`` with a connector.
* **membership**: starts with a person's second visit of a venue, so it leaks nothing about later visits into training.
* **friendship**: follows in both directions. Friendships of the old graph exist from the start; those only in the new
  graph start after the last check-in. Friendships missing from the new graph are preserved, because they existed during
  the check-ins; the one friendship of a person with themselves is dropped.
* ``member_count`` is the final count, as in all tables of the product: it is not a point-in-time feature.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from neighborconnect.contracts.events import InteractionKind, ItemKind
from simulator.arrays import Floats, Ints, uuids
from simulator.bulk import TownError
from simulator.columns import id_series, times
from simulator.outbox import OUTBOX, outbox_rows
from simulator.rows import CHUNK, EMAIL_DOMAIN

FILE_NAME = "dataset_connected_NYC.mat"
FIRST_MONDAY = datetime(2012, 4, 2, tzinfo=ZoneInfo("America/New_York"))
VISITS_OF_A_MEMBER = 2
_WEEK_HOURS = 168
_NEIGHBORING_ROWS = 9
_MIN_DROP = 12
_NAMESPACE = UUID("6c1c3f5e-0f8e-4f0f-9f39-3f2f5d1c7a10")
_SEED = 2019


@dataclass(frozen=True, slots=True)
class CheckIns:
    """The data set. People are numbered from 1; ``at`` is in seconds after ``start``, with few rows out of order."""

    people: int
    person: Ints
    venue: Ints
    category: Ints
    at: Floats
    old_friendships: Ints
    new_friendships: Ints

    @property
    def start(self) -> datetime:
        """Start of the first week (UTC)."""
        return FIRST_MONDAY.astimezone(UTC)


def read(path: Path) -> CheckIns:
    """Read the data set from its folder or its ``.mat`` file.

    Raises:
        TownError: the file is missing or not this data set.
    """
    file = path / FILE_NAME if path.is_dir() else path
    try:
        content = loadmat(file)
        rows = content["selected_checkins"].astype(np.int64)
        old, new = (content[key].astype(np.int64) for key in ("friendship_old", "friendship_new"))
        people = len(content["selected_users_IDs"])
    except (OSError, KeyError, ValueError, MatReadError) as error:
        raise TownError(f"{file} is not the LBSN2Vec check-in set: {error}") from error
    return CheckIns(
        people=people,
        person=rows[:, 0],
        venue=rows[:, 2],
        category=rows[:, 3],
        at=_seconds(hours_since_start(rows[:, 1])),
        old_friendships=old,
        new_friendships=new,
    )


def hours_since_start(hour_of_week: Ints) -> Ints:
    """Return hours since the first Monday, for rows in temporal order with hours of the week from 1 to 168."""
    hour = hour_of_week - 1
    padded = np.pad(hour, _NEIGHBORING_ROWS // 2, mode="edge")
    level = np.median(np.lib.stride_tricks.sliding_window_view(padded, _NEIGHBORING_ROWS), axis=1).astype(np.int64)
    week = np.concatenate([[0], np.cumsum(np.diff(level) < -_MIN_DROP)])
    expected = week * _WEEK_HOURS + level
    # The hour of the row, in the week in which it is nearest to its neighboring rows.
    nearest = np.round((expected - hour) / _WEEK_HOURS).astype(np.int64) * _WEEK_HOURS + hour
    result: Ints = np.maximum(nearest, 0)
    return result


def _seconds(hours: Ints) -> Floats:
    """Spread rows evenly within their hours, in order, and convert New York local time to seconds after the start."""
    order = np.argsort(hours, kind="stable")
    first = np.searchsorted(hours[order], hours[order])
    count = np.searchsorted(hours[order], hours[order], side="right") - first
    within = np.empty(len(hours))
    within[order] = (np.arange(len(hours)) - first + 0.5) / count
    distinct, inverse = np.unique(hours, return_inverse=True)
    begins = FIRST_MONDAY.astimezone(UTC)
    # Adding hours to an aware datetime is wall-clock arithmetic, also across daylight saving time.
    starts = [
        ((FIRST_MONDAY + timedelta(hours=int(hour))).astimezone(UTC) - begins).total_seconds() for hour in distinct
    ]
    result: Floats = np.array(starts)[inverse] + within * 3600
    return result


def username(person: int) -> str:
    """Return the username of a person."""
    return f"newyorker.{person}"


def checkin_rows(data: CheckIns, *, password_hash: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield ``(table, rows)``, parents before children."""
    rng = np.random.default_rng(_SEED)
    people = pl.Series([_id("person", number) for number in range(1, data.people + 1)])
    venue_numbers, venue = np.unique(data.venue, return_inverse=True)
    venues = pl.Series([_id("venue", number) for number in venue_numbers])
    visits = pl.DataFrame({"person": data.person - 1, "venue": venue, "category": data.category, "at": data.at}).sort(
        "at", maintain_order=True
    )
    members = (
        visits.with_columns(nth=pl.int_range(pl.len()).over("person", "venue"))
        .filter(pl.col("nth") == VISITS_OF_A_MEMBER - 1)
        .sort("at", maintain_order=True)
    )
    yield "users", _people(data, people, password_hash=password_hash)
    yield "connectors", _venues(data, visits, members, venues, venue_numbers)
    yield (
        "connector_members",
        pl.DataFrame(
            {
                "id": id_series(uuids(rng, len(members))),
                "connector_id": venues.gather(members["venue"]),
                "user_id": people.gather(members["person"]),
                "joined_at": times(data.start, members["at"].to_numpy()),
            }
        ),
    )
    yield "follows", _follows(data, people, rng)
    for part in visits.iter_slices(CHUNK):
        at = times(data.start, part["at"].to_numpy())
        yield (
            OUTBOX,
            outbox_rows(
                pl.DataFrame(
                    {
                        "interaction_id": id_series(uuids(rng, len(part))),
                        "user_id": people.gather(part["person"]),
                        "kind": pl.repeat(InteractionKind.VISIT.value, len(part), eager=True),
                        "item_kind": pl.repeat(ItemKind.CONNECTOR.value, len(part), eager=True),
                        "item_id": venues.gather(part["venue"]),
                        "request_id": pl.repeat(None, len(part), dtype=pl.String, eager=True),
                        "position": pl.repeat(None, len(part), dtype=pl.Int64, eager=True),
                        "dwell_ms": pl.repeat(None, len(part), dtype=pl.Int64, eager=True),
                        "occurred_at": at,
                        "received_at": at,
                    }
                )
            ),
        )


def _id(kind: str, number: int) -> str:
    return str(uuid5(_NAMESPACE, f"{kind}:{number}"))


def _people(data: CheckIns, people: pl.Series, *, password_hash: str) -> pl.DataFrame:
    names = [username(number) for number in range(1, data.people + 1)]
    return pl.DataFrame({"id": people, "username": names}).with_columns(
        email_hash=pl.format(f"{{}}@{EMAIL_DOMAIN}", "username"),
        password_hash=pl.lit(password_hash),
        first_name=pl.lit("New Yorker"),
        last_name=pl.int_range(1, pl.len() + 1).cast(pl.String),
        city=pl.lit("New York"),
        state=pl.lit("NY"),
        country=pl.lit("US"),
        created_at=pl.lit(data.start).cast(pl.Datetime("us", "UTC")),
        updated_at=pl.lit(data.start).cast(pl.Datetime("us", "UTC")),
    )


def _venues(
    data: CheckIns, visits: pl.DataFrame, members: pl.DataFrame, venues: pl.Series, numbers: Ints
) -> pl.DataFrame:
    """Return the venues as connectors, each with its most frequent category."""
    facts = (
        visits.group_by("venue")
        .agg(category=pl.col("category").mode().min(), created_at=pl.col("at").min())
        .sort("venue")
    )
    created = times(data.start, facts["created_at"].to_numpy())
    return pl.DataFrame(
        {
            "id": venues,
            "name": [f"Venue {number}" for number in numbers],
            "description": [f"A place in New York, of category {category}." for category in facts["category"]],
            "category": [f"venue-category-{category}" for category in facts["category"]],
            "member_count": np.bincount(members["venue"], minlength=len(venues)),
            "created_at": created,
            "updated_at": created,
        }
    )


def _follows(data: CheckIns, people: pl.Series, rng: np.random.Generator) -> pl.DataFrame:
    old, new = (
        {(min(pair), max(pair)) for pair in follows.tolist() if pair[0] != pair[1]}
        for follows in (data.old_friendships, data.new_friendships)
    )
    later = float(data.at.max()) + 3600
    pairs = [(*pair, 0.0) for pair in sorted(old)] + [(*pair, later) for pair in sorted(new - old)]
    both = [
        (follower, followee, at)
        for first, second, at in pairs
        for follower, followee in ((first, second), (second, first))
    ]
    return pl.DataFrame(
        {
            "id": id_series(uuids(rng, len(both))),
            "follower_id": people.gather([follower - 1 for follower, _, _ in both]),
            "followee_id": people.gather([followee - 1 for _, followee, _ in both]),
            "created_at": times(data.start, np.array([at for _, _, at in both])),
        }
    )
