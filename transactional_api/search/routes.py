"""``/search``: one search over everything."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from transactional_api.auth import ViewerDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import InvalidRequestError, UnauthenticatedError, declare
from transactional_api.search import service
from transactional_api.search.meanings import AskedWordsDep
from transactional_api.search.schemas import SearchOut, SearchQuery

router = APIRouter(prefix="/search", tags=["search"], route_class=TransactionalRoute)


@router.get("", operation_id="search", responses=declare(UnauthenticatedError, InvalidRequestError))
async def search(
    asked: Annotated[SearchQuery, Query()], session: SessionDep, asked_words: AskedWordsDep, viewer: ViewerDep
) -> SearchOut:
    """Search people, connectors, posts, events and items at once.

    Words match in any form, and most of them are enough; typos are corrected. Other words for the same match where an
    encoder answers. Only results that you may see are returned and counted, the best first;
    every part is ranked again, so what is written meanwhile may shift it.
    """
    return await service.search(session, viewer=viewer, asked_words=asked_words, search_for=asked)
