"""Looking up recommended items: only what the viewer may see, and nothing own, joined or hidden."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import ARRAY, Uuid, any_, literal
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.events import ItemKind
from transactional_api.auth import Viewer
from transactional_api.connectors.schemas import ConnectorOut
from transactional_api.db.tables import Connector, Post
from transactional_api.posts.schemas import PostOut
from transactional_api.recommendations import queries

ItemT = TypeVar("ItemT", bound=BaseModel)
# One parameter however many ids, so that the statement stays the same.
IDS = ARRAY(Uuid())


@dataclass(frozen=True, slots=True)
class Shelf(Generic[ItemT]):
    """One kind of item and how to take some from it by id; what may not be recommended is not in the result."""

    kind: ItemKind
    look_up: Callable[[AsyncSession, Viewer, Sequence[UUID]], Awaitable[dict[UUID, ItemT]]]


async def _posts(session: AsyncSession, viewer: Viewer, ids: Sequence[UUID]) -> dict[UUID, PostOut]:
    rows = await session.execute(queries.recommendable_posts(viewer).where(Post.id == any_(literal(ids, IDS))))
    return {row.id: PostOut.model_validate(row, from_attributes=True) for row in rows}


async def _connectors(session: AsyncSession, viewer: Viewer, ids: Sequence[UUID]) -> dict[UUID, ConnectorOut]:
    rows = await session.scalars(
        queries.recommendable_connectors(viewer).where(Connector.id == any_(literal(ids, IDS)))
    )
    return {row.id: ConnectorOut.model_validate(row) for row in rows}


POSTS = Shelf(ItemKind.POST, _posts)
CONNECTORS = Shelf(ItemKind.CONNECTOR, _connectors)
