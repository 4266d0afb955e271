"""Registration of marketplace items and seller reviews as subjects of moderation."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from transactional_api.community.marketplace import queries
from transactional_api.community.marketplace.withdrawal import end_reservation
from transactional_api.core.db.tables import MarketplaceItem, SellerReview, User
from transactional_api.core.moderation import Subject, SubjectKind, in_visible_connector, register
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users


def _seller_reviews(viewer: Viewer) -> Select[Any]:
    shown = SellerReview.buyer_id.in_(users.visible_to(viewer).with_only_columns(User.id))
    return select(SellerReview).where(SellerReview.is_active.is_(True), shown)


ITEM = register(
    SubjectKind.ITEM,
    Subject(
        MarketplaceItem.id,
        MarketplaceItem.seller_id,
        (MarketplaceItem.title, MarketplaceItem.description, MarketplaceItem.category),
        in_visible_connector(MarketplaceItem, MarketplaceItem.connector_id, queries.may_see),
        MarketplaceItem.is_active,
        after_hiding=end_reservation,
    ),
)
SELLER_REVIEW = register(
    SubjectKind.SELLER_REVIEW,
    Subject(SellerReview.id, SellerReview.buyer_id, (SellerReview.content,), _seller_reviews, SellerReview.is_active),
)
