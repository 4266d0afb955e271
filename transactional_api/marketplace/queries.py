"""Which items, purchases and seller reviews a viewer may see; the only way to load one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select

from transactional_api.auth import Viewer
from transactional_api.connectors import queries as connectors
from transactional_api.db.tables import Connector, ConnectorMember, MarketplaceItem, Purchase, SellerReview, User
from transactional_api.marketplace.schemas import ItemStatus
from transactional_api.users import queries as users

LAPSED = and_(MarketplaceItem.status == ItemStatus.RESERVED, MarketplaceItem.reserved_until <= func.now())
"""Whether the item's reservation is over."""
STATUS: ColumnElement[str] = case((LAPSED, literal(ItemStatus.AVAILABLE.value)), else_=MarketplaceItem.status)
"""The status as it is at this moment."""


def may_see(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer may see the item and connector of the enclosing statement."""
    return (
        MarketplaceItem.is_active.is_(True)
        & connectors.may_see(viewer)
        & users.not_blocked(viewer, MarketplaceItem.seller_id)
    )


def visible_to(viewer: Viewer) -> Select[Any]:
    """Return the items that the viewer may see, with all that ``ItemOut`` shows."""
    columns = [column for column in MarketplaceItem.__table__.columns if column.name not in {"status", "is_active"}]
    return (
        select(
            *columns,
            STATUS.label("status"),
            Connector.name.label("connector_name"),
            User.username.label("seller_username"),
        )
        .select_from(MarketplaceItem)
        .join(Connector, Connector.id == MarketplaceItem.connector_id)
        .join(User, User.id == MarketplaceItem.seller_id)
        .where(may_see(viewer))
    )


def with_role(viewer: Viewer, *, item_id: UUID) -> Select[Any]:
    """Return the seller of an item that the viewer may see, and the viewer's role in its connector."""
    mine = and_(ConnectorMember.connector_id == Connector.id, ConnectorMember.user_id == viewer.id)
    return (
        select(MarketplaceItem.seller_id, ConnectorMember.role)
        .join(Connector, Connector.id == MarketplaceItem.connector_id)
        .outerjoin(ConnectorMember, mine)
        .where(may_see(viewer), MarketplaceItem.id == item_id)
    )


def purchases_of(viewer: Viewer) -> Select[Any]:
    """Return the purchases that the viewer is part of."""
    return (
        select(*Purchase.__table__.columns, MarketplaceItem.title)
        .select_from(Purchase)
        .join(MarketplaceItem, MarketplaceItem.id == Purchase.item_id)
        .where(or_(Purchase.buyer_id == viewer.id, Purchase.seller_id == viewer.id))
    )


def reviews_of(viewer: Viewer, *, seller_id: UUID) -> Select[Any]:
    """Return what buyers whom the viewer may see wrote of a seller."""
    return (
        select(*SellerReview.__table__.columns, User.username.label("buyer_username"))
        .select_from(SellerReview)
        .join(User, User.id == SellerReview.buyer_id)
        .where(
            SellerReview.seller_id == seller_id,
            SellerReview.is_active.is_(True),
            User.is_active.is_(True),
            users.not_blocked(viewer, User.id),
        )
    )
