"""Connectors and events near a person's home, told in cells: how many areas away, never in metres.

The home is known here as its H3 cell alone; what is near is counted from the middle of that cell, so that no list of
answers leads back to a house.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import h3
from redis.asyncio import Redis
from sqlalchemy import ColumnElement, Select, any_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors.schemas import ConnectorOut
from transactional_api.db.plain import Ready, in_one_trip
from transactional_api.db.tables import Connector, ConnectorMember, Event, User
from transactional_api.events import queries as events
from transactional_api.events import service as event_service
from transactional_api.events.schemas import EventOut
from transactional_api.hot import OWNING_PLACE, HotList, Owner
from transactional_api.matching import shown
from transactional_api.matching.schemas import MatchedConnector, MatchedEvent
from transactional_api.places import SOMEWHERE, Near, distance, within
from transactional_api.prepared import IDS, MOST, SOMEONE

RADIUS_METRES = 10_000
CANDIDATES = 100
NEIGHBOURS = 1_000
KEPT_SECONDS = 60
NEIGHBOURS_KEPT_SECONDS = 600
_REASONS = ("same_area", "next_area")
_FURTHER = "few_areas_away"
_NEIGHBOURS = "neighbours_are_in_it"

_AREA = Near.model_construct(point=SOMEWHERE, radius=RADIUS_METRES)

Placed = TypeVar("Placed", ConnectorOut, EventOut)


def _middle_of(cell: Owner) -> dict[str, Any]:
    latitude, longitude = h3.cell_to_latlng(str(cell))
    return {"near_latitude": latitude, "near_longitude": longitude}


def _around(kind: str, what: Any, *conditions: ColumnElement[bool]) -> HotList:
    """Name what is around the middle of a cell, whoever may see it, the nearest first: the same for all who live there.

    In a dense town that is thousands to measure and to put in order, several times what it costs to look at the first
    hundred for a viewer.
    """
    return HotList.of(
        f"cell:{{}}:{kind}",
        _nearest(select(what.id), what).where(within(what.latitude, what.longitude, _AREA), *conditions),
        kept_seconds=KEPT_SECONDS,
        parameters=_middle_of,
    )


def _nearest(statement: Select[Any], what: Any) -> Select[Any]:
    metres = distance(what.latitude, what.longitude, SOMEWHERE)
    return statement.where(what.is_active.is_(True)).order_by(metres, what.id).limit(CANDIDATES)


# Of the others, one sees only those that one is in already.
CONNECTORS_AROUND = _around("connectors", Connector, Connector.is_public.is_(True))
_IS_AHEAD = Event.start_date > func.now()
_OF_A_PUBLIC_ONE = select(Connector.id).where(Connector.is_public.is_(True))
EVENTS_AROUND = _around("events", Event, _IS_AHEAD, Event.connector_id.in_(_OF_A_PUBLIC_ONE))
# What a closed connector plans only its members see: it takes the place of nothing in what is kept for everybody.
# Asked without the box around the point: of one person's connectors there is little to measure, of the area much.
_AMONG_OURSELVES = _nearest(
    select(Event.id)
    .join(Connector, Connector.id == Event.connector_id)
    .join(ConnectorMember, ConnectorMember.connector_id == Connector.id)
    .where(ConnectorMember.user_id == SOMEONE.id, Connector.is_public.is_(False), _IS_AHEAD)
    .where(distance(Event.latitude, Event.longitude, SOMEWHERE) <= RADIUS_METRES),
    Event,
)
_TO_COME = Ready(
    events.visible_to(SOMEONE)
    .where(
        Event.id == any_(func.array_cat(IDS, func.array(_AMONG_OURSELVES.correlate(None).scalar_subquery()))),
        Event.is_active.is_(True),
        _IS_AHEAD,
    )
    .order_by(distance(Event.latitude, Event.longitude, SOMEWHERE), Event.id)
    .limit(MOST)
)
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
    kept_seconds=NEIGHBOURS_KEPT_SECONDS,
)
"""Connectors that most people of a neighbourhood are in; where these are many, those who came last."""


async def near(
    session: AsyncSession, redis: Redis, *, viewer: Viewer, limit: int
) -> tuple[list[MatchedConnector], list[MatchedEvent]]:
    """Match connectors that the viewer is not in, and events to come; at most ``limit`` of each.

    Without a home there are no events, and the connectors are those where the viewer's neighbours are.
    """
    home = await _HOME.one_or_none(session, viewer_id=viewer.id)
    if home is None or home.home_cell is None:
        return await _with_neighbours(session, redis, viewer, limit=limit), []
    cell: str = home.home_cell
    connectors_around = await CONNECTORS_AROUND.read(session, redis, owner=cell)
    events_around = await EVENTS_AROUND.read(session, redis, owner=cell)
    to_join, to_come = await in_one_trip(
        session,
        shown.asking_to_join(viewer=viewer, ids=connectors_around, limit=limit),
        (_TO_COME, {"viewer_id": viewer.id, "ids": events_around, "most": limit, **_middle_of(cell)}),
    )
    return (
        [
            MatchedConnector(connector=one, score=score, reason=why)
            for one, score, why in _by_areas(cell, shown.joinable(to_join).values())
        ],
        [
            MatchedEvent(event=one, score=score, reason=why)
            for one, score, why in _by_areas(cell, event_service.by_id(to_come).values())
        ],
    )


def _by_areas(cell: str, found: Iterable[Placed]) -> list[tuple[Placed, float, str]]:
    """Return what is around a cell with a score and a reason, the areas next to it first."""
    resolution, told = h3.get_resolution(cell), []
    for one in found:
        if one.point is not None:  # It may have been taken away since it was found.
            away = _areas_away(cell, h3.latlng_to_cell(one.point.latitude, one.point.longitude, resolution))
            told.append((one, 1 / (1 + away), _REASONS[away] if away < len(_REASONS) else _FURTHER))
    # What is equally many areas away is in no order that would tell how far.
    return sorted(told, key=lambda each: (-each[1], each[0].id))


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
