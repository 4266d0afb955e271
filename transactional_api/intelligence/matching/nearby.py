"""Connectors and events near a user's home, by distance in H3 cells, never in meters.

This module reads only the H3 cell of the home. Distances are measured from the center of the cell, so that responses
do not reveal an address.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import h3
from redis.asyncio import Redis
from sqlalchemy import ColumnElement, Select, any_, func, select

from transactional_api.community.connectors.schemas import ConnectorOut
from transactional_api.community.events import queries as events
from transactional_api.community.events import service as event_service
from transactional_api.community.events.schemas import EventOut
from transactional_api.core.cache import OWNING_NEIGHBORHOOD, CachedIdList, Owner
from transactional_api.core.compiled_queries import IDS, LIMIT, VIEWER_PLACEHOLDER
from transactional_api.core.db.statements import CompiledStatement, Reads
from transactional_api.core.db.tables import Connector, ConnectorMember, Event, User
from transactional_api.core.geography import SOMEWHERE, Near, distance, within
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.matching import candidates
from transactional_api.intelligence.matching.schemas import MatchedConnector, MatchedEvent

RADIUS_METERS = 10_000
CANDIDATES = 100
NEIGHBORS = 1_000
TTL_SECONDS = 60
NEIGHBORS_TTL_SECONDS = 600
_REASONS = ("same_area", "next_area")
_FARTHER = "few_areas_away"
_NEIGHBORS = "neighbors_are_members"

_AREA = Near.model_construct(point=SOMEWHERE, radius=RADIUS_METERS)

Located = TypeVar("Located", ConnectorOut, EventOut)


def _center_of(cell: Owner) -> dict[str, Any]:
    latitude, longitude = h3.cell_to_latlng(str(cell))
    return {"near_latitude": latitude, "near_longitude": longitude}


def _around(kind: str, table: Any, *conditions: ColumnElement[bool]) -> CachedIdList:
    """Cache the ids of rows around the center of a cell, nearest first, before any permission check.

    The list is the same for all residents of the cell. In a dense city, sorting thousands of rows by distance costs
    several times as much as checking the first hundred for a viewer.
    """
    return CachedIdList.of(
        f"cell:{{}}:{kind}",
        _nearest(select(table.id), table).where(within(table.latitude, table.longitude, _AREA), *conditions),
        ttl_seconds=TTL_SECONDS,
        parameters=_center_of,
    )


def _nearest(statement: Select[Any], table: Any) -> Select[Any]:
    meters = distance(table.latitude, table.longitude, SOMEWHERE)
    return statement.where(table.is_active.is_(True)).order_by(meters, table.id).limit(CANDIDATES)


# Private connectors are visible only to their members, who cannot join again.
CONNECTORS_AROUND = _around("connectors", Connector, Connector.is_public.is_(True))
_PUBLIC_CONNECTORS = select(Connector.id).where(Connector.is_public.is_(True))
EVENTS_AROUND = _around("events", Event, events.NOT_OVER, Event.connector_id.in_(_PUBLIC_CONNECTORS))
# Events of private connectors are not in the shared cache. They are selected without the bounding box: the viewer's
# connectors have few events, the area has many.
_EVENTS_OF_PRIVATE_CONNECTORS = _nearest(
    select(Event.id)
    .join(Connector, Connector.id == Event.connector_id)
    .join(ConnectorMember, ConnectorMember.connector_id == Connector.id)
    .where(ConnectorMember.user_id == VIEWER_PLACEHOLDER.id, Connector.is_public.is_(False), events.NOT_OVER)
    .where(distance(Event.latitude, Event.longitude, SOMEWHERE) <= RADIUS_METERS),
    Event,
)
_UPCOMING_EVENTS = CompiledStatement(
    events.visible_to(VIEWER_PLACEHOLDER)
    .where(
        Event.id
        == any_(func.array_cat(IDS, func.array(_EVENTS_OF_PRIVATE_CONNECTORS.correlate(None).scalar_subquery()))),
        events.accepts_rsvps(),
        events.NOT_OVER,
    )
    .order_by(distance(Event.latitude, Event.longitude, SOMEWHERE), Event.id)
    .limit(LIMIT)
)
_HOME = CompiledStatement(select(User.home_cell).where(User.id == VIEWER_PLACEHOLDER.id))
_RECENT_NEIGHBORS = (
    select(User.id)
    .where(User.neighborhood == OWNING_NEIGHBORHOOD, User.is_active.is_(True))
    .order_by(User.created_at.desc())
    .limit(NEIGHBORS)
)
CONNECTORS_OF_NEIGHBORS = CachedIdList.of(
    "neighborhood:{}:connectors",
    select(ConnectorMember.connector_id)
    .where(ConnectorMember.user_id.in_(_RECENT_NEIGHBORS))
    .group_by(ConnectorMember.connector_id)
    .order_by(func.count().desc(), ConnectorMember.connector_id)
    .limit(CANDIDATES),
    ttl_seconds=NEIGHBORS_TTL_SECONDS,
)
"""Connectors by number of members among the most recent ``NEIGHBORS`` users of a neighborhood."""


async def match_nearby(
    reads: Reads, redis: Redis, *, viewer: Viewer, limit: int
) -> tuple[list[MatchedConnector], list[MatchedEvent]]:
    """Match connectors that the viewer can join, and upcoming events; at most ``limit`` of each.

    Without a home there are no events, and the connectors are those of the viewer's neighbors.
    """
    home = await _HOME.one_or_none(reads.runner, viewer_id=viewer.id)
    if home is None or home.home_cell is None:
        return await _connectors_of_neighbors(reads, redis, viewer, limit=limit), []
    cell: str = home.home_cell
    connectors_around = await CONNECTORS_AROUND.get(reads.runner, redis, owner=cell)
    events_around = await EVENTS_AROUND.get(reads.runner, redis, owner=cell)
    connector_rows, event_rows = await reads.runner.fetch_pipelined(
        candidates.joinable_connectors(viewer=viewer, ids=connectors_around, limit=limit),
        (_UPCOMING_EVENTS, {"viewer_id": viewer.id, "ids": events_around, "most": limit, **_center_of(cell)}),
    )
    return (
        [
            MatchedConnector(connector=connector, score=score, reason=reason)
            for connector, score, reason in _by_cell_distance(
                cell, candidates.connectors_by_id(connector_rows).values()
            )
        ],
        [
            MatchedEvent(event=event, score=score, reason=reason)
            for event, score, reason in _by_cell_distance(cell, event_service.by_id(event_rows).values())
        ],
    )


def _by_cell_distance(cell: str, located: Iterable[Located]) -> list[tuple[Located, float, str]]:
    """Return items with score and reason, nearest cells first."""
    resolution, scored = h3.get_resolution(cell), []
    for item in located:
        if item.point is not None:  # It may have been removed since the list was cached.
            cells = _cell_distance(cell, h3.latlng_to_cell(item.point.latitude, item.point.longitude, resolution))
            scored.append((item, 1 / (1 + cells), _REASONS[cells] if cells < len(_REASONS) else _FARTHER))
    # Ties are ordered by id, so that the order does not reveal distances within a cell.
    return sorted(scored, key=lambda entry: (-entry[1], entry[0].id))


def _cell_distance(cell: str, other: str) -> int:
    try:
        return int(h3.grid_distance(cell, other))
    except h3.H3BaseException:  # Not defined across one of the grid's twelve pentagons.
        return len(_REASONS)


async def _connectors_of_neighbors(reads: Reads, redis: Redis, viewer: Viewer, *, limit: int) -> list[MatchedConnector]:
    """Return the connectors with most of the viewer's neighbors."""
    if not viewer.neighborhood:
        return []
    ids = await CONNECTORS_OF_NEIGHBORS.get(reads.runner, redis, owner=viewer.neighborhood)
    connectors = await candidates.load_connectors(reads.runner, viewer=viewer, ids=ids, limit=limit)
    return [
        MatchedConnector(connector=connector, score=1 / rank, reason=_NEIGHBORS)
        for rank, connector in enumerate(connectors.values(), start=1)
    ]
