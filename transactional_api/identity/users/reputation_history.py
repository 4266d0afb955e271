"""Reputation: recalculated every night from actions of other users, with a history of changes.

It is the sum of ``POINTS`` times the counts below, at least zero:

=================  ======  ==========================================================
likes of posts          1  by others, of active posts
likes of comments       1  by others, of active comments
helpful votes           2  by others, for active reviews
completed sales         5  as the seller
good ratings            3  of 4 or 5 stars, as the seller
bad ratings            -5  of 1 or 2 stars, as the seller
moderated content     -20  hide or remove decisions that were not reversed
suspensions           -50  decisions that were not reversed
=================  ======  ==========================================================

Likes, votes, sales and ratings count if the other user verified their email address, because anybody can create any
number of accounts.

The counts read the rows: a counter updated by every like would be a contended row for popular users.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import ReputationChange, User
from transactional_api.core.jobs import queue
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users.schemas import ReputationChangeOut

POINTS = {
    "likes_of_posts": 1,
    "likes_of_comments": 1,
    "helpful_votes": 2,
    "completed_sales": 5,
    "good_ratings": 3,
    "bad_ratings": -5,
    "moderated_content": -20,
    "suspensions": -50,
}
BATCH = 500

# ``o`` is the other user, whose email address must be verified.
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
            WHERE c.owner_id = u.id AND d.undone_at IS NULL AND d.outcome IN ('hide', 'remove')) AS moderated_content,
        (SELECT count(*) FROM moderation_cases c JOIN moderation_decisions d ON d.case_id = c.id
            WHERE c.owner_id = u.id AND d.undone_at IS NULL AND d.outcome = 'suspend') AS suspensions
    FROM users u WHERE u.id > :after AND u.is_active ORDER BY u.id LIMIT :batch
""")

log = get_logger(__name__)


@queue.periodic("7 3 * * *")
@queue.task("users.count_reputation")
async def recalculate(context: AppContext, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Recalculate the reputation of every user."""
    after, changed = UUID(int=0), 0
    while True:
        async with context.transaction() as session:
            last, changes = await recalculate_batch(session, after=after)
        changed += changes
        if last is None:
            break
        after = last
    log.info("reputation.recalculated", changed=changed)


async def recalculate_batch(session: AsyncSession, *, after: UUID) -> tuple[UUID | None, int]:
    """Recalculate a batch of users after an id; return the last id (None at the end) and the number of changes."""
    rows = (await session.execute(_COUNTS, {"after": after, "batch": BATCH})).mappings().all()
    changes = []
    for row in rows:
        parts = {name: row[name] for name in POINTS if row[name]}
        reputation = max(0, sum(POINTS[name] * number for name, number in parts.items()))
        if reputation != row["reputation"]:
            changes.append({"user_id": row["id"], "reputation": reputation, "parts": parts})
    if changes:
        reputations = [{"id": change["user_id"], "reputation": change["reputation"]} for change in changes]
        await session.execute(update(User), reputations)
        await session.execute(insert(ReputationChange), changes)
    return (rows[-1]["id"] if rows else None), len(changes)


async def history(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[ReputationChangeOut]:
    """List changes of the viewer's reputation, newest first."""
    statement = page.select(
        select(ReputationChange).where(ReputationChange.user_id == viewer.id),
        at=ReputationChange.created_at,
        row_id=ReputationChange.id,
    )
    rows = (await session.scalars(statement)).all()
    return page.of(rows, ReputationChangeOut.model_validate)
