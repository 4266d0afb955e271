"""``/reviews``: reviews of connectors."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from transactional_api.community.reviews import analytics, service
from transactional_api.community.reviews.schemas import (
    HelpfulOut,
    NewReview,
    ReviewAnalytics,
    ReviewBody,
    ReviewOut,
    ReviewStateBody,
)
from transactional_api.community.reviews.service import AlreadyReviewedError, OwnReviewError
from transactional_api.core.db.session import SessionDep
from transactional_api.core.db.tables import Review
from transactional_api.core.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.http.auth import CurrentUser, WritingUser
from transactional_api.core.http.etags import PreconditionFailedError, require_if_match, set_etag
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.media.references import ATTACHING_IDS
from transactional_api.core.pagination import Page, PageDep

router = APIRouter(prefix="/reviews", tags=["reviews"], route_class=TransactionalRoute)

VERSION = require_if_match(Review.updated_at, Review.id, path="review_id")

READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
WRITES = (*READS, KeyReusedError, KeyInUseError)


@router.post(
    "",
    operation_id="createReview",
    summary="Create review",
    status_code=201,
    responses=problem_responses(*WRITES, ForbiddenError, AlreadyReviewedError, *ATTACHING_IDS),
)
async def create(body: NewReview, session: SessionDep, writer: WritingUser) -> ReviewOut:
    """Review a connector that you are a member of, once."""
    return await service.create(session, viewer=writer, body=body)


@router.get(
    "/connector/{connector_id}",
    operation_id="listConnectorReviews",
    summary="List reviews of a connector",
    responses=problem_responses(*READS, InvalidCursorError),
)
async def list_by_connector(
    connector_id: UUID, session: SessionDep, viewer: CurrentUser, page: PageDep
) -> Page[ReviewOut]:
    """List the reviews of a connector, newest first."""
    return await service.list_by_connector(session, viewer=viewer, connector_id=connector_id, page=page)


@router.get(
    "/analytics/{connector_id}",
    operation_id="getReviewAnalytics",
    summary="Get review analytics of a connector",
    responses=problem_responses(*READS),
)
async def get_analytics(connector_id: UUID, session: SessionDep, viewer: CurrentUser) -> ReviewAnalytics:
    """Return the rating distribution, averages and monthly trend of a connector."""
    return await analytics.get_analytics(session, viewer=viewer, connector_id=connector_id)


@router.get("/{review_id}", operation_id="getReview", summary="Get review", responses=problem_responses(*READS))
async def get(review_id: UUID, response: Response, session: SessionDep, viewer: CurrentUser) -> ReviewOut:
    """Return a review."""
    return set_etag(response, await service.get(session, viewer=viewer, review_id=review_id))


@router.put(
    "/{review_id}",
    operation_id="replaceReview",
    summary="Replace review",
    dependencies=[VERSION],
    responses=problem_responses(PreconditionFailedError, *WRITES, ForbiddenError, *ATTACHING_IDS),
)
async def replace(
    review_id: UUID, body: ReviewBody, response: Response, session: SessionDep, writer: WritingUser
) -> ReviewOut:
    """Replace all editable fields of your review."""
    return set_etag(response, await service.replace(session, viewer=writer, review_id=review_id, body=body))


@router.delete(
    "/{review_id}",
    operation_id="deleteReview",
    summary="Delete review",
    status_code=204,
    dependencies=[VERSION],
    responses=problem_responses(PreconditionFailedError, *WRITES, ForbiddenError),
)
async def remove(review_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Delete your review. You can write another one."""
    await service.remove(session, viewer=writer, review_id=review_id)


@router.put(
    "/{review_id}/state",
    operation_id="setReviewState",
    summary="Set review state",
    responses=problem_responses(*WRITES, ForbiddenError),
)
async def moderate(review_id: UUID, body: ReviewStateBody, session: SessionDep, writer: WritingUser) -> ReviewOut:
    """Hide a review or show it again. Requires a moderator of the connector or the platform."""
    return await service.set_state(session, viewer=writer, review_id=review_id, state=body.state)


@router.post(
    "/{review_id}/helpful",
    operation_id="voteHelpful",
    summary="Vote review helpful",
    responses=problem_responses(*WRITES, OwnReviewError),
)
async def vote_helpful(review_id: UUID, session: SessionDep, writer: WritingUser) -> HelpfulOut:
    """Vote a review helpful. Idempotent."""
    return await service.set_helpful_vote(session, viewer=writer, review_id=review_id, helpful=True)


@router.delete(
    "/{review_id}/helpful",
    operation_id="removeHelpfulVote",
    summary="Remove helpful vote",
    responses=problem_responses(*WRITES, OwnReviewError),
)
async def remove_helpful_vote(review_id: UUID, session: SessionDep, writer: WritingUser) -> HelpfulOut:
    """Remove your helpful vote. Idempotent."""
    return await service.set_helpful_vote(session, viewer=writer, review_id=review_id, helpful=False)
