"""Create the marketplace, and reviews of sellers and connectors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "marketplace_items",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("connector_id", sa.Uuid(), nullable=False),
        sa.Column("seller_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("price", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("category", sa.String(100), nullable=False),
        sa.Column("condition", sa.String(50)),
        sa.Column("images", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("status", sa.String(20), server_default=sa.text("'available'"), nullable=False),
        sa.Column("views_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("currency", sa.String(3), server_default=sa.text("'USD'"), nullable=False),
        sa.Column("latitude", sa.Float()),
        sa.Column("longitude", sa.Float()),
        sa.Column("reserved_by", sa.Uuid()),
        sa.Column("reserved_until", sa.DateTime(timezone=True)),
        sa.CheckConstraint("status IN ('available', 'reserved', 'sold')", name=op.f("ck_marketplace_items_status")),
        sa.CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name=op.f("ck_marketplace_items_point")),
        sa.CheckConstraint("price >= 0", name=op.f("ck_marketplace_items_price")),
        sa.ForeignKeyConstraint(
            ["connector_id"], ["connectors.id"], name=op.f("fk_marketplace_items_connector_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["reserved_by"], ["users.id"], name=op.f("fk_marketplace_items_reserved_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["seller_id"], ["users.id"], name=op.f("fk_marketplace_items_seller_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_marketplace_items")),
    )
    op.create_index(
        "ix_marketplace_items_category_created_at_id", "marketplace_items", ["category", "created_at", "id"]
    )
    op.create_index(
        "ix_marketplace_items_connector_id_created_at_id", "marketplace_items", ["connector_id", "created_at", "id"]
    )
    op.create_index("ix_marketplace_items_created_at_id", "marketplace_items", ["created_at", "id"])
    op.create_index(
        "ix_marketplace_items_description_words",
        "marketplace_items",
        ["description"],
        postgresql_using="gin",
        postgresql_ops={"description": "gin_trgm_ops"},
    )
    op.create_index("ix_marketplace_items_latitude", "marketplace_items", ["latitude"])
    op.create_index(op.f("ix_marketplace_items_reserved_by"), "marketplace_items", ["reserved_by"])
    op.create_index(
        "ix_marketplace_items_seller_id_created_at_id", "marketplace_items", ["seller_id", "created_at", "id"]
    )
    op.create_index(
        "ix_marketplace_items_title_words",
        "marketplace_items",
        ["title"],
        postgresql_using="gin",
        postgresql_ops={"title": "gin_trgm_ops"},
    )
    op.create_table(
        "reviews",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("connector_id", sa.Uuid(), nullable=False),
        sa.Column("reviewer_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=False),
        sa.Column("helpful_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("state", sa.String(50), server_default=sa.text("'visible'"), nullable=False),
        sa.CheckConstraint("state IN ('visible', 'hidden')", name=op.f("ck_reviews_state")),
        sa.CheckConstraint("rating >= 1 AND rating <= 5", name=op.f("ck_reviews_rating")),
        sa.ForeignKeyConstraint(
            ["connector_id"], ["connectors.id"], name=op.f("fk_reviews_connector_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["reviewer_id"], ["users.id"], name=op.f("fk_reviews_reviewer_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
    )
    op.create_index("ix_reviews_connector_id_created_at_id", "reviews", ["connector_id", "created_at", "id"])
    op.create_index(op.f("ix_reviews_reviewer_id"), "reviews", ["reviewer_id"])
    op.create_index(
        "uq_reviews_connector_id_reviewer_id",
        "reviews",
        ["connector_id", "reviewer_id"],
        unique=True,
        postgresql_where=sa.text("is_active"),
    )
    op.create_table(
        "marketplace_item_views",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["marketplace_items.id"], name=op.f("fk_marketplace_item_views_item_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_marketplace_item_views_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_marketplace_item_views")),
        sa.UniqueConstraint("item_id", "user_id", name=op.f("uq_marketplace_item_views_item_id_user_id")),
    )
    op.create_index(op.f("ix_marketplace_item_views_user_id"), "marketplace_item_views", ["user_id"])
    op.create_table(
        "marketplace_purchases",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column("seller_id", sa.Uuid(), nullable=False),
        sa.Column("price", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("status", sa.String(20), server_default=sa.text("'agreed'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('agreed', 'completed', 'cancelled')", name=op.f("ck_marketplace_purchases_status")
        ),
        sa.CheckConstraint("buyer_id <> seller_id", name=op.f("ck_marketplace_purchases_two_people")),
        sa.ForeignKeyConstraint(
            ["buyer_id"], ["users.id"], name=op.f("fk_marketplace_purchases_buyer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["item_id"], ["marketplace_items.id"], name=op.f("fk_marketplace_purchases_item_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["seller_id"], ["users.id"], name=op.f("fk_marketplace_purchases_seller_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_marketplace_purchases")),
    )
    op.create_index(
        "ix_marketplace_purchases_buyer_id_created_at_id", "marketplace_purchases", ["buyer_id", "created_at", "id"]
    )
    op.create_index(op.f("ix_marketplace_purchases_item_id"), "marketplace_purchases", ["item_id"])
    op.create_index(
        "ix_marketplace_purchases_seller_id_created_at_id", "marketplace_purchases", ["seller_id", "created_at", "id"]
    )
    op.create_index(
        "uq_marketplace_purchases_item_id_standing",
        "marketplace_purchases",
        ["item_id"],
        unique=True,
        postgresql_where=sa.text("status <> 'cancelled'"),
    )
    op.create_table(
        "review_votes",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("review_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["review_id"], ["reviews.id"], name=op.f("fk_review_votes_review_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_review_votes_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_votes")),
        sa.UniqueConstraint("review_id", "user_id", name=op.f("uq_review_votes_review_id_user_id")),
    )
    op.create_index(op.f("ix_review_votes_user_id"), "review_votes", ["user_id"])
    op.create_table(
        "seller_reviews",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("seller_id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=False),
        sa.Column("content", sa.String(2000)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("ck_seller_reviews_rating")),
        sa.ForeignKeyConstraint(
            ["buyer_id"], ["users.id"], name=op.f("fk_seller_reviews_buyer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["purchase_id"],
            ["marketplace_purchases.id"],
            name=op.f("fk_seller_reviews_purchase_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["seller_id"], ["users.id"], name=op.f("fk_seller_reviews_seller_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seller_reviews")),
        sa.UniqueConstraint("purchase_id", name=op.f("uq_seller_reviews_purchase_id")),
    )
    op.create_index(op.f("ix_seller_reviews_buyer_id"), "seller_reviews", ["buyer_id"])
    op.create_index("ix_seller_reviews_seller_id_created_at_id", "seller_reviews", ["seller_id", "created_at", "id"])
