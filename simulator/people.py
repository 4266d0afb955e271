"""Who lives in the town: names, homes, when they came, how active they are."""

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
_SAY_WHERE = 0.8


@dataclass(frozen=True, slots=True)
class People:
    """One entry a person in each array.

    Times are seconds after the start of recorded behaviour; ``house`` is in degrees, NaN where one keeps it to oneself.
    """

    first_names: list[str]
    last_names: list[str]
    home: Ints
    house: Floats
    arrived: Floats
    activity: Floats
    tastes: Tastes

    @property
    def count(self) -> int:
        """How many people there are."""
        return len(self.home)


def draw_people(spec: TownSpec, vocabulary: Vocabulary) -> People:
    """Draw everybody who lives in the town at its end, founders first and then in order of arrival."""
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
        house=_houses(spec.generator(12), home),
        arrived=np.sort(np.concatenate([before, during])),
        activity=rng.lognormal(0.0, 0.7, spec.users),
        tastes=draw_tastes(rng, vocabulary, people=spec.users),
    )


def _houses(rng: np.random.Generator, home: Ints) -> Floats:
    """Draw where in their neighbourhood people live, as far as they say."""
    house = points(rng, home)
    house[rng.random(len(home)) >= _SAY_WHERE] = np.nan
    return house


def _names(rng: np.random.Generator, spec: TownSpec) -> tuple[list[str], list[str]]:
    """Draw names out of a pool: faker is too slow to ask once a person in a large town."""
    faker = Faker(["en_US", "es_MX", "en_IN", "de_DE"], use_weighting=False)
    faker.seed_instance(spec.seed)
    pool = min(_NAME_POOL, max(50, spec.users))
    first, last = [faker.first_name() for _ in range(pool)], [faker.last_name() for _ in range(pool)]
    return (
        [first[place] for place in rng.integers(0, pool, spec.users)],
        [last[place] for place in rng.integers(0, pool, spec.users)],
    )
