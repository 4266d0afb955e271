"""Visibility of items, purchases and seller reviews: the statements through which every one is loaded."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select
from sqlalchemy.orm import aliased

from transactional_api.community.connectors import queries as connectors
from transactional_api.community.marketplace.schemas import ItemStatus, PurchaseStatus
from transactional_api.core.db.tables import Connector, ConnectorMember, MarketplaceItem, Purchase, SellerReview, User
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users
from transactional_api.identity.users.people import person_json

LAPSED = and_(MarketplaceItem.status == ItemStatus.RESERVED, MarketplaceItem.reserved_until <= func.now())
"""Whether the item's reservation has expired."""
STATUS: ColumnElement[str] = case((LAPSED, literal(ItemStatus.AVAILABLE.value)), else_=MarketplaceItem.status)
"""Current status of the item, in which an expired reservation counts as available."""


def may_see(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer can see the item and connector of the enclosing statement."""
    return (
        MarketplaceItem.is_active.is_(True)
        & connectors.may_see(viewer)
        & users.not_blocked(viewer, MarketplaceItem.seller_id)
    )


def seller_is_active() -> ColumnElement[bool]:
    """Whether the seller of the item of the enclosing statement is not suspended."""
    return users.not_suspended(MarketplaceItem.seller_id)


def visible_to(viewer: Viewer) -> Select[Any]:
    """Select the items that the viewer can see, with the fields of ``ItemOut``."""
    columns = [
        column
        for column in MarketplaceItem.__table__.columns
        if column.name not in {"status", "is_active", "views_count"}
    ]
    # At most one, because an item has one purchase that is not canceled.
    viewer_purchase = select(func.jsonb_build_object("id", Purchase.id, "status", Purchase.status)).where(
        Purchase.item_id == MarketplaceItem.id,
        Purchase.buyer_id == viewer.id,
        Purchase.status != PurchaseStatus.CANCELLED.value,
    )
    return (
        select(
            *columns,
            STATUS.label("status"),
            Connector.name.label("connector_name"),
            MarketplaceItem.views_count.label("view_count"),
            person_json().label("seller"),
            viewer_purchase.correlate(MarketplaceItem).scalar_subquery().label("viewer_purchase"),
        )
        .select_from(MarketplaceItem)
        .join(Connector, Connector.id == MarketplaceItem.connector_id)
        .join(User, User.id == MarketplaceItem.seller_id)
        .where(may_see(viewer))
    )


def with_role(viewer: Viewer, *, item_id: UUID, or_own: bool = False) -> Select[Any]:
    """Select a visible item's seller, and the viewer's role in its connector.

    With ``or_own``, an item that the viewer sells or reserved is returned even if they can no longer see it.
    """
    viewer_has_part = or_(MarketplaceItem.seller_id == viewer.id, MarketplaceItem.reserved_by == viewer.id)
    visible = or_(may_see(viewer), viewer_has_part) if or_own else may_see(viewer)
    viewer_membership = and_(ConnectorMember.connector_id == Connector.id, ConnectorMember.user_id == viewer.id)
    return (
        select(MarketplaceItem.seller_id, ConnectorMember.role)
        .join(Connector, Connector.id == MarketplaceItem.connector_id)
        .outerjoin(ConnectorMember, viewer_membership)
        .where(visible, MarketplaceItem.id == item_id)
    )


def purchases_of(viewer: Viewer) -> Select[Any]:
    """Select the purchases in which the viewer is buyer or seller; the other side is null across a block."""
    buyer, seller = aliased(User), aliased(User)
    shown = [
        case((users.not_blocked(viewer, side.id), person_json(side))).label(name)
        for name, side in (("buyer", buyer), ("seller", seller))
    ]
    return (
        select(*Purchase.__table__.columns, MarketplaceItem.title, *shown)
        .select_from(Purchase)
        .join(MarketplaceItem, MarketplaceItem.id == Purchase.item_id)
        .join(buyer, buyer.id == Purchase.buyer_id)
        .join(seller, seller.id == Purchase.seller_id)
        .where(or_(Purchase.buyer_id == viewer.id, Purchase.seller_id == viewer.id))
    )


def reviews_of(viewer: Viewer, *, seller_id: UUID) -> Select[Any]:
    """Select the reviews of a seller by buyers whom the viewer can see."""
    return (
        select(*SellerReview.__table__.columns, person_json().label("author"))
        .select_from(SellerReview)
        .join(User, User.id == SellerReview.buyer_id)
        .where(
            SellerReview.seller_id == seller_id,
            SellerReview.is_active.is_(True),
            User.is_active.is_(True),
            users.not_blocked(viewer, User.id),
        )
    )
