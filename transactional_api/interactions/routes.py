"""``/interactions``: what people do with what they are shown."""

from __future__ import annotations

from fastapi import APIRouter

from transactional_api.auth import ReporterDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import InvalidRequestError, UnauthenticatedError, declare
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.interactions import service
from transactional_api.interactions.schemas import InteractionBatch, InteractionReceipt

router = APIRouter(prefix="/interactions", tags=["interactions"], route_class=TransactionalRoute)


@router.post(
    "",
    operation_id="recordInteractions",
    status_code=202,
    responses=declare(UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError),
)
async def record(batch: InteractionBatch, session: SessionDep, writer: ReporterDep) -> InteractionReceipt:
    """Report up to 500 impressions, clicks, dwells and hides. What is hidden is not recommended again."""
    return await service.record(session, viewer=writer, batch=batch)
