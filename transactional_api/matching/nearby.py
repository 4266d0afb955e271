"""Connectors and events near a person's home, told in cells: how many areas away, never in metres.

The home is known here as its H3 cell alone; what is near is counted from the middle of that cell, so that no list of
answers leads back to a house.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import h3
from redis.asyncio import Redis
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors import queries as connectors
from transactional_api.db.plain import Ready, in_one_trip
from transactional_api.db.tables import Connector, ConnectorMember, Event, User
from transactional_api.events import queries as events
from transactional_api.events import service as event_service
from transactional_api.hot import OWNING_PLACE, HotList
from transactional_api.matching import shown
from transactional_api.matching.schemas import MatchedConnector, MatchedEvent
from transactional_api.places import SOMEWHERE, Near, distance, within
from transactional_api.prepared import SOMEONE

RADIUS_METRES = 10_000
CANDIDATES = 100
NEIGHBOURS = 1_000
KEPT_SECONDS = 600
_REASONS = ("same_area", "next_area")
_FURTHER = "few_areas_away"
_NEIGHBOURS = "neighbours_are_in_it"


def _around(wanted: Select[Any], what: Any, *conditions: ColumnElement[bool]) -> Ready:
    """Prepare what is around a point, the nearest first.

    All that meets ``conditions`` is put in order, and then looked at one by one, whether it is ``wanted``, until there
    are enough: that costs more than to know where something is.
    """
    near = Near.model_construct(point=SOMEWHERE, radius=RADIUS_METRES)
    metres = distance(what.latitude, what.longitude, SOMEWHERE).label("metres")
    there = (
        select(what.id, metres)
        .where(within(what.latitude, what.longitude, near), *conditions)
        .order_by(metres, what.id)
        .subquery("there")
    )
    return Ready(
        wanted.with_only_columns(what.id, what.latitude, what.longitude)
        .join(there, there.c.id == what.id)
        .order_by(there.c.metres, there.c.id)
        .limit(CANDIDATES)
    )


_CONNECTORS = _around(connectors.visible_to(SOMEONE).where(~connectors.is_member(SOMEONE)), Connector)
_EVENTS = _around(events.visible_to(SOMEONE), Event, Event.is_active.is_(True), Event.start_date > func.now())
_HOME = Ready(select(User.home_cell).where(User.id == SOMEONE.id))
_NEIGHBOURS_OF_A_PLACE = (
    select(User.id)
    .where(User.neighborhood == OWNING_PLACE, User.is_active.is_(True))
    .order_by(User.created_at.desc())
    .limit(NEIGHBOURS)
)
OF_NEIGHBOURS = HotList.of(
    "neighborhood:{}:connectors",
    select(ConnectorMember.connector_id)
    .where(ConnectorMember.user_id.in_(_NEIGHBOURS_OF_A_PLACE))
    .group_by(ConnectorMember.connector_id)
    .order_by(func.count().desc(), ConnectorMember.connector_id)
    .limit(CANDIDATES),
    kept_seconds=KEPT_SECONDS,
)
"""Connectors that most people of a neighbourhood are in; where these are many, those who came last."""

Found = tuple[UUID, float, str]
"""An id, a score and a reason."""


async def near(
    session: AsyncSession, redis: Redis, *, viewer: Viewer, limit: int
) -> tuple[list[MatchedConnector], list[MatchedEvent]]:
    """Match connectors that the viewer is not in, and events to come; at most ``limit`` of each.

    Without a home there are no events, and the connectors are those where the viewer's neighbours are.
    """
    home = await _HOME.one_or_none(session, viewer_id=viewer.id)
    if home is None or home.home_cell is None:
        return await _with_neighbours(session, redis, viewer, limit=limit), []
    latitude, longitude = h3.cell_to_latlng(home.home_cell)
    asked = {"viewer_id": viewer.id, "near_latitude": latitude, "near_longitude": longitude}
    around = await in_one_trip(session, (_CONNECTORS, asked), (_EVENTS, asked))
    connectors_near, events_near = (_by_areas(home.home_cell, rows, limit=limit) for rows in around)
    found = await in_one_trip(
        session,
        shown.asking_to_join(viewer=viewer, ids=[one for one, _, _ in connectors_near], limit=limit),
        event_service.asking_for_many(viewer=viewer, event_ids=[one for one, _, _ in events_near]),
    )
    seen, told = shown.joinable(found[0]), event_service.by_id(found[1])
    return (
        [
            MatchedConnector(connector=seen[one], score=score, reason=why)
            for one, score, why in connectors_near
            if one in seen
        ],
        [MatchedEvent(event=told[one], score=score, reason=why) for one, score, why in events_near if one in told],
    )


def _by_areas(cell: str, rows: Sequence[Any], *, limit: int) -> list[Found]:
    """Return what was found around the middle of a cell, the areas next to it first."""
    resolution, found = h3.get_resolution(cell), []
    for row in rows:
        away = _areas_away(cell, h3.latlng_to_cell(row.latitude, row.longitude, resolution))
        found.append((row.id, 1 / (1 + away), _REASONS[away] if away < len(_REASONS) else _FURTHER))
    # What is equally many areas away is in no order that would tell how far.
    return sorted(found, key=lambda one: (-one[1], one[0]))[:limit]


def _areas_away(cell: str, other: str) -> int:
    try:
        return int(h3.grid_distance(cell, other))
    except h3.H3BaseException:  # Across one of the grid's twelve pentagons nobody counts.
        return len(_REASONS)


async def _with_neighbours(
    session: AsyncSession, redis: Redis, viewer: Viewer, *, limit: int
) -> list[MatchedConnector]:
    """Return those that most of the viewer's neighbours are in."""
    if not viewer.neighborhood:
        return []
    ids = await OF_NEIGHBOURS.read(session, redis, owner=viewer.neighborhood)
    found = await shown.to_join(session, viewer=viewer, ids=ids, limit=limit)
    return [
        MatchedConnector(connector=one, score=1 / place, reason=_NEIGHBOURS)
        for place, one in enumerate(found.values(), start=1)
    ]
