"""Hydration: load recommended items by id, restricted to what the viewer may see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

import h3
from pydantic import BaseModel
from sqlalchemy import any_

from neighborconnect.contracts.events import ItemKind
from neighborconnect.feed.policy import ranking_policy
from transactional_api.community.connectors import queries as connectors
from transactional_api.community.connectors.schemas import ConnectorOut
from transactional_api.community.events import service as event_service
from transactional_api.community.events.schemas import EventOut
from transactional_api.community.marketplace import service as item_service
from transactional_api.community.marketplace.schemas import ItemOut
from transactional_api.community.posts.schemas import PostOut
from transactional_api.core.compiled_queries import IDS, VIEWER_PLACEHOLDER
from transactional_api.core.db.statements import CompiledStatement, StatementRunner
from transactional_api.core.db.tables import Connector, Event, MarketplaceItem, Post
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.recommendations import queries
from transactional_api.intelligence.recommendations.offers import offered_events, offered_items

ItemT = TypeVar("ItemT", bound=BaseModel)
_PLACES = (Connector.latitude, Connector.longitude, queries.home_cell(VIEWER_PLACEHOLDER).label("home_cell"))
_POSTS = CompiledStatement(
    queries.recommendable_posts(VIEWER_PLACEHOLDER)
    .add_columns(
        Connector.category.label("connector_category"),
        connectors.is_member(VIEWER_PLACEHOLDER).label("is_member"),
        queries.follows(VIEWER_PLACEHOLDER, Post.author_id).label("is_followed"),
        *_PLACES,
    )
    .where(Post.id == any_(IDS))
)
_CONNECTORS = CompiledStatement(
    connectors.select_public_columns(queries.recommendable_connectors(VIEWER_PLACEHOLDER), VIEWER_PLACEHOLDER)
    .add_columns(queries.has_followed_members(VIEWER_PLACEHOLDER).label("is_followed"), *_PLACES)
    .where(Connector.id == any_(IDS))
)
_EVENTS = CompiledStatement(offered_events(VIEWER_PLACEHOLDER).where(Event.id == any_(IDS)))
_ITEMS = CompiledStatement(offered_items(VIEWER_PLACEHOLDER).where(MarketplaceItem.id == any_(IDS)))


@dataclass(frozen=True, slots=True)
class HydratedItem(Generic[ItemT]):
    """Visible item, with the attributes for re-ranking: author, connector, category, age and membership.

    ``prior`` is the factor of what the model does not know of an item (``feed.policy.Priors``).
    """

    item: ItemT
    author: str | None
    connector: str
    category: str
    created_at: datetime | None
    is_outside: bool = False
    """Whether the viewer does not belong to the connector."""
    prior: float = 1.0
    distance_km: float | None = None
    """Distance from the center of the viewer's home cell; None if either place is unknown."""
    is_followed: bool = False
    """Whether the viewer follows the author, host or seller, or a member of the connector."""


@dataclass(frozen=True, slots=True)
class HydrationSource(Generic[ItemT]):
    """Kind of item and its hydration by id; invisible items are not in the result."""

    kind: ItemKind
    hydrate: Callable[[StatementRunner, Viewer, Sequence[UUID]], Awaitable[dict[UUID, HydratedItem[ItemT]]]]


async def _posts(runner: StatementRunner, viewer: Viewer, ids: Sequence[UUID]) -> dict[UUID, HydratedItem[PostOut]]:
    rows = await _POSTS.all(runner, viewer_id=viewer.id, ids=list(ids))
    return {
        row.id: HydratedItem(
            PostOut.model_validate(row, from_attributes=True),
            str(row.author_id),
            str(row.connector_id),
            row.connector_category,
            row.created_at,
            is_outside=not row.is_member,
            prior=_prior(row),
            distance_km=_distance_km(row),
            is_followed=row.is_followed,
        )
        for row in rows
    }


async def _connectors(
    runner: StatementRunner, viewer: Viewer, ids: Sequence[UUID]
) -> dict[UUID, HydratedItem[ConnectorOut]]:
    rows = await _CONNECTORS.all(runner, viewer_id=viewer.id, ids=list(ids))
    # The age of a connector does not affect its rank.
    return {
        row.id: HydratedItem(
            ConnectorOut.model_validate(row),
            None if row.created_by is None else str(row.created_by),
            str(row.id),
            row.category,
            None,
            prior=_prior(row),
            distance_km=_distance_km(row),
            is_followed=row.is_followed,
        )
        for row in rows
    }


async def _events(runner: StatementRunner, viewer: Viewer, ids: Sequence[UUID]) -> dict[UUID, HydratedItem[EventOut]]:
    rows = await _EVENTS.all(runner, viewer_id=viewer.id, ids=list(ids))
    return _offered(rows, await event_service.get_many(runner, viewer=viewer, event_ids=[row.id for row in rows]))


async def _items(runner: StatementRunner, viewer: Viewer, ids: Sequence[UUID]) -> dict[UUID, HydratedItem[ItemOut]]:
    rows = await _ITEMS.all(runner, viewer_id=viewer.id, ids=list(ids))
    return _offered(rows, await item_service.get_many(runner, viewer=viewer, item_ids=[row.id for row in rows]))


def _offered(rows: Sequence[Any], items: Mapping[UUID, ItemT]) -> dict[UUID, HydratedItem[ItemT]]:
    now = datetime.now(UTC)
    return {
        row.id: HydratedItem(
            items[row.id],
            str(row.author_id),
            str(row.connector_id),
            row.category,
            row.published_at,
            is_outside=not row.is_member,
            prior=_prior(
                row, starts_in_days=None if row.starts_at is None else (row.starts_at - now) / timedelta(days=1)
            ),
            distance_km=_distance_km(row),
            is_followed=row.is_followed,
        )
        for row in rows
        if row.id in items
    }


def _prior(row: Any, *, starts_in_days: float | None = None) -> float:
    """Return the multiplier of what the model does not know: the start, the place and whom the viewer follows."""
    return ranking_policy().priors.factor(
        starts_in_days=starts_in_days, distance_km=_distance_km(row), is_followed=row.is_followed
    )


def _distance_km(row: Any) -> float | None:
    """Return the distance from the center of the viewer's home cell; None if either place is unknown."""
    if row.home_cell is None or row.latitude is None:
        return None
    home = h3.cell_to_latlng(row.home_cell)
    return float(h3.great_circle_distance(home, (row.latitude, row.longitude), unit="km"))


POSTS = HydrationSource(ItemKind.POST, _posts)
CONNECTORS = HydrationSource(ItemKind.CONNECTOR, _connectors)
EVENTS = HydrationSource(ItemKind.EVENT, _events)
ITEMS = HydrationSource(ItemKind.ITEM, _items)
