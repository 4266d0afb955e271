"""Reviews of connectors and helpful votes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.connectors import service as connectors
from transactional_api.community.reviews import queries
from transactional_api.community.reviews.schemas import HelpfulOut, NewReview, ReviewBody, ReviewOut, ReviewState
from transactional_api.core.db.tables import HelpfulVote, Review
from transactional_api.core.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.core.media.references import references_to
from transactional_api.core.moderation import SubjectKind, request_screening
from transactional_api.core.notices import Notice, NoticeKind, notify
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users.mentions import mention


class AlreadyReviewedError(Problem):
    """The user has already reviewed the connector; they can change that review."""

    status, code, title = 409, "already_reviewed", "You have already reviewed this connector"


class OwnReviewError(Problem):
    """Users cannot vote for their own review."""

    status, code, title = 409, "own_review", "This is your own review"


async def create(session: AsyncSession, *, viewer: Viewer, body: NewReview) -> ReviewOut:
    """Review a connector that the viewer is a member of, once.

    Raises:
        NotFoundError: the viewer cannot see the connector.
        ForbiddenError: they are not a member of it.
        AlreadyReviewedError: they have already reviewed it.
    """
    connector = await connectors.get(session, viewer=viewer, connector_id=body.connector_id)
    if connector.role is None:
        raise ForbiddenError("Join the connector to review it")
    media_ids = await references_to(session, viewer=viewer, media_ids=body.media_ids)
    values = body.model_dump() | {"media_ids": media_ids, "reviewer_id": viewer.id}
    review_id = await session.scalar(insert(Review).values(values).on_conflict_do_nothing().returning(Review.id))
    if review_id is None:
        raise AlreadyReviewedError
    await mention(session, actor_id=viewer.id, subject=(SubjectKind.REVIEW, review_id), text=body.content)
    await request_screening(session, SubjectKind.REVIEW, review_id)
    return await get(session, viewer=viewer, review_id=review_id)


async def get(session: AsyncSession, *, viewer: Viewer, review_id: UUID) -> ReviewOut:
    """Return a review; raises ``NotFoundError`` if the viewer cannot see it."""
    return _out(await _load(session, viewer=viewer, review_id=review_id))


async def list_by_connector(
    session: AsyncSession, *, viewer: Viewer, connector_id: UUID, page: PageRequest
) -> Page[ReviewOut]:
    """List the reviews of a connector, newest first; raises ``NotFoundError`` if the viewer cannot see it."""
    await connectors.get(session, viewer=viewer, connector_id=connector_id)
    statement = queries.visible_to(viewer).where(Review.connector_id == connector_id)
    rows = (await session.execute(page.select(statement, at=Review.created_at, row_id=Review.id))).all()
    return page.of(rows, _out)


async def replace(session: AsyncSession, *, viewer: Viewer, review_id: UUID, body: ReviewBody) -> ReviewOut:
    """Replace a review; raises ``ForbiddenError`` unless the viewer is its author."""
    row = await _load(session, viewer=viewer, review_id=review_id)
    if row.reviewer_id != viewer.id:
        raise ForbiddenError("Only the author can change a review")
    media_ids = await references_to(session, viewer=viewer, media_ids=body.media_ids, present=row.media_ids)
    values = body.model_dump() | {"media_ids": media_ids, "updated_at": datetime.now(UTC)}
    await _update(session, review_id=review_id, **values)
    await mention(
        session,
        actor_id=viewer.id,
        subject=(SubjectKind.REVIEW, review_id),
        text=body.content,
        before=row.content,
    )
    await request_screening(session, SubjectKind.REVIEW, review_id)
    return await get(session, viewer=viewer, review_id=review_id)


async def remove(session: AsyncSession, *, viewer: Viewer, review_id: UUID) -> None:
    """Delete a review; raises ``ForbiddenError`` unless the viewer is its author. Moderators can only hide it.

    The author can do this even if they can no longer see the connector.
    """
    own_review = select(Review.id).where(
        Review.id == review_id, Review.reviewer_id == viewer.id, Review.is_active.is_(True)
    )
    if await session.scalar(own_review) is None:
        await _load(session, viewer=viewer, review_id=review_id)
        raise ForbiddenError("Only the author can delete a review")
    await _update(session, review_id=review_id, is_active=False, updated_at=datetime.now(UTC))


async def set_state(session: AsyncSession, *, viewer: Viewer, review_id: UUID, state: ReviewState) -> ReviewOut:
    """Hide a review or show it again; hiding notifies its author.

    Raises:
        ForbiddenError: the viewer is the author, or a moderator of neither the connector nor the platform.
    """
    row = await _load(session, viewer=viewer, review_id=review_id)
    if row.reviewer_id == viewer.id or not (row.can_moderate or viewer.is_moderator):
        raise ForbiddenError("Only a moderator or an admin can hide a review, except their own")
    await _update(session, review_id=review_id, state=state)
    if state is ReviewState.HIDDEN and row.state != ReviewState.HIDDEN:
        await notify(
            session,
            Notice(
                kind=NoticeKind.REVIEW_HIDDEN,
                subject_kind="review",
                subject_id=review_id,
                user_ids=[row.reviewer_id],
            ),
        )
    return await get(session, viewer=viewer, review_id=review_id)


async def set_helpful_vote(session: AsyncSession, *, viewer: Viewer, review_id: UUID, helpful: bool) -> HelpfulOut:
    """Set or remove a helpful vote. Idempotent.

    A vote can be removed even if the viewer can no longer see the review.

    Raises:
        OwnReviewError: the viewer is the author.
    """
    viewer_vote = select(HelpfulVote.id).where(HelpfulVote.review_id == review_id, HelpfulVote.user_id == viewer.id)
    removes_vote = not helpful and await session.scalar(viewer_vote) is not None
    if not removes_vote and (await _load(session, viewer=viewer, review_id=review_id)).reviewer_id == viewer.id:
        raise OwnReviewError
    key = {"review_id": review_id, "user_id": viewer.id}
    statement: Any = (
        insert(HelpfulVote).values(key).on_conflict_do_nothing()
        if helpful
        else delete(HelpfulVote).filter_by(**key).execution_options(synchronize_session=False)
    )
    if await session.scalar(statement.returning(HelpfulVote.id)) is not None:
        await _update(session, review_id=review_id, helpful_count=Review.helpful_count + (1 if helpful else -1))
    helpful_count = await session.scalar(select(Review.helpful_count).where(Review.id == review_id))
    return HelpfulOut(review_id=review_id, viewer_voted_helpful=helpful, helpful_count=helpful_count or 0)


async def _load(session: AsyncSession, *, viewer: Viewer, review_id: UUID) -> Any:
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
