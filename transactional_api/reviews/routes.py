"""``/reviews``: what members think of their connectors."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from transactional_api.auth import ViewerDep, WriterDep
from transactional_api.db.session import SessionDep
from transactional_api.db.tables import Review
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    declare,
)
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.paging import Page, PageDep
from transactional_api.reviews import analytics, service
from transactional_api.reviews.schemas import Analytics, HelpfulOut, NewReview, ReviewBody, ReviewOut, StateBody
from transactional_api.reviews.service import AlreadyReviewedError, OwnReviewError
from transactional_api.versions import StaleError, meant_for, tagged

router = APIRouter(prefix="/reviews", tags=["reviews"], route_class=TransactionalRoute)

# What a write of an older version than the present one is refused by.
VERSION = meant_for(Review.updated_at, Review.id, path="review_id")

READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
WRITES = (*READS, KeyReusedError, KeyInUseError)


@router.post(
    "",
    operation_id="createReview",
    status_code=201,
    responses=declare(*WRITES, ForbiddenError, AlreadyReviewedError),
)
async def create(body: NewReview, session: SessionDep, writer: WriterDep) -> ReviewOut:
    """Review a connector that you belong to, once."""
    return await service.create(session, viewer=writer, body=body)


@router.get("/connector/{connector_id}", operation_id="listReviews", responses=declare(*READS, InvalidCursorError))
async def list_by_connector(
    connector_id: UUID, session: SessionDep, viewer: ViewerDep, page: PageDep
) -> Page[ReviewOut]:
    """List a connector's reviews, the newest first."""
    return await service.list_by_connector(session, viewer=viewer, connector_id=connector_id, page=page)


@router.get("/analytics/{connector_id}", operation_id="analyseReviews", responses=declare(*READS))
async def analyse(connector_id: UUID, session: SessionDep, viewer: ViewerDep) -> Analytics:
    """Get the distribution, the means and the trend of a connector's reviews."""
    return await analytics.analyse(session, viewer=viewer, connector_id=connector_id)


@router.get("/{review_id}", operation_id="getReview", responses=declare(*READS))
async def get(review_id: UUID, response: Response, session: SessionDep, viewer: ViewerDep) -> ReviewOut:
    """Get a review."""
    return tagged(response, await service.get(session, viewer=viewer, review_id=review_id))


@router.put(
    "/{review_id}",
    operation_id="replaceReview",
    dependencies=[VERSION],
    responses=declare(StaleError, *WRITES, ForbiddenError),
)
async def replace(
    review_id: UUID, body: ReviewBody, response: Response, session: SessionDep, writer: WriterDep
) -> ReviewOut:
    """Replace your review."""
    return tagged(response, await service.replace(session, viewer=writer, review_id=review_id, body=body))


@router.delete(
    "/{review_id}",
    operation_id="deleteReview",
    status_code=204,
    dependencies=[VERSION],
    responses=declare(StaleError, *WRITES, ForbiddenError),
)
async def remove(review_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Take your review away; you may write another one."""
    await service.remove(session, viewer=writer, review_id=review_id)


@router.put("/{review_id}/state", operation_id="moderateReview", responses=declare(*WRITES, ForbiddenError))
async def moderate(review_id: UUID, body: StateBody, session: SessionDep, writer: WriterDep) -> ReviewOut:
    """Hide a review or show it again; for who tends the connector or moderates the platform."""
    return await service.moderate(session, viewer=writer, review_id=review_id, state=body.state)


@router.post("/{review_id}/helpful", operation_id="findHelpful", responses=declare(*WRITES, OwnReviewError))
async def find_helpful(review_id: UUID, session: SessionDep, writer: WriterDep) -> HelpfulOut:
    """Say that a review helped you. Twice changes nothing."""
    return await service.vote(session, viewer=writer, review_id=review_id, helpful=True)


@router.delete("/{review_id}/helpful", operation_id="takeBackHelpful", responses=declare(*WRITES, OwnReviewError))
async def take_back_helpful(review_id: UUID, session: SessionDep, writer: WriterDep) -> HelpfulOut:
    """Take your helpful vote back."""
    return await service.vote(session, viewer=writer, review_id=review_id, helpful=False)
