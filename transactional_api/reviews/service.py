"""Reviews of connectors, and who found them helpful."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors import service as connectors
from transactional_api.db.tables import HelpfulVote, Review
from transactional_api.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.moderation import screening
from transactional_api.moderation.schemas import SubjectKind
from transactional_api.notifications.channels import NoticeKind
from transactional_api.notifications.notice import Notice, notify
from transactional_api.paging import Page, PageRequest
from transactional_api.reviews import queries
from transactional_api.reviews.schemas import HelpfulOut, NewReview, ReviewBody, ReviewOut, ReviewState


class AlreadyReviewedError(Problem):
    """A person reviews a connector once; they may change what they wrote."""

    status, code, title = 409, "already_reviewed", "You have reviewed this connector"


class OwnReviewError(Problem):
    """Nobody votes for themselves."""

    status, code, title = 409, "own_review", "This is your own review"


async def create(session: AsyncSession, *, viewer: Viewer, body: NewReview) -> ReviewOut:
    """Review a connector that the viewer belongs to, once.

    Raises:
        NotFoundError: when the viewer may not see the connector.
        ForbiddenError: when they see it but do not belong to it.
        AlreadyReviewedError: when they have reviewed it.
    """
    connector = await connectors.get(session, viewer=viewer, connector_id=body.connector_id)
    if connector.role is None:
        raise ForbiddenError("Join the connector to review it")
    review_id = await session.scalar(
        insert(Review).values(**body.model_dump(), reviewer_id=viewer.id).on_conflict_do_nothing().returning(Review.id)
    )
    if review_id is None:
        raise AlreadyReviewedError
    await screening.screen(session, SubjectKind.REVIEW, review_id)
    return await get(session, viewer=viewer, review_id=review_id)


async def get(session: AsyncSession, *, viewer: Viewer, review_id: UUID) -> ReviewOut:
    """Return a review; raises ``NotFoundError`` when the viewer may not see it."""
    return _out(await _find(session, viewer=viewer, review_id=review_id))


async def list_by_connector(
    session: AsyncSession, *, viewer: Viewer, connector_id: UUID, page: PageRequest
) -> Page[ReviewOut]:
    """List a connector's reviews, the newest first; raises ``NotFoundError`` when the viewer may not see it."""
    await connectors.get(session, viewer=viewer, connector_id=connector_id)
    statement = queries.visible_to(viewer).where(Review.connector_id == connector_id)
    rows = (await session.execute(page.select(statement, at=Review.created_at, row_id=Review.id))).all()
    return page.of(rows, _out)


async def replace(session: AsyncSession, *, viewer: Viewer, review_id: UUID, body: ReviewBody) -> ReviewOut:
    """Replace a review; raises ``ForbiddenError`` for anyone but its writer."""
    row = await _find(session, viewer=viewer, review_id=review_id)
    if row.reviewer_id != viewer.id:
        raise ForbiddenError("Only its writer may change a review")
    await _update(session, review_id=review_id, **body.model_dump(), updated_at=datetime.now(UTC))
    await screening.screen(session, SubjectKind.REVIEW, review_id)
    return await get(session, viewer=viewer, review_id=review_id)


async def remove(session: AsyncSession, *, viewer: Viewer, review_id: UUID) -> None:
    """Take a review away; raises ``ForbiddenError`` for anyone but its writer: others can only hide it."""
    row = await _find(session, viewer=viewer, review_id=review_id)
    if row.reviewer_id != viewer.id:
        raise ForbiddenError("Only its writer may delete a review")
    await _update(session, review_id=review_id, is_active=False, updated_at=datetime.now(UTC))


async def moderate(session: AsyncSession, *, viewer: Viewer, review_id: UUID, state: ReviewState) -> ReviewOut:
    """Hide a review or show it again; its writer is told.

    Raises:
        ForbiddenError: for who neither tends the connector nor moderates the platform, and for the writer.
    """
    row = await _find(session, viewer=viewer, review_id=review_id)
    if row.reviewer_id == viewer.id or not (row.tended or viewer.moderates):
        raise ForbiddenError("Only a moderator or an admin may hide a review, and not their own")
    await _update(session, review_id=review_id, state=state)
    if state is ReviewState.HIDDEN and row.state != ReviewState.HIDDEN:
        await notify(
            session,
            Notice(
                kind=NoticeKind.REVIEW_HIDDEN,
                subject_kind="review",
                subject_id=review_id,
                title="Your review was hidden",
                body=row.title,
                user_ids=[row.reviewer_id],
            ),
        )
    return await get(session, viewer=viewer, review_id=review_id)


async def vote(session: AsyncSession, *, viewer: Viewer, review_id: UUID, helpful: bool) -> HelpfulOut:
    """Find a review helpful, or take that back; twice changes nothing.

    Raises:
        OwnReviewError: for its writer.
    """
    if (await _find(session, viewer=viewer, review_id=review_id)).reviewer_id == viewer.id:
        raise OwnReviewError
    mine = {"review_id": review_id, "user_id": viewer.id}
    statement: Any = (
        insert(HelpfulVote).values(mine).on_conflict_do_nothing()
        if helpful
        else delete(HelpfulVote).filter_by(**mine).execution_options(synchronize_session=False)
    )
    if await session.scalar(statement.returning(HelpfulVote.id)) is not None:
        await _update(session, review_id=review_id, helpful_count=Review.helpful_count + (1 if helpful else -1))
    now = await get(session, viewer=viewer, review_id=review_id)
    return HelpfulOut(review_id=review_id, found_helpful=now.found_helpful, helpful_count=now.helpful_count)


async def _find(session: AsyncSession, *, viewer: Viewer, review_id: UUID) -> Any:
    row = (await session.execute(queries.visible_to(viewer).where(Review.id == review_id))).one_or_none()
    if row is None:
        raise NotFoundError
    return row


async def _update(session: AsyncSession, *, review_id: UUID, **values: Any) -> None:
    await session.execute(
        update(Review).where(Review.id == review_id).values(values).execution_options(synchronize_session=False)
    )


def _out(row: Any) -> ReviewOut:
    return ReviewOut.model_validate(row, from_attributes=True)
