"""Specification of a town: size, days and seed, which determine everything else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

INTERACTIONS_PER_PERSON_DAY = 10.0
EVENTS_PER_REQUEST = 15.8
POSTS_PER_INTERACTION = 1 / 26
FOUNDING_DAYS = 14
DAY_SECONDS = 86_400
SHOWN_PEOPLE = 3
"""The first people, as whom visitors of a demo log in: every list has entries for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TownSpec:
    """Specification of one town.

    Attributes:
        users: number of people at the end.
        days: days of interactions before ``end``; the town is founded in the 14 days before them.
        seed: random seed.
        end: timezone-aware end of the history.
        interactions: target number of interaction events; None for ten per person and day.
        first_number: number of the first person, so that a second town can be added to a first.
    """

    users: int
    days: int
    seed: int
    end: datetime
    interactions: int | None = None
    first_number: int = 0

    def __post_init__(self) -> None:
        if self.users < 2 or self.days < 1:  # noqa: PLR2004 (the minimum for interactions)
            raise ValueError("A town needs at least 2 users and 1 day.")
        if self.end.tzinfo is None:
            raise ValueError("The end of a town's history needs a time zone.")

    @property
    def start(self) -> datetime:
        """Start of the interactions (UTC)."""
        return self.end.astimezone(UTC) - timedelta(days=self.days)

    @property
    def target_interactions(self) -> int:
        """Target number of interaction events."""
        return self.interactions or int(self.users * self.days * INTERACTIONS_PER_PERSON_DAY)

    @property
    def requests(self) -> int:
        """Number of feed requests."""
        return max(self.users, int(self.target_interactions / EVENTS_PER_REQUEST))

    @property
    def connectors(self) -> int:
        """Number of connectors at the end, proportional to the square root of the population."""
        return max(6, round(3.4 * math.sqrt(self.users)))

    @property
    def posts(self) -> int:
        """Number of posts at the end."""
        return max(20, int(self.target_interactions * POSTS_PER_INTERACTION))

    def generator(self, stream: int) -> np.random.Generator:
        """Return random stream number ``stream``; streams are independent."""
        return np.random.default_rng([self.seed, self.first_number, stream])
