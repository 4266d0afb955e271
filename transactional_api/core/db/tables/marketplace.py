"""Marketplace: items, views, purchases and reviews of sellers."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import (
    Active,
    Base,
    Counter,
    CreatedAt,
    MediaIds,
    RowId,
    Str200,
    UpdatedAt,
    media_index,
)

PRICE = Numeric()
"""A price with the number of decimals of its currency, which the API validates."""


class MarketplaceItem(Base):
    """An item for sale. ``is_active`` is false once it is withdrawn.

    A reservation ends at ``reserved_until``, even if ``status`` is still ``reserved``.
    """

    __tablename__ = "marketplace_items"

    id: Mapped[RowId]
    connector_id: Mapped[UUID] = mapped_column(ForeignKey("connectors.id", ondelete="CASCADE"))
    seller_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    title: Mapped[Str200]
    description: Mapped[str | None]
    price: Mapped[Decimal] = mapped_column(PRICE)
    category: Mapped[str] = mapped_column(String(100))
    condition: Mapped[str | None] = mapped_column(String(50))
    images: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    status: Mapped[str] = mapped_column(String(20), server_default=text("'available'"))
    views_count: Mapped[Counter]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    is_active: Mapped[Active]
    currency: Mapped[str] = mapped_column(String(3), server_default=text("'USD'"))
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    reserved_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    reserved_until: Mapped[datetime | None]
    media_ids: Mapped[MediaIds]

    __table_args__ = (
        media_index("marketplace_items"),
        CheckConstraint("status IN ('available', 'reserved', 'sold')", name="status"),
        CheckConstraint("price >= 0", name="price"),
        CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name="point"),
        Index("ix_marketplace_items_connector_id_created_at_id", "connector_id", "created_at", "id"),
        Index("ix_marketplace_items_seller_id_created_at_id", "seller_id", "created_at", "id"),
        Index("ix_marketplace_items_category_created_at_id", "category", "created_at", "id"),
        Index("ix_marketplace_items_created_at_id", "created_at", "id"),
        Index("ix_marketplace_items_latitude", "latitude"),
        *(
            Index(
                f"ix_marketplace_items_{name}_words",
                name,
                postgresql_using="gin",
                postgresql_ops={name: "gin_trgm_ops"},
            )
            for name in ("title", "description")
        ),
    )


class ItemView(Base):
    """A view of an item, once per user."""

    __tablename__ = "marketplace_item_views"

    id: Mapped[RowId]
    item_id: Mapped[UUID] = mapped_column(ForeignKey("marketplace_items.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt]

    __table_args__ = (UniqueConstraint("item_id", "user_id"),)


class Purchase(Base):
    """A purchase: ``agreed``, then ``completed`` by the seller or ``cancelled`` by either; at most one per item."""

    __tablename__ = "marketplace_purchases"

    id: Mapped[RowId]
    item_id: Mapped[UUID] = mapped_column(ForeignKey("marketplace_items.id", ondelete="CASCADE"), index=True)
    buyer_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    seller_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    price: Mapped[Decimal] = mapped_column(PRICE)
    currency: Mapped[str] = mapped_column(String(3))
    status: Mapped[str] = mapped_column(String(20), server_default=text("'agreed'"))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    __table_args__ = (
        CheckConstraint("status IN ('agreed', 'completed', 'cancelled')", name="status"),
        CheckConstraint("buyer_id <> seller_id", name="two_people"),
        Index(
            "uq_marketplace_purchases_item_id_standing",
            "item_id",
            unique=True,
            postgresql_where=text("status <> 'cancelled'"),
        ),
        Index("ix_marketplace_purchases_buyer_id_created_at_id", "buyer_id", "created_at", "id"),
        Index("ix_marketplace_purchases_seller_id_created_at_id", "seller_id", "created_at", "id"),
    )


class SellerReview(Base):
    """A buyer's review of the seller, one per completed purchase."""

    __tablename__ = "seller_reviews"

    id: Mapped[RowId]
    purchase_id: Mapped[UUID] = mapped_column(ForeignKey("marketplace_purchases.id", ondelete="CASCADE"), unique=True)
    seller_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    buyer_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    rating: Mapped[int]
    content: Mapped[str | None] = mapped_column(String(2000))
    is_active: Mapped[Active]
    created_at: Mapped[CreatedAt]
    media_ids: Mapped[MediaIds]

    __table_args__ = (
        CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
        media_index("seller_reviews"),
        Index("ix_seller_reviews_seller_id_created_at_id", "seller_id", "created_at", "id"),
    )
