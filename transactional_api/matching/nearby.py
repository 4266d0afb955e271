"""Connectors and events near a person's home, told in cells: how many areas away, never in metres.

The home is known here as its H3 cell alone; what is near is counted from the middle of that cell, so that no list of
answers leads back to a house.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import h3
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors import queries as connectors
from transactional_api.connectors.schemas import ConnectorOut
from transactional_api.db.tables import Connector, ConnectorMember, Event, User
from transactional_api.events import queries as events
from transactional_api.events import service as event_service
from transactional_api.matching.schemas import MatchedConnector, MatchedEvent
from transactional_api.places import Near, Point, distance, within

RADIUS_METRES = 10_000
CANDIDATES = 100
_REASONS = ("same_area", "next_area")
_FURTHER = "few_areas_away"
_NEIGHBOURS = "neighbours_are_in_it"

Found = tuple[UUID, float, str]
"""An id, a score and a reason."""


async def near(
    session: AsyncSession, *, viewer: Viewer, limit: int
) -> tuple[list[MatchedConnector], list[MatchedEvent]]:
    """Match connectors that the viewer is not in, and events to come; at most ``limit`` of each.

    Without a home there are no events, and the connectors are those where the viewer's neighbours are.
    """
    cell = await session.scalar(select(User.home_cell).where(User.id == viewer.id))
    return (
        await _connectors(session, viewer=viewer, cell=cell, limit=limit),
        await _events(session, viewer=viewer, cell=cell, limit=limit) if cell else [],
    )


async def _connectors(session: AsyncSession, *, viewer: Viewer, cell: str | None, limit: int) -> list[MatchedConnector]:
    wanted = connectors.visible_to(viewer).where(~connectors.is_member(viewer))
    if cell is None:
        return await _with_neighbours(session, wanted, viewer, limit=limit)
    found = await _around(session, wanted, Connector, cell, limit=limit)
    whole = connectors.visible_to(viewer).where(Connector.id.in_([one for one, _, _ in found]))
    shown = {row.id: ConnectorOut.model_validate(row) for row in await session.scalars(whole)}
    return [
        MatchedConnector(connector=shown[one], score=score, reason=reason)
        for one, score, reason in found
        if one in shown
    ]


async def _events(session: AsyncSession, *, viewer: Viewer, cell: str, limit: int) -> list[MatchedEvent]:
    wanted = events.visible_to(viewer).where(Event.is_active.is_(True), Event.start_date > func.now())
    found = await _around(session, wanted, Event, cell, limit=limit)
    shown = await event_service.get_many(session, viewer=viewer, event_ids=[one for one, _, _ in found])
    return [MatchedEvent(event=shown[one], score=score, reason=reason) for one, score, reason in found if one in shown]


async def _around(session: AsyncSession, wanted: Select[Any], what: Any, cell: str, *, limit: int) -> list[Found]:
    """Return what is around the middle of a cell, the areas next to it first."""
    latitude, longitude = h3.cell_to_latlng(cell)
    middle = Point(latitude=latitude, longitude=longitude)
    asked = (
        wanted.with_only_columns(what.id, what.latitude, what.longitude)
        .where(within(what.latitude, what.longitude, Near(point=middle, radius=RADIUS_METRES)))
        .order_by(distance(what.latitude, what.longitude, middle), what.id)
        .limit(CANDIDATES)
    )
    resolution = h3.get_resolution(cell)
    found = []
    for row in await session.execute(asked):
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
    session: AsyncSession, wanted: Select[Any], viewer: Viewer, *, limit: int
) -> list[MatchedConnector]:
    """Return those that most of the viewer's neighbours are in."""
    if not viewer.neighborhood:
        return []
    number = func.count(ConnectorMember.id)
    neighbours = select(User.id).where(User.neighborhood == viewer.neighborhood, User.is_active.is_(True))
    inside = (
        select(ConnectorMember.connector_id, number.label("number"))
        .where(ConnectorMember.user_id.in_(neighbours.limit(CANDIDATES)))
        .group_by(ConnectorMember.connector_id)
        .order_by(number.desc(), ConnectorMember.connector_id)
        .limit(CANDIDATES)
        .subquery()
    )
    most = (
        wanted.add_columns(inside.c.number)
        .join(inside, inside.c.connector_id == Connector.id)
        .order_by(inside.c.number.desc(), Connector.id)
        .limit(limit)
    )
    return [
        MatchedConnector(connector=ConnectorOut.model_validate(connector), score=float(shared), reason=_NEIGHBOURS)
        for connector, shared in await session.execute(most)
    ]
