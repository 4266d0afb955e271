"""Standing in the neighbourhood: counted anew every night from what others said, with a history of what changed.

The formula is the sum of ``POINTS`` times the counts below, and never under zero:

=================  ======  ==========================================================
likes of posts          1  by others, of posts that stand
likes of comments       1  by others, of comments that stand
helpful votes           2  by others, for reviews that stand
completed sales         5  as the seller
good ratings            3  of 4 or 5 stars, as the seller
bad ratings            -5  of 1 or 2 stars, as the seller
things taken away     -20  by a moderator's decision that stands (hide or remove)
suspensions           -50  by a moderator's decision that stands
=================  ======  ==========================================================

Likes, votes, sales and ratings count where the other person confirmed their address: anybody can open any number of
accounts.

It is counted from the rows themselves: a counter that every like writes would make a person who is liked by many wait
for all of them.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from transactional_api.auth import Viewer
from transactional_api.db.tables import ReputationChange, User
from transactional_api.jobs import queue
from transactional_api.paging import Page, PageRequest
from transactional_api.resources import Resources
from transactional_api.users.schemas import StandingOut

POINTS = {
    "likes_of_posts": 1,
    "likes_of_comments": 1,
    "helpful_votes": 2,
    "completed_sales": 5,
    "good_ratings": 3,
    "bad_ratings": -5,
    "things_taken_away": -20,
    "suspensions": -50,
}
BATCH = 500

# What people do counts only where they confirmed their address (``o``): anybody can open any number of accounts.
_COUNTS = text("""
    SELECT u.id, u.reputation,
        (SELECT count(*) FROM posts p JOIN post_likes l ON l.post_id = p.id JOIN users o ON o.id = l.user_id
            WHERE o.verified AND p.author_id = u.id AND p.is_active AND l.user_id <> u.id) AS likes_of_posts,
        (SELECT count(*) FROM comments c JOIN comment_likes l ON l.comment_id = c.id JOIN users o ON o.id = l.user_id
            WHERE o.verified AND c.author_id = u.id AND c.is_active AND l.user_id <> u.id) AS likes_of_comments,
        (SELECT count(*) FROM reviews r JOIN review_votes v ON v.review_id = r.id JOIN users o ON o.id = v.user_id
            WHERE o.verified AND r.reviewer_id = u.id AND r.is_active AND v.user_id <> u.id) AS helpful_votes,
        (SELECT count(*) FROM marketplace_purchases p JOIN users o ON o.id = p.buyer_id
            WHERE o.verified AND p.seller_id = u.id AND p.status = 'completed') AS completed_sales,
        (SELECT count(*) FROM seller_reviews r JOIN users o ON o.id = r.buyer_id
            WHERE o.verified AND r.seller_id = u.id AND r.rating >= 4) AS good_ratings,
        (SELECT count(*) FROM seller_reviews r JOIN users o ON o.id = r.buyer_id
            WHERE o.verified AND r.seller_id = u.id AND r.rating <= 2) AS bad_ratings,
        (SELECT count(*) FROM moderation_cases c JOIN moderation_decisions d ON d.case_id = c.id
            WHERE c.owner_id = u.id AND d.undone_at IS NULL AND d.outcome IN ('hide', 'remove')) AS things_taken_away,
        (SELECT count(*) FROM moderation_cases c JOIN moderation_decisions d ON d.case_id = c.id
            WHERE c.owner_id = u.id AND d.undone_at IS NULL AND d.outcome = 'suspend') AS suspensions
    FROM users u WHERE u.id > :after AND u.is_active ORDER BY u.id LIMIT :batch
""")

log = get_logger(__name__)


@queue.periodic("7 3 * * *")
@queue.task("users.count_reputation")
async def count(resources: Resources, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Count everybody's standing anew."""
    after, changed = UUID(int=0), 0
    while True:
        async with resources.transaction() as session:
            last, changes = await count_some(session, after=after)
        changed += changes
        if last is None:
            break
        after = last
    log.info("reputation.counted", changed=changed)


async def count_some(session: AsyncSession, *, after: UUID) -> tuple[UUID | None, int]:
    """Count a batch of people by id; returns the last of them, None where there is none, and how many changed."""
    rows = (await session.execute(_COUNTS, {"after": after, "batch": BATCH})).mappings().all()
    changes = []
    for row in rows:
        parts = {name: row[name] for name in POINTS if row[name]}
        reputation = max(0, sum(POINTS[name] * number for name, number in parts.items()))
        if reputation != row["reputation"]:
            changes.append({"user_id": row["id"], "reputation": reputation, "parts": parts})
    if changes:
        standing = [{"id": change["user_id"], "reputation": change["reputation"]} for change in changes]
        await session.execute(update(User), standing)
        await session.execute(insert(ReputationChange), changes)
    return (rows[-1]["id"] if rows else None), len(changes)


async def history(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[StandingOut]:
    """List how the viewer's standing changed, the last first."""
    statement = page.select(
        select(ReputationChange).where(ReputationChange.user_id == viewer.id),
        at=ReputationChange.created_at,
        row_id=ReputationChange.id,
    )
    rows = (await session.scalars(statement)).all()
    return page.of(rows, StandingOut.model_validate)
