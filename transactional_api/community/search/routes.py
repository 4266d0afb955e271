"""``/search``: search over all kinds of content."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from transactional_api.community.search import service
from transactional_api.community.search.embeddings import QueryEmbedderDep
from transactional_api.community.search.schemas import SearchOut, SearchQuery
from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import (
    InvalidCursorError,
    InvalidRequestError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.http.auth import CurrentUser
from transactional_api.core.http.unit_of_work import TransactionalRoute

router = APIRouter(prefix="/search", tags=["search"], route_class=TransactionalRoute)


@router.get(
    "",
    operation_id="search",
    summary="Search",
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def search(
    query: Annotated[SearchQuery, Query()], session: SessionDep, query_embedder: QueryEmbedderDep, viewer: CurrentUser
) -> SearchOut:
    """Search users, connectors, posts, events and items, best match first.

    Matches inflected forms and corrects typos; not all words of the query have to match. Semantic matches are included
    while the encoder is available. Results and counts contain only what you can see. Each page is ranked on request, so
    concurrent writes can shift results between pages.
    """
    return await service.search(session, viewer=viewer, query_embedder=query_embedder, query=query)
