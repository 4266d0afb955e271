"""Titles of the items, people and categories that feedback names, as far as the viewer may see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.community.connectors.queries import may_see as may_see_connector
from transactional_api.community.events.queries import may_see as may_see_event
from transactional_api.community.marketplace.queries import may_see as may_see_item
from transactional_api.community.posts.queries import may_see as may_see_post
from transactional_api.core.db.tables import Connector, Event, MarketplaceItem, Post, User
from transactional_api.core.excerpts import LOOKAHEAD, excerpt
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users

TITLE_LENGTH: Final = 80


async def read_titles(
    session: AsyncSession, *, viewer: Viewer, subjects: Iterable[tuple[str, UUID | None]]
) -> dict[tuple[str, UUID], str]:
    """Return the titles of subjects by kind and id, in one statement.

    An author has the username. Subjects that the viewer may not see any more are left out.
    """
    ids: defaultdict[str, list[UUID]] = defaultdict(list)
    for kind, subject_id in subjects:
        if subject_id is not None:
            ids[kind].append(subject_id)
    rows = (await session.execute(union_all(*_statements(viewer, ids)))).all()
    return {(row.kind, row.id): excerpt(" ".join(row.title.split()), TITLE_LENGTH) for row in rows}


def _statements(viewer: Viewer, ids: Mapping[str, list[UUID]]) -> Iterator[Select[Any]]:
    def titles(kind: str, item_id: InstrumentedAttribute[UUID], title: Any) -> Select[Any]:
        named = select(literal(kind).label("kind"), item_id.label("id"), title.label("title"))
        return named.where(item_id.in_(ids.get(kind, ())))

    beginning = func.left(Post.content, TITLE_LENGTH + LOOKAHEAD)
    yield titles("author", User.id, User.username).where(User.is_active.is_(True), users.not_blocked(viewer, User.id))
    yield titles("connector", Connector.id, Connector.name).where(may_see_connector(viewer))
    for kind, model, title, may_see in (
        ("post", Post, func.coalesce(Post.title, beginning), may_see_post(viewer)),
        ("event", Event, Event.title, may_see_event(viewer)),
        ("item", MarketplaceItem, MarketplaceItem.title, may_see_item(viewer)),
    ):
        yield titles(kind, model.id, title).join(Connector, Connector.id == model.connector_id).where(may_see)
