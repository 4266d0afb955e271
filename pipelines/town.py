"""The town as matching sees it, made of the warehouse's mirror and published for who trains on it and who serves it.

Who refuses to be served personally or is gone is not in it. Homes are H3 cells, coarse enough that
``FLOOR`` people or more live in each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import h3
import numpy as np
import psycopg

from models.matching.graph import with_vectors
from models.matching.town import UNKNOWN, FloatArray, IntArray, Town, from_bytes, to_bytes, town_of
from models.recommendation.content import LakeEmbeddingCache, embed
from models.shelf import Shelf
from neighborconnect.contracts.models import TOWN_PREFIX
from neighborconnect.settings import Settings
from pipelines.guards import mirror_rows, require_rows

FLOOR: Final = 5
"""Fewer people in a cell would tell where one lives."""
_COARSEST = 5
_PEOPLE = """
    SELECT id::text, interests, lower(city),
        CASE WHEN neighborhood IS NOT NULL THEN lower(concat_ws('/', city, neighborhood)) END, home_cell
    FROM raw.users
    WHERE NOT _deleted AND is_active AND personalised AND erased_at IS NULL ORDER BY id
"""
_CONNECTORS = """
    SELECT id::text, lower(category), is_public FROM raw.connectors WHERE NOT _deleted AND is_active ORDER BY id
"""
_TIES = """
    SELECT follower_id::text, followee_id::text, (extract(epoch FROM created_at) * 1e6)::bigint
    FROM raw.follows WHERE NOT _deleted ORDER BY id
"""
_MEMBERS = """
    SELECT user_id::text, connector_id::text, (extract(epoch FROM joined_at) * 1e6)::bigint
    FROM raw.connector_members WHERE NOT _deleted ORDER BY id
"""


def collect(settings: Settings) -> Town:
    """Return the town as of now, with vectors."""
    with psycopg.connect(settings.warehouse_url) as connection:
        people = connection.execute(_PEOPLE).fetchall()
        connectors = connection.execute(_CONNECTORS).fetchall()
        ties, members = connection.execute(_TIES).fetchall(), connection.execute(_MEMBERS).fetchall()
    person = {row[0]: place for place, row in enumerate(people)}
    connector = {row[0]: place for place, row in enumerate(connectors)}
    named = [sorted({word.strip().lower() for word in row[1] or () if word.strip()}) for row in people]
    interests = tuple(sorted({word for words in named for word in words} | {row[1] for row in connectors if row[1]}))
    interest = {word: place for place, word in enumerate(interests)}
    tied, tied_at = _pairs(ties, person, person)
    joined, joined_at = _pairs(members, person, connector)
    town = town_of(
        people=tuple(person),
        connectors=tuple(connector),
        interests=interests,
        ties=tied,
        tied_at=tied_at,
        members=joined,
        joined_at=joined_at,
        likes=_rows([(place, interest[word]) for place, words in enumerate(named) for word in words]),
        categories=np.array([interest.get(row[1], UNKNOWN) for row in connectors], dtype=np.int64),
        is_open=np.array([bool(row[2]) for row in connectors], dtype=bool),
        cities=_numbered(row[2] for row in people),
        neighborhoods=_numbered(row[3] for row in people),
        cells=coarse([row[4] for row in people]),
        interest_vectors=_meanings(settings, interests),
    )
    return with_vectors(town)


def publish(settings: Settings) -> tuple[Town, str]:
    """Publish the town as of now; return it and its version.

    Raises:
        EmptyInputError: when the mirror has no people any more; the newest town stays. That everybody refuses is no
            error.
    """
    town = collect(settings)
    if not town.people:
        require_rows(mirror_rows(settings, "users"), replacing=_newest_people(settings), target="the town")
    return town, put_up(settings, town)


def _newest_people(settings: Settings) -> int:
    try:
        return len(read_newest(settings)[0].people)
    except LookupError:
        return 0


def put_up(settings: Settings, town: Town) -> str:
    """Publish a town under the present time; return its version."""
    version = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    Shelf(settings, *TOWN_PREFIX).publish(version, to_bytes(town))
    return version


def read_newest(settings: Settings) -> tuple[Town, str]:
    """Return the newest town and the name of its version; raises ``LookupError`` when none has been published."""
    shelf = Shelf(settings, *TOWN_PREFIX)
    version = shelf.newest()
    if version is None:
        raise LookupError("No snapshot of the town has been published yet.")
    return from_bytes(shelf.read(version)), f"{'/'.join(TOWN_PREFIX)}@{version}"


def coarse(homes: list[str | None]) -> IntArray:
    """Return the H3 cells of homes as numbers, each as coarse as it takes for ``FLOOR`` people; 0 where unknown."""
    cells = list(homes)
    while True:
        people = Counter(cell for cell in cells if cell)
        sparse = {cell for cell, number in people.items() if number < FLOOR}
        if not sparse:
            return np.array([h3.str_to_int(cell) if cell else 0 for cell in cells], dtype=np.int64)
        cells = [_parent(cell) if cell in sparse else cell for cell in cells]


def _parent(cell: str) -> str | None:
    resolution = h3.get_resolution(cell)
    return h3.cell_to_parent(cell, resolution - 1) if resolution > _COARSEST else None


def _pairs(rows: list[Any], left: dict[str, int], right: dict[str, int]) -> tuple[IntArray, IntArray]:
    known = [(left[row[0]], right[row[1]], row[2]) for row in rows if row[0] in left and row[1] in right]
    found = np.array(known, dtype=np.int64).reshape(-1, 3)
    return found[:, :2], found[:, 2]


def _rows(pairs: list[tuple[int, int]]) -> IntArray:
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _numbered(names: Iterable[str | None]) -> IntArray:
    known: dict[str, int] = {}
    return np.array([known.setdefault(name, len(known)) if name else UNKNOWN for name in names], dtype=np.int64)


def _meanings(settings: Settings, interests: tuple[str, ...]) -> FloatArray:
    found: FloatArray = np.asarray(embed(interests, cache=LakeEmbeddingCache(settings)), dtype=np.float32)
    return found
