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

    Words match in any form, slips of the pen are forgiven, other words for the same are found where an encoder
    answers, and only what you may see is found. The best come first;
    it is ranked anew for every part, so what is written meanwhile may shift it.
    """
    return await service.search(session, viewer=viewer, asked_words=asked_words, search_for=asked)
