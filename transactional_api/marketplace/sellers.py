"""What buyers think of a seller."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.db.tables import Purchase, SellerReview, User
from transactional_api.errors import NotFoundError
from transactional_api.marketplace import queries
from transactional_api.marketplace.schemas import PurchaseStatus, SellerOut, SellerReviewOut
from transactional_api.paging import Page, PageRequest
from transactional_api.users import queries as users


async def summary(session: AsyncSession, *, viewer: Viewer, seller_id: UUID) -> SellerOut:
    """Return how a seller is found; raises ``NotFoundError`` when the viewer may not see them."""
    await _seen(session, viewer=viewer, seller_id=seller_id)
    sold = await session.scalar(
        select(func.count()).where(Purchase.seller_id == seller_id, Purchase.status == PurchaseStatus.COMPLETED.value)
    )
    number, mean = (
        await session.execute(
            select(func.count(), func.avg(SellerReview.rating))
            .join(User, (User.id == SellerReview.buyer_id) & users.counts())
            .where(SellerReview.seller_id == seller_id)
        )
    ).one()
    return SellerOut(
        seller_id=seller_id, sold=sold or 0, reviews=number, mean_rating=round(float(mean), 2) if number else None
    )


async def reviews(
    session: AsyncSession, *, viewer: Viewer, seller_id: UUID, page: PageRequest
) -> Page[SellerReviewOut]:
    """List what buyers wrote of a seller, the latest first."""
    await _seen(session, viewer=viewer, seller_id=seller_id)
    statement = queries.reviews_of(viewer, seller_id=seller_id)
    rows = (await session.execute(page.select(statement, at=SellerReview.created_at, row_id=SellerReview.id))).all()
    return page.of(rows, SellerReviewOut.model_validate)


async def _seen(session: AsyncSession, *, viewer: Viewer, seller_id: UUID) -> None:
    if await session.scalar(users.visible_to(viewer).where(User.id == seller_id)) is None:
        raise NotFoundError
