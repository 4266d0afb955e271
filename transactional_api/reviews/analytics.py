"""What a connector's reviews say together."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors import service as connectors
from transactional_api.db.tables import Review, User
from transactional_api.reviews.schemas import Analytics, Month, ReviewState
from transactional_api.users import queries as users

PRIOR_REVIEWS = 5
PRIOR_RATING = 3.0
"""The mean of all connectors before there is any review."""
MONTHS = 12
RATINGS = range(1, 6)


async def analyse(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> Analytics:
    """Count and average the visible reviews of a connector by people who confirmed their address.

    The Bayesian average is ``(C·m + sum) / (C + n)`` with ``C = PRIOR_REVIEWS`` and ``m`` the mean of all visible
    reviews of all connectors. Raises ``NotFoundError`` when the viewer may not see the connector.
    """
    await connectors.get(session, viewer=viewer, connector_id=connector_id)
    by_confirmed = Review.reviewer_id.in_(select(User.id).where(users.counts()))
    visible = (Review.is_active.is_(True), Review.state == ReviewState.VISIBLE.value, by_confirmed)
    here = (Review.connector_id == connector_id, *visible)
    given = {
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
    number, total = sum(given.values()), sum(rating * times for rating, times in given.items())
    prior = float(overall) if overall is not None else PRIOR_RATING
    return Analytics(
        connector_id=connector_id,
        reviews=number,
        mean_rating=round(total / number, 2) if number else None,
        bayesian_rating=round((PRIOR_REVIEWS * prior + total) / (PRIOR_REVIEWS + number), 2),
        distribution={str(rating): given.get(rating, 0) for rating in RATINGS},
        trend=[
            Month(month=row.month, reviews=row.number, mean_rating=round(float(row.mean), 2))
            for row in reversed(trend.all())
        ],
    )
