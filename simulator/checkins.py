"""Real check-ins of New York (LBSN2Vec) as people, connectors, memberships, visits and friendships.

The set (Yang et al., WWW 2019) tells of each check-in only the hour of the week. Its rows are in order of time,
though: hours rise, with a drop at each week's end, so the weeks can be counted. The published file gives 92 weeks,
from a Tuesday 14:00 to a Wednesday 11:00, which fits the collection period that its authors name (April 2012 to
January 2014). A running median tells week ends from single rows that stick out (travellers on another clock). A gap
of more than a week between two check-ins of the whole city would be missed. Hours are taken as New York's own, and
the first week as that of 2 April 2012. Within an hour, rows are spread evenly in their order.

* **visit**: each check-in, an interaction of kind ``visit`` with a connector.
* **membership**: from a person's second visit of a venue, at the time of that visit. So it never tells of the future,
  and a model that is trained before a time and asked for what is new after it sees nothing of the answer.
* **friendship**: follows both ways. Those of the old graph are there from the start, those that are only in the new
  one begin after the last check-in. Ties that the new graph lost are kept, for they held during the check-ins; ties
  of a person with themselves, of which the old graph has one, are left out.
* ``member_count`` is as of the end, as everywhere in the product's tables: it is not a feature of any time before.
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
_NEIGHBOURING_ROWS = 9
_LEAST_DROP = 12
_NAMESPACE = UUID("6c1c3f5e-0f8e-4f0f-9f39-3f2f5d1c7a10")
_SEED = 2019


@dataclass(frozen=True, slots=True)
class CheckIns:
    """The set. People are numbered from 1; ``at`` is in seconds after ``start``, in order but for a few rows."""

    people: int
    person: Ints
    venue: Ints
    category: Ints
    at: Floats
    old_ties: Ints
    new_ties: Ints

    @property
    def start(self) -> datetime:
        """Before everything (UTC)."""
        return FIRST_MONDAY.astimezone(UTC)


def read(path: Path) -> CheckIns:
    """Read the set from its folder or its ``.mat`` file.

    Raises:
        TownError: when it is not there or not this set.
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
        old_ties=old,
        new_ties=new,
    )


def hours_since_start(hour_of_week: Ints) -> Ints:
    """Count hours from the first week's Monday on, of rows in order of time with hours 1 to 168."""
    hour = hour_of_week - 1
    padded = np.pad(hour, _NEIGHBOURING_ROWS // 2, mode="edge")
    level = np.median(np.lib.stride_tricks.sliding_window_view(padded, _NEIGHBOURING_ROWS), axis=1).astype(np.int64)
    week = np.concatenate([[0], np.cumsum(np.diff(level) < -_LEAST_DROP)])
    expected = week * _WEEK_HOURS + level
    # The row's own hour, in the week in which it is nearest to its neighbours.
    nearest = np.round((expected - hour) / _WEEK_HOURS).astype(np.int64) * _WEEK_HOURS + hour
    result: Ints = np.maximum(nearest, 0)
    return result


def _seconds(hours: Ints) -> Floats:
    """Place rows within their hours, evenly and in order, and turn New York's clock into seconds after the start."""
    order = np.argsort(hours, kind="stable")
    first = np.searchsorted(hours[order], hours[order])
    count = np.searchsorted(hours[order], hours[order], side="right") - first
    within = np.empty(len(hours))
    within[order] = (np.arange(len(hours)) - first + 0.5) / count
    known, back = np.unique(hours, return_inverse=True)
    begins = FIRST_MONDAY.astimezone(UTC)
    # Wall-clock arithmetic: adding hours to an aware local time keeps the clock's face over summer time.
    starts = [((FIRST_MONDAY + timedelta(hours=int(hour))).astimezone(UTC) - begins).total_seconds() for hour in known]
    result: Floats = np.array(starts)[back] + within * 3600
    return result


def username(person: int) -> str:
    """Return the username of a person of the set."""
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
        email=pl.format(f"{{}}@{EMAIL_DOMAIN}", "username"),
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
    """A few venues carry two or three categories over time: the most frequent one counts."""
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
        {(min(pair), max(pair)) for pair in ties.tolist() if pair[0] != pair[1]}
        for ties in (data.old_ties, data.new_ties)
    )
    later = float(data.at.max()) + 3600
    pairs = [(*pair, 0.0) for pair in sorted(old)] + [(*pair, later) for pair in sorted(new - old)]
    both = [(one, other, at) for first, second, at in pairs for one, other in ((first, second), (second, first))]
    return pl.DataFrame(
        {
            "id": id_series(uuids(rng, len(both))),
            "follower_id": people.gather([one - 1 for one, _, _ in both]),
            "followee_id": people.gather([other - 1 for _, other, _ in both]),
            "created_at": times(data.start, np.array([at for _, _, at in both])),
        }
    )
