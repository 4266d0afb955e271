"""Items: offering, finding, changing and withdrawing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors import service as connectors
from transactional_api.connectors.schemas import TENDS, Role
from transactional_api.db.tables import Connector, ItemView, MarketplaceItem
from transactional_api.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.marketplace import queries
from transactional_api.marketplace.schemas import (
    Condition,
    ItemBody,
    ItemCategories,
    ItemCategory,
    ItemOut,
    ItemStatus,
    NewItem,
)
from transactional_api.moderation import screening
from transactional_api.moderation.schemas import SubjectKind
from transactional_api.paging import Page, PageRequest
from transactional_api.places import Near, Point, within
from transactional_api.text import contains_pattern

MAX_CATEGORIES = 200


class ItemSoldError(Problem):
    """The item was sold, so it stays as it was."""

    status, code, title = 409, "item_sold", "This item was sold"


@dataclass(frozen=True, slots=True)
class Access:
    """An item that the viewer may see, and what they are to it."""

    seller_id: UUID
    is_seller: bool
    role: Role | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """What a list of items is narrowed to; None narrows nothing."""

    connector_id: UUID | None = None
    seller_id: UUID | None = None
    category: str | None = None
    condition: Condition | None = None
    status: ItemStatus | None = None
    currency: str | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    words: str | None = None
    near: Near | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the filter as SQL."""
        item, found = MarketplaceItem, []
        for column, value in (
            (item.connector_id, self.connector_id),
            (item.seller_id, self.seller_id),
            (item.category, self.category),
            (item.condition, self.condition),
            (queries.STATUS, self.status),
            (item.currency, self.currency),
        ):
            if value is not None:
                found.append(column == value)
        if self.min_price is not None:
            found.append(item.price >= self.min_price)
        if self.max_price is not None:
            found.append(item.price <= self.max_price)
        if self.words:
            pattern = contains_pattern(self.words)
            found.append(or_(item.title.ilike(pattern), item.description.ilike(pattern)))
        if self.near:
            found.append(within(item.latitude, item.longitude, self.near))
        return found


async def create(session: AsyncSession, *, viewer: Viewer, body: NewItem) -> ItemOut:
    """Offer an item in a connector that the viewer belongs to.

    Raises:
        NotFoundError: when the viewer may not see the connector.
        ForbiddenError: when they see it but do not belong to it.
    """
    connector = await connectors.get(session, viewer=viewer, connector_id=body.connector_id)
    if connector.role is None:
        raise ForbiddenError("Join the connector to offer something in it")
    item_id = await session.scalar(
        insert(MarketplaceItem)
        .values(connector_id=body.connector_id, seller_id=viewer.id, **_columns(body))
        .returning(MarketplaceItem.id)
    )
    assert item_id is not None  # noqa: S101 (the insert returned it)
    await screening.screen(session, SubjectKind.ITEM, item_id)
    return await get(session, viewer=viewer, item_id=item_id)


async def get(session: AsyncSession, *, viewer: Viewer, item_id: UUID) -> ItemOut:
    """Return an item; raises ``NotFoundError`` when the viewer may not see it."""
    row = (await session.execute(queries.visible_to(viewer).where(MarketplaceItem.id == item_id))).one_or_none()
    if row is None:
        raise NotFoundError
    return _out(row, viewer=viewer)


async def get_many(session: AsyncSession, *, viewer: Viewer, item_ids: Sequence[UUID]) -> dict[UUID, ItemOut]:
    """Return those items that the viewer may see, by id."""
    rows = await session.execute(queries.visible_to(viewer).where(MarketplaceItem.id.in_(item_ids)))
    return {row.id: _out(row, viewer=viewer) for row in rows}


async def find(session: AsyncSession, *, viewer: Viewer, page: PageRequest, wanted: ItemFilter) -> Page[ItemOut]:
    """List items, the newest first; raises ``NotFoundError`` for a connector that the viewer may not see."""
    if wanted.connector_id is not None:
        await connectors.get(session, viewer=viewer, connector_id=wanted.connector_id)
    statement = queries.visible_to(viewer).where(*wanted.conditions())
    rows = (
        await session.execute(page.select(statement, at=MarketplaceItem.created_at, row_id=MarketplaceItem.id))
    ).all()
    return page.of(rows, lambda row: _out(row, viewer=viewer))


async def categories(session: AsyncSession, *, viewer: Viewer) -> ItemCategories:
    """Count the available items that the viewer may see by category, the largest category first."""
    number = func.count()
    rows = await session.execute(
        select(MarketplaceItem.category, number.label("number"))
        .join(Connector, Connector.id == MarketplaceItem.connector_id)
        .where(queries.may_see(viewer), queries.STATUS == ItemStatus.AVAILABLE)
        .group_by(MarketplaceItem.category)
        .order_by(number.desc(), MarketplaceItem.category)
        .limit(MAX_CATEGORIES)
    )
    return ItemCategories(items=[ItemCategory(category=row.category, items=row.number) for row in rows])


async def see(session: AsyncSession, *, viewer: Viewer, item_id: UUID) -> None:
    """Count that the viewer looked at an item, once; sellers and unconfirmed addresses do not count."""
    found = await access_item(session, viewer=viewer, item_id=item_id)
    if found.is_seller:
        return
    new = await session.scalar(
        upsert(ItemView).values(item_id=item_id, user_id=viewer.id).on_conflict_do_nothing().returning(ItemView.id)
    )
    if new is not None and viewer.verified:
        await session.execute(
            update(MarketplaceItem)
            .where(MarketplaceItem.id == item_id)
            .values(views_count=MarketplaceItem.views_count + 1)
            .execution_options(synchronize_session=False)
        )


async def replace(session: AsyncSession, *, viewer: Viewer, item_id: UUID, body: ItemBody) -> ItemOut:
    """Replace what the seller may write.

    Raises:
        ForbiddenError: for anyone else who may see it.
        ItemSoldError: when it was sold: who bought it bought what was written.
    """
    if not (await access_item(session, viewer=viewer, item_id=item_id)).is_seller:
        raise ForbiddenError("Only its seller may change an item")
    item = await lock(session, item_id=item_id)
    if item.status == ItemStatus.SOLD:
        raise ItemSoldError
    for name, value in _columns(body).items():
        setattr(item, name, value)
    item.updated_at = datetime.now(UTC)
    await session.flush()
    await screening.screen(session, SubjectKind.ITEM, item_id)
    return await get(session, viewer=viewer, item_id=item_id)


async def withdraw(session: AsyncSession, *, viewer: Viewer, item_id: UUID) -> None:
    """Take an item off the market; for its seller and for who tends the connector.

    Raises:
        ItemSoldError: when it was sold; cancel the purchase first.
    """
    found = await access_item(session, viewer=viewer, item_id=item_id)
    if not found.is_seller and found.role not in TENDS:
        raise ForbiddenError("Only its seller, a moderator or an admin may withdraw an item")
    item = await lock(session, item_id=item_id)
    if item.status == ItemStatus.SOLD:
        raise ItemSoldError
    item.is_active = False
    item.updated_at = datetime.now(UTC)
    await session.flush()


async def access_item(session: AsyncSession, *, viewer: Viewer, item_id: UUID) -> Access:
    """Find an item; raises ``NotFoundError`` when the viewer may not see it."""
    row = (await session.execute(queries.with_role(viewer, item_id=item_id))).one_or_none()
    if row is None:
        raise NotFoundError
    return Access(row.seller_id, row.seller_id == viewer.id, Role(row.role) if row.role else None)


async def lock(session: AsyncSession, *, item_id: UUID) -> MarketplaceItem:
    """Lock the row of an item that is not withdrawn until the transaction ends."""
    item: MarketplaceItem | None = await session.scalar(
        select(MarketplaceItem)
        .where(MarketplaceItem.id == item_id, MarketplaceItem.is_active.is_(True))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if item is None:
        raise NotFoundError
    return item


def _columns(body: ItemBody) -> dict[str, Any]:
    return body.model_dump(exclude={"point", "connector_id"}) | {
        "latitude": body.point.latitude if body.point else None,
        "longitude": body.point.longitude if body.point else None,
    }


def _out(row: Any, *, viewer: Viewer) -> ItemOut:
    values = dict(row._mapping)  # noqa: SLF001 (how SQLAlchemy names it)
    latitude, longitude = values.pop("latitude"), values.pop("longitude")
    reserved = values["status"] == ItemStatus.RESERVED
    reserved_by = values.pop("reserved_by")
    values["reserved_until"] = values["reserved_until"] if reserved else None
    return ItemOut(
        **values,
        point=Point(latitude=latitude, longitude=longitude) if latitude is not None else None,
        reserved_by_me=reserved and reserved_by == viewer.id,
    )
