"""``/models/changes``: changes of champions that admins requested, for the platform's pipelines."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import InvalidRequestError, NotFoundError, problem_responses
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.identity.users.platform import PlatformDep, PlatformOnlyError
from transactional_api.identity.users.throttle import TooManyAttemptsError
from transactional_api.intelligence.model_changes import service
from transactional_api.intelligence.model_changes.schemas import ClaimedChange, ModelChangeResult

router = APIRouter(prefix="/models/changes", tags=["models"], route_class=TransactionalRoute)


@router.post(
    "/platform",
    operation_id="claimModelChange",
    summary="Claim a change of a model (platform)",
    responses=problem_responses(PlatformOnlyError, InvalidRequestError, TooManyAttemptsError),
)
async def claim_change(_platform: PlatformDep, session: SessionDep) -> ClaimedChange:
    """Return the oldest waiting promotion or rollback; nobody else gets it."""
    return ClaimedChange(change=await service.claim(session))


@router.post(
    "/{change_id}/platform",
    operation_id="finishModelChange",
    summary="Finish a change of a model (platform)",
    status_code=204,
    responses=problem_responses(PlatformOnlyError, NotFoundError, InvalidRequestError, TooManyAttemptsError),
)
async def finish_change(_platform: PlatformDep, change_id: UUID, body: ModelChangeResult, session: SessionDep) -> None:
    """Report the result of a claimed change. A repetition changes nothing."""
    await service.finish(session, change_id=change_id, body=body)
