"""``/posts``: posts, their likes and comments."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import StringConstraints

from transactional_api.auth import ViewerDep, WriterDep
from transactional_api.db.session import SessionDep
from transactional_api.db.tables import Post
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
from transactional_api.places import NearDep
from transactional_api.posts import comments, feeds, pins, reactions, service
from transactional_api.posts.comments import ParentNotFoundError
from transactional_api.posts.pins import TooManyPinsError
from transactional_api.posts.schemas import (
    CommentBody,
    CommentLikeOut,
    CommentOut,
    FeedKind,
    LikeOut,
    NewComment,
    NewPost,
    PostBody,
    PostOut,
    ReactionBody,
    ReactionsOut,
    VersionOut,
)
from transactional_api.text import Line
from transactional_api.versions import StaleError, meant_for, tagged

router = APIRouter(prefix="/posts", tags=["posts"], route_class=TransactionalRoute)

# What a write of an older version than the present one is refused by.
VERSION = meant_for(Post.updated_at, Post.id, path="post_id")

READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
WRITES = (*READS, KeyReusedError, KeyInUseError)
LISTS = (*READS, InvalidCursorError)
TagText = Annotated[Line, StringConstraints(min_length=1, max_length=50)]


@router.post("", operation_id="createPost", status_code=201, responses=declare(*WRITES, ForbiddenError))
async def create(body: NewPost, session: SessionDep, writer: WriterDep) -> PostOut:
    """Write a post in a connector that you belong to."""
    return await service.create(session, viewer=writer, body=body)


@router.get("/connector/{connector_id}", operation_id="listPosts", responses=declare(*LISTS))
async def list_by_connector(connector_id: UUID, session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[PostOut]:
    """List a connector's posts, the newest first."""
    return await service.list_by_connector(session, viewer=viewer, connector_id=connector_id, page=page)


@router.get("/connector/{connector_id}/pinned", operation_id="listPinnedPosts", responses=declare(*READS))
async def list_pinned(connector_id: UUID, session: SessionDep, viewer: ViewerDep) -> Page[PostOut]:
    """List the posts that a connector shows first, the last pinned at the top."""
    return await pins.pinned(session, viewer=viewer, connector_id=connector_id)


@router.get(
    "/feed/{kind}",
    operation_id="getFeed",
    responses=declare(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def feed(kind: FeedKind, session: SessionDep, viewer: ViewerDep, near: NearDep, page: PageDep) -> Page[PostOut]:
    """List the newest posts of people whom you follow, of your connectors, or near a point.

    A feed that is ranked for you is `POST /recommendations/content`.
    """
    return await feeds.feed(session, viewer=viewer, kind=kind, near=near, page=page)


@router.get(
    "/tag/{tag}",
    operation_id="listPostsByTag",
    responses=declare(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def by_tag(tag: TagText, session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[PostOut]:
    """List the newest posts with a tag, without its `#`, in any case."""
    return await feeds.by_tag(session, viewer=viewer, tag=tag, page=page)


@router.get("/{post_id}", operation_id="getPost", responses=declare(*READS))
async def get(post_id: UUID, response: Response, session: SessionDep, viewer: ViewerDep) -> PostOut:
    """Get a post."""
    return tagged(response, await service.get(session, viewer=viewer, post_id=post_id))


@router.put(
    "/{post_id}",
    operation_id="replacePost",
    dependencies=[VERSION],
    responses=declare(StaleError, *WRITES, ForbiddenError),
)
async def replace(post_id: UUID, body: PostBody, response: Response, session: SessionDep, writer: WriterDep) -> PostOut:
    """Replace a post's words; for its author and for who tends the connector. What it said stays in its history."""
    return tagged(response, await service.replace(session, viewer=writer, post_id=post_id, body=body))


@router.get("/{post_id}/history", operation_id="listPostVersions", responses=declare(*LISTS))
async def history(post_id: UUID, session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[VersionOut]:
    """List what a post said before it was changed, the newest first."""
    return await service.history(session, viewer=viewer, post_id=post_id, page=page)


@router.put(
    "/{post_id}/pin",
    operation_id="pinPost",
    status_code=204,
    responses=declare(*WRITES, ForbiddenError, TooManyPinsError),
)
async def pin(post_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Show a post first in its connector; for who tends it."""
    await pins.pin(session, viewer=writer, post_id=post_id)


@router.delete("/{post_id}/pin", operation_id="unpinPost", status_code=204, responses=declare(*WRITES, ForbiddenError))
async def unpin(post_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Show a post first no longer."""
    await pins.pin(session, viewer=writer, post_id=post_id, on=False)


@router.get("/{post_id}/reactions", operation_id="getReactions", responses=declare(*READS))
async def get_reactions(post_id: UUID, session: SessionDep, viewer: ViewerDep) -> ReactionsOut:
    """Count how people feel about a post."""
    return await reactions.reactions(session, viewer=viewer, post_id=post_id)


@router.put("/{post_id}/reaction", operation_id="reactToPost", responses=declare(*WRITES))
async def react(post_id: UUID, body: ReactionBody, session: SessionDep, writer: WriterDep) -> ReactionsOut:
    """Say how you feel about a post; a new reaction takes the place of your last."""
    return await reactions.react(session, viewer=writer, post_id=post_id, kind=body.kind)


@router.delete("/{post_id}/reaction", operation_id="takeReactionBack", responses=declare(*WRITES))
async def unreact(post_id: UUID, session: SessionDep, writer: WriterDep) -> ReactionsOut:
    """Take your reaction back."""
    return await reactions.react(session, viewer=writer, post_id=post_id, kind=None)


@router.delete(
    "/{post_id}",
    operation_id="deletePost",
    status_code=204,
    dependencies=[VERSION],
    responses=declare(StaleError, *WRITES, ForbiddenError),
)
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


@router.put(
    "/{post_id}/comments/{comment_id}", operation_id="changeComment", responses=declare(*WRITES, ForbiddenError)
)
async def change_comment(
    post_id: UUID, comment_id: UUID, body: CommentBody, session: SessionDep, writer: WriterDep
) -> CommentOut:
    """Change the words of a comment of yours."""
    return await comments.change(session, viewer=writer, post_id=post_id, comment_id=comment_id, body=body)


@router.delete(
    "/{post_id}/comments/{comment_id}",
    operation_id="deleteComment",
    status_code=204,
    responses=declare(*WRITES, ForbiddenError),
)
async def remove_comment(post_id: UUID, comment_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Take a comment away, its replies stay; for its author and for who tends the connector."""
    await comments.remove(session, viewer=writer, post_id=post_id, comment_id=comment_id)


@router.post("/{post_id}/comments/{comment_id}/like", operation_id="likeComment", responses=declare(*WRITES))
async def like_comment(post_id: UUID, comment_id: UUID, session: SessionDep, writer: WriterDep) -> CommentLikeOut:
    """Like a comment. Liking twice changes nothing."""
    return await comments.like(session, viewer=writer, post_id=post_id, comment_id=comment_id)


@router.delete("/{post_id}/comments/{comment_id}/like", operation_id="unlikeComment", responses=declare(*WRITES))
async def unlike_comment(post_id: UUID, comment_id: UUID, session: SessionDep, writer: WriterDep) -> CommentLikeOut:
    """Take your like of a comment back."""
    return await comments.like(session, viewer=writer, post_id=post_id, comment_id=comment_id, on=False)
