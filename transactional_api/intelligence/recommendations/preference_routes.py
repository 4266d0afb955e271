"""``/recommendations/preferences``: dials, their preview, and the opt-out of authors."""

from __future__ import annotations

from fastapi import APIRouter

from transactional_api.core.db.session import SessionDep
from transactional_api.core.db.statements import ReadsDep
from transactional_api.core.errors import InvalidRequestError, UnauthenticatedError, problem_responses
from transactional_api.core.http.auth import CurrentUser, IdempotentUser
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import ReadOnlyRoute, TransactionalRoute
from transactional_api.core.language import LanguageDep
from transactional_api.intelligence.recommendations import preferences, service
from transactional_api.intelligence.recommendations.hydration import POSTS
from transactional_api.intelligence.recommendations.preferences import (
    PreferencesOut,
    PreferencesPatch,
    PreviewRequest,
)
from transactional_api.intelligence.recommendations.routes import RankingClientsDep
from transactional_api.intelligence.recommendations.schemas import Feed, PostItem

router = APIRouter(prefix="/recommendations/preferences", tags=["recommendations"], route_class=TransactionalRoute)
preview_router = APIRouter(prefix="/recommendations/preferences", tags=["recommendations"], route_class=ReadOnlyRoute)

READS = (UnauthenticatedError, InvalidRequestError)


@router.get(
    "",
    operation_id="getRecommendationPreferences",
    summary="Get preferences for recommendations",
    responses=problem_responses(*READS),
)
async def get(session: SessionDep, viewer: CurrentUser) -> PreferencesOut:
    """Get your preferences for recommendations."""
    return await preferences.get(session, viewer=viewer)


@router.patch(
    "",
    operation_id="changeRecommendationPreferences",
    summary="Change preferences for recommendations",
    responses=problem_responses(*READS, KeyReusedError, KeyInUseError),
)
async def change(patch: PreferencesPatch, session: SessionDep, writer: IdempotentUser) -> PreferencesOut:
    """Change the given preferences, from the next feed on."""
    return await preferences.change(session, viewer=writer, patch=patch)


@router.post(
    "/reset",
    operation_id="resetPersonalization",
    summary="Reset personalization",
    responses=problem_responses(*READS, KeyReusedError, KeyInUseError),
)
async def reset(session: SessionDep, writer: IdempotentUser) -> PreferencesOut:
    """Be recommended items as a stranger with your stated interests, from the next feed on.

    No act until now counts. Items that you liked, opened or hid are still not served again, and mutes and dials stay.
    """
    return await preferences.reset(session, viewer=writer)


@router.delete(
    "/reset",
    operation_id="undoPersonalizationReset",
    summary="Undo the reset of personalization",
    status_code=204,
    responses=problem_responses(*READS, KeyReusedError, KeyInUseError),
)
async def undo_reset(session: SessionDep, writer: IdempotentUser) -> None:
    """Let your acts before the reset count again. Features that were computed since follow within an hour."""
    await preferences.undo_reset(session, viewer=writer)


@preview_router.post(
    "/preview",
    operation_id="previewRecommendationPreferences",
    summary="Preview posts under other dials",
    responses=problem_responses(*READS),
)
async def preview(
    body: PreviewRequest, reads: ReadsDep, viewer: CurrentUser, clients: RankingClientsDep, language: LanguageDep
) -> Feed[PostItem]:
    """Recommend posts under these dials. Nothing is stored, and interactions with the answer are not accepted."""
    return await service.preview_feed(
        reads,
        viewer=viewer,
        clients=clients,
        source=POSTS,
        build=lambda item, shared: PostItem(post=item, **shared),
        limit=body.limit,
        dials=body.dials,
        language=language,
    )
