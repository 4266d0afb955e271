"""People of a town: names, homes, arrival and activity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from faker import Faker

from simulator.arrays import Floats, Ints, draw_weighted
from simulator.places import points
from simulator.preferences import Tastes, draw_tastes
from simulator.spec import DAY_SECONDS, FOUNDING_DAYS, TownSpec
from simulator.vocabulary import Vocabulary

CITY, STATE, COUNTRY = "Millbrook", "Oregon", "US"
TIME_ZONE = "America/Los_Angeles"
FOUNDERS = 0.65
_NAME_POOL = 2_000
_HOME_POINT_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class People:
    """Arrays with one entry per person.

    ``home`` is the number of the neighborhood. ``home_point`` is in degrees, NaN if not set. ``arrived`` is in seconds
    after the start of the history.
    """

    first_names: list[str]
    last_names: list[str]
    home: Ints
    home_point: Floats
    arrived: Floats
    activity: Floats
    tastes: Tastes

    @property
    def count(self) -> int:
        """Number of people."""
        return len(self.home)


def draw_people(spec: TownSpec, vocabulary: Vocabulary) -> People:
    """Draw the people of the town at its end: founders first, then in order of arrival."""
    rng = spec.generator(1)
    first, last = _names(rng, spec)
    founders = max(2, round(spec.users * FOUNDERS))
    before = -rng.random(founders) * FOUNDING_DAYS * DAY_SECONDS
    during = rng.random(spec.users - founders) * (spec.days - 0.2) * DAY_SECONDS
    homes = min(len(vocabulary.homes), max(3, round(spec.users**0.5 / 2)))
    home = draw_weighted(rng, rng.dirichlet(np.full(homes, 4.0)), spec.users)
    return People(
        first_names=first,
        last_names=last,
        home=home,
        home_point=_draw_home_points(spec.generator(12), home),
        arrived=np.sort(np.concatenate([before, during])),
        activity=rng.lognormal(0.0, 0.7, spec.users),
        tastes=draw_tastes(rng, vocabulary, people=spec.users),
    )


def _draw_home_points(rng: np.random.Generator, home: Ints) -> Floats:
    """Draw the home coordinates of people within their neighborhoods; NaN for people who do not set them."""
    home_point = points(rng, home)
    home_point[rng.random(len(home)) >= _HOME_POINT_SHARE] = np.nan
    return home_point


def _names(rng: np.random.Generator, spec: TownSpec) -> tuple[list[str], list[str]]:
    """Draw names from a pool, because faker is too slow for one call per person."""
    faker = Faker(["en_US", "es_MX", "en_IN", "de_DE"], use_weighting=False)
    faker.seed_instance(spec.seed)
    pool = min(_NAME_POOL, max(50, spec.users))
    first, last = [faker.first_name() for _ in range(pool)], [faker.last_name() for _ in range(pool)]
    return (
        [first[index] for index in rng.integers(0, pool, spec.users)],
        [last[index] for index in rng.integers(0, pool, spec.users)],
    )
