"""``/posts``: posts, comments and engagement."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import StringConstraints

from transactional_api.community.posts import comments, engagement, feeds, service
from transactional_api.community.posts.comments import ParentNotFoundError
from transactional_api.community.posts.engagement import TooManyPinsError
from transactional_api.community.posts.schemas import (
    CommentBody,
    CommentLikeOut,
    CommentOut,
    FeedKind,
    LikeOut,
    NewComment,
    NewPost,
    PostBody,
    PostOut,
    PostVersionOut,
    ReactionBody,
    ReactionsOut,
)
from transactional_api.core.db.session import SessionDep
from transactional_api.core.db.statements import RunnerDep
from transactional_api.core.db.tables import Post
from transactional_api.core.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.geography import NearDep
from transactional_api.core.http.auth import CurrentUser, WritingUser
from transactional_api.core.http.etags import PreconditionFailedError, require_if_match, set_etag
from transactional_api.core.http.fast_path import fast_read
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.media.references import ATTACHING, ATTACHING_IDS
from transactional_api.core.pagination import Page, PageDep
from transactional_api.core.text import Line

router = APIRouter(prefix="/posts", tags=["posts"], route_class=TransactionalRoute)

VERSION = require_if_match(Post.updated_at, Post.id, path="post_id")

READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
WRITES = (*READS, KeyReusedError, KeyInUseError)
LISTS = (*READS, InvalidCursorError)
TagText = Annotated[Line, StringConstraints(min_length=1, max_length=100)]


@router.post(
    "",
    operation_id="createPost",
    summary="Create post",
    status_code=201,
    responses=problem_responses(*WRITES, ForbiddenError, *ATTACHING),
)
async def create(body: NewPost, session: SessionDep, writer: WritingUser) -> PostOut:
    """Create a post in a connector that you are a member of."""
    return await service.create(session, viewer=writer, body=body)


@router.get(
    "/connector/{connector_id}",
    operation_id="listConnectorPosts",
    summary="List posts of a connector",
    responses=problem_responses(*LISTS),
)
@fast_read
async def list_by_connector(connector_id: UUID, runner: RunnerDep, viewer: CurrentUser, page: PageDep) -> Page[PostOut]:
    """List the posts of a connector, newest first."""
    return await service.list_by_connector(runner, viewer=viewer, connector_id=connector_id, page=page)


@router.get(
    "/connector/{connector_id}/pinned",
    operation_id="listPinnedPosts",
    summary="List pinned posts",
    responses=problem_responses(*READS),
)
async def list_pinned(connector_id: UUID, session: SessionDep, viewer: CurrentUser) -> Page[PostOut]:
    """List the pinned posts of a connector, last pinned first."""
    return await engagement.list_pinned_posts(session, viewer=viewer, connector_id=connector_id)


@router.get(
    "/feed/{kind}",
    operation_id="getFeed",
    summary="List posts of a feed",
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def feed(kind: FeedKind, session: SessionDep, viewer: CurrentUser, near: NearDep, page: PageDep) -> Page[PostOut]:
    """List the newest posts of users whom you follow, of your connectors, or near a point.

    The ranked, personalized feed is `POST /recommendations/content`.
    """
    return await feeds.feed(session, viewer=viewer, kind=kind, near=near, page=page)


@router.get(
    "/tag/{tag}",
    operation_id="listPostsByTag",
    summary="List posts by hashtag",
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def by_tag(tag: TagText, session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[PostOut]:
    """List the newest posts with a hashtag, given without `#`. Case is ignored."""
    return await feeds.by_tag(session, viewer=viewer, tag=tag, page=page)


@router.get("/{post_id}", operation_id="getPost", summary="Get post", responses=problem_responses(*READS))
@fast_read
async def get(post_id: UUID, response: Response, runner: RunnerDep, viewer: CurrentUser) -> PostOut:
    """Return a post."""
    return set_etag(response, await service.get(runner, viewer=viewer, post_id=post_id))


@router.put(
    "/{post_id}",
    operation_id="replacePost",
    summary="Replace post",
    dependencies=[VERSION],
    responses=problem_responses(PreconditionFailedError, *WRITES, ForbiddenError, *ATTACHING),
)
async def replace(
    post_id: UUID, body: PostBody, response: Response, session: SessionDep, writer: WritingUser
) -> PostOut:
    """Replace the content of a post.

    Requires its author or a moderator. The previous version is stored in its history.
    """
    return set_etag(response, await service.replace(session, viewer=writer, post_id=post_id, body=body))


@router.get(
    "/{post_id}/history",
    operation_id="listPostVersions",
    summary="List post versions",
    responses=problem_responses(*LISTS),
)
async def history(post_id: UUID, session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[PostVersionOut]:
    """List the previous versions of a post, newest first."""
    return await service.list_versions(session, viewer=viewer, post_id=post_id, page=page)


@router.put(
    "/{post_id}/pin",
    operation_id="pinPost",
    summary="Pin post",
    status_code=204,
    responses=problem_responses(*WRITES, ForbiddenError, TooManyPinsError),
)
async def pin(post_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Pin a post in its connector. Requires a moderator. Idempotent."""
    await engagement.set_pin(session, viewer=writer, post_id=post_id, pinned=True)


@router.delete(
    "/{post_id}/pin",
    operation_id="unpinPost",
    summary="Unpin post",
    status_code=204,
    responses=problem_responses(*WRITES, ForbiddenError),
)
async def unpin(post_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Unpin a post. Requires a moderator. Idempotent."""
    await engagement.set_pin(session, viewer=writer, post_id=post_id, pinned=False)


@router.get(
    "/{post_id}/reactions",
    operation_id="getReactions",
    summary="Get post reactions",
    responses=problem_responses(*READS),
)
async def get_reactions(post_id: UUID, session: SessionDep, viewer: CurrentUser) -> ReactionsOut:
    """Return the number of reactions by kind, and your own reaction."""
    return await engagement.get_reactions(session, viewer=viewer, post_id=post_id)


@router.put(
    "/{post_id}/reaction",
    operation_id="setReaction",
    summary="Set reaction to post",
    responses=problem_responses(*WRITES),
)
async def react(post_id: UUID, body: ReactionBody, session: SessionDep, writer: WritingUser) -> ReactionsOut:
    """Set your reaction to a post. Replaces your previous reaction."""
    return await engagement.set_reaction(session, viewer=writer, post_id=post_id, kind=body.kind)


@router.delete(
    "/{post_id}/reaction",
    operation_id="removeReaction",
    summary="Remove reaction to post",
    responses=problem_responses(*WRITES),
)
async def unreact(post_id: UUID, session: SessionDep, writer: WritingUser) -> ReactionsOut:
    """Remove your reaction to a post. Idempotent."""
    return await engagement.set_reaction(session, viewer=writer, post_id=post_id, kind=None)


@router.delete(
    "/{post_id}",
    operation_id="deletePost",
    summary="Delete post",
    status_code=204,
    dependencies=[VERSION],
    responses=problem_responses(PreconditionFailedError, *WRITES, ForbiddenError),
)
async def remove(post_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Delete a post. Requires its author or a moderator."""
    await service.remove(session, viewer=writer, post_id=post_id)


@router.post("/{post_id}/like", operation_id="likePost", summary="Like post", responses=problem_responses(*WRITES))
async def like(post_id: UUID, session: SessionDep, writer: WritingUser) -> LikeOut:
    """Like a post. Idempotent."""
    return await engagement.set_like(session, viewer=writer, post_id=post_id, liked=True)


@router.delete(
    "/{post_id}/like", operation_id="unlikePost", summary="Unlike post", responses=problem_responses(*WRITES)
)
async def unlike(post_id: UUID, session: SessionDep, writer: WritingUser) -> LikeOut:
    """Remove your like from a post. Idempotent."""
    return await engagement.set_like(session, viewer=writer, post_id=post_id, liked=False)


@router.post(
    "/{post_id}/comments",
    operation_id="createComment",
    summary="Create comment",
    status_code=201,
    responses=problem_responses(*WRITES, ForbiddenError, ParentNotFoundError, *ATTACHING_IDS),
)
async def add_comment(post_id: UUID, body: NewComment, session: SessionDep, writer: WritingUser) -> CommentOut:
    """Add a comment to a post in a connector that you are a member of."""
    return await comments.add(session, viewer=writer, post_id=post_id, body=body)


@router.get(
    "/{post_id}/comments", operation_id="listComments", summary="List comments", responses=problem_responses(*LISTS)
)
async def list_comments(post_id: UUID, session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[CommentOut]:
    """List the comments of a post, oldest first."""
    return await comments.list_by_post(session, viewer=viewer, post_id=post_id, page=page)


@router.put(
    "/{post_id}/comments/{comment_id}",
    operation_id="replaceComment",
    summary="Replace comment",
    responses=problem_responses(*WRITES, ForbiddenError, *ATTACHING_IDS),
)
async def change_comment(
    post_id: UUID, comment_id: UUID, body: CommentBody, session: SessionDep, writer: WritingUser
) -> CommentOut:
    """Replace the content and the media of your comment."""
    return await comments.replace(session, viewer=writer, post_id=post_id, comment_id=comment_id, body=body)


@router.delete(
    "/{post_id}/comments/{comment_id}",
    operation_id="deleteComment",
    summary="Delete comment",
    status_code=204,
    responses=problem_responses(*WRITES, ForbiddenError),
)
async def remove_comment(post_id: UUID, comment_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Delete a comment; its replies remain. Requires its author or a moderator."""
    await comments.remove(session, viewer=writer, post_id=post_id, comment_id=comment_id)


@router.put(
    "/{post_id}/comments/{comment_id}/like",
    operation_id="likeComment",
    summary="Like comment",
    responses=problem_responses(*WRITES),
)
async def like_comment(post_id: UUID, comment_id: UUID, session: SessionDep, writer: WritingUser) -> CommentLikeOut:
    """Like a comment. Idempotent."""
    return await engagement.set_comment_like(session, viewer=writer, post_id=post_id, comment_id=comment_id, liked=True)


@router.delete(
    "/{post_id}/comments/{comment_id}/like",
    operation_id="unlikeComment",
    summary="Unlike comment",
    responses=problem_responses(*WRITES),
)
async def unlike_comment(post_id: UUID, comment_id: UUID, session: SessionDep, writer: WritingUser) -> CommentLikeOut:
    """Remove your like from a comment. Idempotent."""
    return await engagement.set_comment_like(
        session, viewer=writer, post_id=post_id, comment_id=comment_id, liked=False
    )
