"""Looking up recommended items: only what the viewer may see, and nothing own, joined or hidden."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import any_
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.events import ItemKind
from transactional_api.auth import Viewer
from transactional_api.connectors import queries as connectors
from transactional_api.connectors.schemas import ConnectorOut
from transactional_api.db.plain import Ready
from transactional_api.db.tables import Connector, Post
from transactional_api.posts.schemas import PostOut
from transactional_api.prepared import IDS, SOMEONE
from transactional_api.recommendations import queries

ItemT = TypeVar("ItemT", bound=BaseModel)
_POSTS = Ready(queries.recommendable_posts(SOMEONE).where(Post.id == any_(IDS)))
_CONNECTORS = Ready(connectors.shown(queries.recommendable_connectors(SOMEONE)).where(Connector.id == any_(IDS)))


@dataclass(frozen=True, slots=True)
class Shelf(Generic[ItemT]):
    """One kind of item and how to take some from it by id; what may not be recommended is not in the result."""

    kind: ItemKind
    look_up: Callable[[AsyncSession, Viewer, Sequence[UUID]], Awaitable[dict[UUID, ItemT]]]


async def _posts(session: AsyncSession, viewer: Viewer, ids: Sequence[UUID]) -> dict[UUID, PostOut]:
    rows = await _POSTS.all(session, viewer_id=viewer.id, ids=list(ids))
    return {row.id: PostOut.model_validate(row, from_attributes=True) for row in rows}


async def _connectors(session: AsyncSession, viewer: Viewer, ids: Sequence[UUID]) -> dict[UUID, ConnectorOut]:
    rows = await _CONNECTORS.all(session, viewer_id=viewer.id, ids=list(ids))
    return {row.id: ConnectorOut.model_validate(row) for row in rows}


POSTS = Shelf(ItemKind.POST, _posts)
CONNECTORS = Shelf(ItemKind.CONNECTOR, _connectors)
