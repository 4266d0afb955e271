"""Aggregates of a connector's reviews."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.connectors import service as connectors
from transactional_api.community.reviews.schemas import MonthlyReviews, ReviewAnalytics, ReviewState
from transactional_api.core.db.tables import Review, User
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users

PRIOR_REVIEWS = 5
PRIOR_RATING = 3.0
"""Prior mean while no review exists."""
MONTHS = 12
RATINGS = range(1, 6)


async def get_analytics(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> ReviewAnalytics:
    """Aggregate the visible reviews of a connector by users with a verified address.

    The Bayesian average is ``(C·m + sum) / (C + n)`` with ``C = PRIOR_REVIEWS`` and ``m`` the mean of all visible
    reviews of all connectors.

    Raises:
        NotFoundError: the viewer cannot see the connector.
    """
    await connectors.get(session, viewer=viewer, connector_id=connector_id)
    by_verified_author = Review.reviewer_id.in_(select(User.id).where(users.has_verified_email()))
    visible = (Review.is_active.is_(True), Review.state == ReviewState.VISIBLE.value, by_verified_author)
    here = (Review.connector_id == connector_id, *visible)
    by_rating = {
        row.rating: row.number
        for row in await session.execute(
            select(Review.rating, func.count().label("number")).where(*here).group_by(Review.rating)
        )
    }
    overall = await session.scalar(select(func.avg(Review.rating)).where(*visible))
    month = func.to_char(func.timezone("UTC", Review.created_at), "YYYY-MM")
    trend = await session.execute(
        select(month.label("month"), func.count().label("number"), func.avg(Review.rating).label("mean"))
        .where(*here)
        .group_by(month)
        .order_by(month.desc())
        .limit(MONTHS)
    )
    review_count, total = sum(by_rating.values()), sum(rating * times for rating, times in by_rating.items())
    prior = float(overall) if overall is not None else PRIOR_RATING
    return ReviewAnalytics(
        connector_id=connector_id,
        review_count=review_count,
        mean_rating=round(total / review_count, 2) if review_count else None,
        bayesian_rating=round((PRIOR_REVIEWS * prior + total) / (PRIOR_REVIEWS + review_count), 2),
        distribution={str(rating): by_rating.get(rating, 0) for rating in RATINGS},
        trend=[
            MonthlyReviews(month=row.month, review_count=row.number, mean_rating=round(float(row.mean), 2))
            for row in reversed(trend.all())
        ],
    )
