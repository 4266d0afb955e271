"""``/posts``: posts, their likes and comments."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from transactional_api.auth import ViewerDep, WriterDep
from transactional_api.db.session import SessionDep
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
from transactional_api.posts import comments, service
from transactional_api.posts.comments import ParentNotFoundError
from transactional_api.posts.schemas import CommentOut, LikeOut, NewComment, NewPost, PostBody, PostOut

router = APIRouter(prefix="/posts", tags=["posts"], route_class=TransactionalRoute)

READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
WRITES = (*READS, KeyReusedError, KeyInUseError)
LISTS = (*READS, InvalidCursorError)


@router.post("", operation_id="createPost", status_code=201, responses=declare(*WRITES, ForbiddenError))
async def create(body: NewPost, session: SessionDep, writer: WriterDep) -> PostOut:
    """Write a post in a connector that you belong to."""
    return await service.create(session, viewer=writer, body=body)


@router.get("/connector/{connector_id}", operation_id="listPosts", responses=declare(*LISTS))
async def list_by_connector(connector_id: UUID, session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[PostOut]:
    """List a connector's posts, the newest first."""
    return await service.list_by_connector(session, viewer=viewer, connector_id=connector_id, page=page)


@router.get("/{post_id}", operation_id="getPost", responses=declare(*READS))
async def get(post_id: UUID, session: SessionDep, viewer: ViewerDep) -> PostOut:
    """Get a post."""
    return await service.get(session, viewer=viewer, post_id=post_id)


@router.put("/{post_id}", operation_id="replacePost", responses=declare(*WRITES, ForbiddenError))
async def replace(post_id: UUID, body: PostBody, session: SessionDep, writer: WriterDep) -> PostOut:
    """Replace a post's words; for its author and for who tends the connector."""
    return await service.replace(session, viewer=writer, post_id=post_id, body=body)


@router.delete("/{post_id}", operation_id="deletePost", status_code=204, responses=declare(*WRITES, ForbiddenError))
async def remove(post_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Take a post away; for its author and for who tends the connector."""
    await service.remove(session, viewer=writer, post_id=post_id)


@router.post("/{post_id}/like", operation_id="likePost", responses=declare(*WRITES))
async def like(post_id: UUID, session: SessionDep, writer: WriterDep) -> LikeOut:
    """Like a post. Liking twice changes nothing."""
    return await service.like(session, viewer=writer, post_id=post_id)


@router.delete("/{post_id}/like", operation_id="unlikePost", responses=declare(*WRITES))
async def unlike(post_id: UUID, session: SessionDep, writer: WriterDep) -> LikeOut:
    """Take your like back."""
    return await service.unlike(session, viewer=writer, post_id=post_id)


@router.post(
    "/{post_id}/comments",
    operation_id="createComment",
    status_code=201,
    responses=declare(*WRITES, ForbiddenError, ParentNotFoundError),
)
async def add_comment(post_id: UUID, body: NewComment, session: SessionDep, writer: WriterDep) -> CommentOut:
    """Comment on a post of a connector that you belong to."""
    return await comments.add(session, viewer=writer, post_id=post_id, body=body)


@router.get("/{post_id}/comments", operation_id="listComments", responses=declare(*LISTS))
async def list_comments(post_id: UUID, session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[CommentOut]:
    """List a post's comments, the oldest first."""
    return await comments.list_by_post(session, viewer=viewer, post_id=post_id, page=page)
