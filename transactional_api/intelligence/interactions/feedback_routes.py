"""``/recommendations/feedback``: what people want more of, less of and none of."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request

from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import (
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.http.auth import CurrentUser, IdempotentUser
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.pagination import Page, PageDep
from transactional_api.intelligence.interactions import feedback
from transactional_api.intelligence.interactions.feedback import FeedbackBody, FeedbackOut

router = APIRouter(prefix="/recommendations/feedback", tags=["recommendations"], route_class=TransactionalRoute)

WRITES = problem_responses(UnauthenticatedError, InvalidRequestError, NotFoundError, KeyReusedError, KeyInUseError)


@router.post("", operation_id="giveFeedback", summary="Give feedback on recommendations", responses=WRITES)
async def give(body: FeedbackBody, request: Request, session: SessionDep, writer: IdempotentUser) -> FeedbackOut:
    """Ask for more or less like an item, or mute a category, connector or author, from the next feed on.

    `less_like_this` also hides the item. It replaces earlier feedback on the same item; a repetition changes nothing.
    """
    return await feedback.give(session, viewer=writer, body=body, documents=request.app.state.context.documents)


@router.get(
    "",
    operation_id="listFeedback",
    summary="List feedback on recommendations",
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def list_feedback(session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[FeedbackOut]:
    """List your feedback, newest first. Hidden items have the signal `less_like_this`."""
    return await feedback.list_feedback(session, viewer=viewer, page=page)


@router.delete(
    "/{feedback_id}",
    operation_id="undoFeedback",
    summary="Undo feedback on recommendations",
    status_code=204,
    responses=WRITES,
)
async def undo(feedback_id: UUID, session: SessionDep, writer: IdempotentUser) -> None:
    """Undo feedback by its `feedback_id`. A hidden item may be recommended again."""
    await feedback.undo(session, viewer=writer, feedback_id=feedback_id)
