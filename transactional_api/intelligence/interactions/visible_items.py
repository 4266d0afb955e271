"""Items of interactions that the viewer may see, by kind."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.events import ReportableKind
from transactional_api.community.connectors.queries import may_see as may_see_connector
from transactional_api.community.events.queries import may_see as may_see_event
from transactional_api.community.marketplace.queries import may_see as may_see_item
from transactional_api.community.posts.queries import may_see as may_see_post
from transactional_api.community.stories import captions
from transactional_api.community.stories.engagement import Collection as DocumentCollection
from transactional_api.core.db.tables import Connector, Event, MarketplaceItem, Post, User
from transactional_api.core.documents import DocumentStore
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users

Items = set[tuple[ReportableKind, UUID]]

_COLLECTIONS = {ReportableKind.STORY: DocumentCollection.STORIES, ReportableKind.REEL: DocumentCollection.REELS}


async def find_visible(
    session: AsyncSession,
    *,
    viewer: Viewer,
    documents: DocumentStore,
    item_ids: Mapping[ReportableKind, Collection[UUID]],
) -> Items:
    """Return those of the items that the viewer may see."""
    visible = {
        (kind, item_id)
        for kind, ids in item_ids.items()
        if ids and kind not in _COLLECTIONS
        for item_id in (await session.scalars(_statement(viewer, kind, ids))).all()
    }
    for kind, collection in _COLLECTIONS.items():
        if item_ids.get(kind):
            visible |= await _visible_documents(
                session, viewer=viewer, documents=documents, kind=kind, collection=collection, ids=item_ids[kind]
            )
    return visible


def _statement(viewer: Viewer, kind: ReportableKind, ids: Collection[UUID]) -> Select[Any]:
    model: Any
    match kind:
        case ReportableKind.CONNECTOR:
            return select(Connector.id).where(may_see_connector(viewer), Connector.id.in_(ids))
        case ReportableKind.USER:
            return users.visible_to(viewer).with_only_columns(User.id).where(User.id.in_(ids))
        case ReportableKind.POST:
            model, may_see = Post, may_see_post(viewer)
        case ReportableKind.EVENT:
            model, may_see = Event, may_see_event(viewer)
        case _:
            model, may_see = MarketplaceItem, may_see_item(viewer)
    return select(model.id).join(Connector, Connector.id == model.connector_id).where(may_see, model.id.in_(ids))


async def _visible_documents(
    session: AsyncSession,
    *,
    viewer: Viewer,
    documents: DocumentStore,
    kind: ReportableKind,
    collection: DocumentCollection,
    ids: Collection[UUID],
) -> Items:
    """Return the stories or reels whose connector and author the viewer may see and that moderation does not hide."""
    stored = await documents.get_many(collection, document_ids=ids)
    if not stored:
        return set()
    connectors = {UUID(document.document["connector_id"]) for document in stored.values()}
    authors = {UUID(document.document["author_id"]) for document in stored.values()}
    seen = await find_visible(
        session,
        viewer=viewer,
        documents=documents,
        item_ids={ReportableKind.CONNECTOR: connectors, ReportableKind.USER: authors},
    )
    hidden = await captions.hidden_of(session, set(stored))
    return {
        (kind, item_id)
        for item_id, document in stored.items()
        if item_id not in hidden
        and (ReportableKind.CONNECTOR, UUID(document.document["connector_id"])) in seen
        and (ReportableKind.USER, UUID(document.document["author_id"])) in seen
    }
