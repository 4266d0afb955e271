"""Reviews of sellers and their summary."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.marketplace import queries
from transactional_api.community.marketplace.purchases import get_purchase
from transactional_api.community.marketplace.schemas import PurchaseStatus, SellerOut, SellerReviewBody, SellerReviewOut
from transactional_api.core.db.tables import Purchase, SellerReview, User
from transactional_api.core.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.core.media.references import references_to
from transactional_api.core.moderation import SubjectKind, request_screening
from transactional_api.core.notices import Notice, NoticeKind, notify
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users
from transactional_api.identity.users.people import visible_people


class PurchaseNotCompletedError(Problem):
    """The seller can be reviewed only after the purchase is completed."""

    status, code, title = 409, "purchase_not_completed", "The seller has not completed the purchase yet"


class PurchaseAlreadyReviewedError(Problem):
    """The buyer has already reviewed this purchase."""

    status, code, title = 409, "purchase_already_reviewed", "You have already reviewed this purchase"


async def get_seller(session: AsyncSession, *, viewer: Viewer, seller_id: UUID) -> SellerOut:
    """Return the sales and rating of a seller; raises ``NotFoundError`` if the viewer cannot see the user."""
    people = await visible_people(session, viewer=viewer, user_ids=[seller_id])
    if seller_id not in people:
        raise NotFoundError
    sale_count = await session.scalar(
        select(func.count()).where(Purchase.seller_id == seller_id, Purchase.status == PurchaseStatus.COMPLETED.value)
    )
    review_count, mean = (
        await session.execute(
            select(func.count(), func.avg(SellerReview.rating))
            .join(User, (User.id == SellerReview.buyer_id) & users.has_verified_email())
            .where(SellerReview.seller_id == seller_id)
        )
    ).one()
    return SellerOut(
        seller_id=seller_id,
        seller=people[seller_id],
        sale_count=sale_count or 0,
        review_count=review_count,
        mean_rating=round(float(mean), 2) if review_count else None,
    )


async def list_reviews(
    session: AsyncSession, *, viewer: Viewer, seller_id: UUID, page: PageRequest
) -> Page[SellerReviewOut]:
    """List the reviews of a seller, newest first."""
    await _require_visible_user(session, viewer=viewer, seller_id=seller_id)
    statement = queries.reviews_of(viewer, seller_id=seller_id)
    rows = (await session.execute(page.select(statement, at=SellerReview.created_at, row_id=SellerReview.id))).all()
    return page.of(rows, SellerReviewOut.model_validate)


async def create_review(session: AsyncSession, *, viewer: Viewer, purchase_id: UUID, body: SellerReviewBody) -> None:
    """Review the seller of a completed purchase, once. Requires the buyer.

    Raises:
        ForbiddenError: the viewer is the seller.
        PurchaseNotCompletedError: the purchase is not completed.
        PurchaseAlreadyReviewedError: the purchase is already reviewed.
    """
    purchase = await get_purchase(session, viewer=viewer, purchase_id=purchase_id)
    if purchase.buyer_id != viewer.id:
        raise ForbiddenError("Only the buyer can review the seller")
    if purchase.status is not PurchaseStatus.COMPLETED:
        raise PurchaseNotCompletedError
    media_ids = await references_to(session, viewer=viewer, media_ids=body.media_ids)
    values = body.model_dump() | {"media_ids": media_ids}
    review_id = await session.scalar(
        insert(SellerReview)
        .values(purchase_id=purchase_id, seller_id=purchase.seller_id, buyer_id=viewer.id, **values)
        .on_conflict_do_nothing()
        .returning(SellerReview.id)
    )
    if review_id is None:
        raise PurchaseAlreadyReviewedError
    await request_screening(session, SubjectKind.SELLER_REVIEW, review_id)
    await notify(
        session,
        Notice(
            kind=NoticeKind.SELLER_REVIEWED,
            actor_id=viewer.id,
            subject_kind=SubjectKind.SELLER_REVIEW,
            subject_id=review_id,
            user_ids=[purchase.seller_id],
        ),
    )


async def _require_visible_user(session: AsyncSession, *, viewer: Viewer, seller_id: UUID) -> None:
    if await session.scalar(users.visible_to(viewer).where(User.id == seller_id)) is None:
        raise NotFoundError
