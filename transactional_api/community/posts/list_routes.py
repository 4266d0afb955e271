"""``/posts``: lists by author, id, like and bookmark, and who likes or reacted to a post."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from transactional_api.community.posts import lists
from transactional_api.community.posts.schemas import PostLiker, PostOut, PostReactor
from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import (
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.http.auth import CurrentUser, WritingUser
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.pagination import IdsQuery, Page, PageDep

router = APIRouter(prefix="/posts", tags=["posts"], route_class=TransactionalRoute)

LISTS = problem_responses(UnauthenticatedError, InvalidRequestError, InvalidCursorError)
OF_POST = problem_responses(UnauthenticatedError, NotFoundError, InvalidRequestError, InvalidCursorError)
WRITES = problem_responses(UnauthenticatedError, NotFoundError, InvalidRequestError, KeyReusedError, KeyInUseError)


@router.get("", operation_id="listPosts", summary="List posts", responses=LISTS)
async def list_posts(
    *,
    session: SessionDep,
    viewer: CurrentUser,
    page: PageDep,
    author_id: Annotated[UUID | None, Query(description="Only posts of this user.")] = None,
    ids: IdsQuery = None,
) -> Page[PostOut]:
    """List the posts that you can see, of all authors or one, or by ids; newest first."""
    return await lists.list_posts(session, viewer=viewer, page=page, author_id=author_id, ids=ids)


@router.get("/liked", operation_id="listLikedPosts", summary="List posts that you like", responses=LISTS)
async def list_liked(session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[PostOut]:
    """List the posts that you like, last liked first."""
    return await lists.list_liked(session, viewer=viewer, page=page)


@router.get("/bookmarks", operation_id="listBookmarks", summary="List your bookmarks", responses=LISTS)
async def list_bookmarks(session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[PostOut]:
    """List the posts that you bookmarked, last bookmarked first."""
    return await lists.list_bookmarked(session, viewer=viewer, page=page)


@router.put(
    "/{post_id}/bookmark", operation_id="bookmarkPost", summary="Bookmark post", status_code=204, responses=WRITES
)
async def bookmark(post_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Keep a post for later. Nobody else sees it. Idempotent."""
    await lists.set_bookmark(session, viewer=writer, post_id=post_id, bookmarked=True)


@router.delete(
    "/{post_id}/bookmark", operation_id="removeBookmark", summary="Remove bookmark", status_code=204, responses=WRITES
)
async def remove_bookmark(post_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Remove your bookmark, even of a post that you can no longer see. Idempotent."""
    await lists.set_bookmark(session, viewer=writer, post_id=post_id, bookmarked=False)


@router.get("/{post_id}/likes", operation_id="listPostLikes", summary="List who likes a post", responses=OF_POST)
async def list_likers(post_id: UUID, session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[PostLiker]:
    """List the users who like a post, last first."""
    return await lists.list_likers(session, viewer=viewer, post_id=post_id, page=page)


@router.get(
    "/{post_id}/reactions/users",
    operation_id="listPostReactors",
    summary="List who reacted to a post",
    responses=OF_POST,
)
async def list_reactors(post_id: UUID, session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[PostReactor]:
    """List the users who reacted to a post, with the kind of their reaction, last first."""
    return await lists.list_reactors(session, viewer=viewer, post_id=post_id, page=page)
