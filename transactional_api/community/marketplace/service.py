"""Items: creation, listing and changes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, any_, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.connectors import service as connectors
from transactional_api.community.connectors.access import lock_shared
from transactional_api.community.connectors.schemas import Role
from transactional_api.community.marketplace import queries
from transactional_api.community.marketplace.currencies import quantize_price
from transactional_api.community.marketplace.schemas import (
    Condition,
    ItemBody,
    ItemCategories,
    ItemCategory,
    ItemOut,
    ItemPatch,
    ItemStatus,
    NewItem,
)
from transactional_api.core.compiled_queries import IDS, VIEWER_PLACEHOLDER
from transactional_api.core.db.statements import CompiledStatement, StatementRunner
from transactional_api.core.db.tables import Connector, ItemView, MarketplaceItem
from transactional_api.core.db.text_matching import contains
from transactional_api.core.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.core.geography import Near, Point, within
from transactional_api.core.media.references import references_to
from transactional_api.core.moderation import SubjectKind, request_screening
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.core.webhooks import WebhookEvent, publish

MAX_CATEGORIES = 200
_ITEMS_BY_ID = CompiledStatement(queries.visible_to(VIEWER_PLACEHOLDER).where(MarketplaceItem.id == any_(IDS)))


class ItemSoldError(Problem):
    """The item is sold and can no longer be changed."""

    status, code, title = 409, "item_sold", "This item is sold"


@dataclass(frozen=True, slots=True)
class ItemAccess:
    """A visible item's seller and the viewer's role."""

    seller_id: UUID
    is_seller: bool
    role: Role | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """Filters of a list of items; None does not filter."""

    connector_id: UUID | None = None
    seller_id: UUID | None = None
    category: str | None = None
    condition: Condition | None = None
    status: ItemStatus | None = None
    currency: str | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    query: str | None = None
    near: Near | None = None
    ids: Sequence[UUID] | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the filters as SQL conditions."""
        item, conditions = MarketplaceItem, []
        for column, value in (
            (item.connector_id, self.connector_id),
            (item.seller_id, self.seller_id),
            (item.category, self.category),
            (item.condition, self.condition),
            (queries.STATUS, self.status),
            (item.currency, self.currency),
        ):
            if value is not None:
                conditions.append(column == value)
        if self.min_price is not None:
            conditions.append(item.price >= self.min_price)
        if self.max_price is not None:
            conditions.append(item.price <= self.max_price)
        if self.query:
            conditions.append(or_(contains(item.title, self.query), contains(item.description, self.query)))
        if self.ids is not None:
            conditions.append(item.id.in_(self.ids))
        if self.near:
            conditions.append(within(item.latitude, item.longitude, self.near))
        return conditions


async def create(session: AsyncSession, *, viewer: Viewer, body: NewItem) -> ItemOut:
    """Offer an item in a connector that the viewer is a member of.

    Raises:
        NotFoundError: the viewer cannot see the connector.
        ForbiddenError: they are not a member of it.
    """
    await lock_shared(session, connector_id=body.connector_id)
    connector = await connectors.get(session, viewer=viewer, connector_id=body.connector_id)
    if connector.role is None:
        raise ForbiddenError("Join the connector to offer an item in it")
    columns = await _columns(session, viewer=viewer, body=body)
    item_id = await session.scalar(
        insert(MarketplaceItem)
        .values(connector_id=body.connector_id, seller_id=viewer.id, **columns)
        .returning(MarketplaceItem.id)
    )
    assert item_id is not None  # noqa: S101 (the insert returned it)
    await request_screening(session, SubjectKind.ITEM, item_id)
    await publish(session, WebhookEvent.ITEM_CREATED, [item_id])
    return await get(session, viewer=viewer, item_id=item_id)


async def get(session: AsyncSession, *, viewer: Viewer, item_id: UUID) -> ItemOut:
    """Return an item; raises ``NotFoundError`` if the viewer cannot see it."""
    row = (await session.execute(queries.visible_to(viewer).where(MarketplaceItem.id == item_id))).one_or_none()
    if row is None:
        raise NotFoundError
    return _out(row, viewer=viewer)


async def get_many(runner: StatementRunner, *, viewer: Viewer, item_ids: Sequence[UUID]) -> dict[UUID, ItemOut]:
    """Return the items that the viewer can see, by id."""
    rows = await _ITEMS_BY_ID.all(runner, viewer_id=viewer.id, ids=list(item_ids)) if item_ids else []
    return {row.id: _out(row, viewer=viewer) for row in rows}


async def list_items(
    session: AsyncSession, *, viewer: Viewer, page: PageRequest, item_filter: ItemFilter
) -> Page[ItemOut]:
    """List items of sellers who are not suspended, newest first.

    Raises:
        NotFoundError: the viewer cannot see the connector of the filter.
    """
    if item_filter.connector_id is not None:
        await connectors.get(session, viewer=viewer, connector_id=item_filter.connector_id)
    statement = queries.visible_to(viewer).where(queries.seller_is_active(), *item_filter.conditions())
    rows = (
        await session.execute(page.select(statement, at=MarketplaceItem.created_at, row_id=MarketplaceItem.id))
    ).all()
    return page.of(rows, lambda row: _out(row, viewer=viewer))


async def categories(session: AsyncSession, *, viewer: Viewer) -> ItemCategories:
    """Count the available items that the viewer can see by category, largest first."""
    count = func.count()
    rows = await session.execute(
        select(MarketplaceItem.category, count.label("item_count"))
        .join(Connector, Connector.id == MarketplaceItem.connector_id)
        .where(queries.may_see(viewer), queries.seller_is_active(), queries.STATUS == ItemStatus.AVAILABLE)
        .group_by(MarketplaceItem.category)
        .order_by(count.desc(), MarketplaceItem.category.collate("C"))
        .limit(MAX_CATEGORIES)
    )
    return ItemCategories(items=[ItemCategory(category=row.category, item_count=row.item_count) for row in rows])


async def record_view(session: AsyncSession, *, viewer: Viewer, item_id: UUID) -> None:
    """Count a view of an item once for each user; sellers and users with an unverified address do not count.

    Views that do not count have no row, so that erasure subtracts exactly the counted ones.
    """
    access = await get_item_access(session, viewer=viewer, item_id=item_id)
    if access.is_seller or not viewer.verified:
        return
    view_id = await session.scalar(
        upsert(ItemView).values(item_id=item_id, user_id=viewer.id).on_conflict_do_nothing().returning(ItemView.id)
    )
    if view_id is not None:
        await session.execute(
            update(MarketplaceItem)
            .where(MarketplaceItem.id == item_id)
            .values(views_count=MarketplaceItem.views_count + 1)
            .execution_options(synchronize_session=False)
        )


async def replace(session: AsyncSession, *, viewer: Viewer, item_id: UUID, body: ItemBody) -> ItemOut:
    """Replace the editable fields of an item.

    Raises:
        ForbiddenError: the viewer is not the seller.
        ItemSoldError: the item is sold.
    """
    if not (await get_item_access(session, viewer=viewer, item_id=item_id)).is_seller:
        raise ForbiddenError("Only the seller can change an item")
    item = await lock(session, item_id=item_id)
    if item.status == ItemStatus.SOLD:
        raise ItemSoldError
    for name, value in (await _columns(session, viewer=viewer, body=body, present=item.media_ids)).items():
        setattr(item, name, value)
    item.updated_at = datetime.now(UTC)
    await session.flush()
    await request_screening(session, SubjectKind.ITEM, item_id)
    return await get(session, viewer=viewer, item_id=item_id)


async def change(session: AsyncSession, *, viewer: Viewer, item_id: UUID, patch: ItemPatch) -> ItemOut:
    """Replace the fields that a patch has; raises what ``replace`` does.

    The route has locked the row.
    """
    present = await get(session, viewer=viewer, item_id=item_id)
    body = patch.applied_to(present, body=ItemBody)
    return await replace(session, viewer=viewer, item_id=item_id, body=body)


async def get_item_access(session: AsyncSession, *, viewer: Viewer, item_id: UUID, or_own: bool = False) -> ItemAccess:
    """Return the viewer's access to an item.

    Raises:
        NotFoundError: the viewer cannot see it (nor sells or reserved it, with ``or_own``).
    """
    row = (await session.execute(queries.with_role(viewer, item_id=item_id, or_own=or_own))).one_or_none()
    if row is None:
        raise NotFoundError
    return ItemAccess(row.seller_id, row.seller_id == viewer.id, Role(row.role) if row.role else None)


async def lock(session: AsyncSession, *, item_id: UUID, or_withdrawn: bool = False) -> MarketplaceItem:
    """Lock the row of an item until the transaction ends; raises ``NotFoundError`` if it is withdrawn."""
    statement = select(MarketplaceItem).where(MarketplaceItem.id == item_id).with_for_update(key_share=True)
    item: MarketplaceItem | None = await session.scalar(statement.execution_options(populate_existing=True))
    if item is None or not (item.is_active or or_withdrawn):
        raise NotFoundError
    return item


async def _columns(
    session: AsyncSession, *, viewer: Viewer, body: ItemBody, present: Collection[str] = ()
) -> dict[str, Any]:
    media_ids = await references_to(
        session, viewer=viewer, media_ids=body.media_ids, links=body.images, present=present
    )
    return body.model_dump(exclude={"point", "connector_id", "images"}) | {
        "media_ids": media_ids,
        "images": [],
        "price": quantize_price(body.price, body.currency),
        "latitude": body.point.latitude if body.point else None,
        "longitude": body.point.longitude if body.point else None,
    }


def _out(row: Any, *, viewer: Viewer) -> ItemOut:
    values = row._asdict()
    latitude, longitude = values.pop("latitude"), values.pop("longitude")
    del values["seller_id"], values["images"]  # ``images`` has links of an earlier release.
    reserved = values["status"] == ItemStatus.RESERVED
    reserved_by = values.pop("reserved_by")
    values["reserved_until"] = values["reserved_until"] if reserved else None
    return ItemOut(
        **values,
        point=Point(latitude=latitude, longitude=longitude) if latitude is not None else None,
        reserved_by_viewer=reserved and reserved_by == viewer.id,
    )
