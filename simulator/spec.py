"""What a town should be: its size, its days and its seed. Everything else follows from these."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class TownSpec:
    """The order for one town.

    Attributes:
        users: people who live there at the end.
        days: days of recorded behaviour before ``end``; the town is founded in the fortnight before them.
        seed: same seed, same town.
        end: aware time at which the history stops.
        interactions: how many behaviour events to aim at; None means ten a person and day.
        first_number: number of the first person, so that a second town can be added beside a first.
    """

    users: int
    days: int
    seed: int
    end: datetime
    interactions: int | None = None
    first_number: int = 0

    def __post_init__(self) -> None:
        if self.users < 2 or self.days < 1:  # noqa: PLR2004 (a town needs a neighbour)
            raise ValueError("A town needs at least 2 users and 1 day.")
        if self.end.tzinfo is None:
            raise ValueError("The end of a town's history needs a time zone.")

    @property
    def start(self) -> datetime:
        """When recorded behaviour begins (UTC)."""
        return self.end.astimezone(UTC) - timedelta(days=self.days)

    @property
    def target_interactions(self) -> int:
        """Behaviour events to aim at."""
        return self.interactions or int(self.users * self.days * INTERACTIONS_PER_PERSON_DAY)

    @property
    def requests(self) -> int:
        """Feeds that are asked for."""
        return max(self.users, int(self.target_interactions / EVENTS_PER_REQUEST))

    @property
    def connectors(self) -> int:
        """Connectors by the end: they grow with the root of the population, as clubs do."""
        return max(6, round(3.4 * math.sqrt(self.users)))

    @property
    def posts(self) -> int:
        """Posts by the end."""
        return max(20, int(self.target_interactions * POSTS_PER_INTERACTION))

    def generator(self, stream: int) -> np.random.Generator:
        """Return the random stream of that number; streams are independent of each other."""
        return np.random.default_rng([self.seed, self.first_number, stream])
