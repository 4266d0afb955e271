"""``/stories`` and ``/reels``."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from transactional_api.community.media.routes import MediaDep
from transactional_api.community.stories import service
from transactional_api.community.stories.engagement import Collection, Engagement
from transactional_api.community.stories.schemas import NewReel, NewStory, ReelOut, StoryOut
from transactional_api.community.stories.service import MediaNotReadyError
from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.http.auth import CurrentUser, WritingUser
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.pagination import Page, PageDep

stories = APIRouter(prefix="/stories", tags=["stories"], route_class=TransactionalRoute)
reels = APIRouter(prefix="/reels", tags=["reels"], route_class=TransactionalRoute)

READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
WRITES = (*READS, KeyReusedError, KeyInUseError)
CREATES = problem_responses(*WRITES, ForbiddenError, MediaNotReadyError)


@stories.post("", operation_id="createStory", summary="Create a story", status_code=201, responses=CREATES)
async def create_story(body: NewStory, session: SessionDep, writer: WritingUser, media: MediaDep) -> StoryOut:
    """Create a story in a connector of yours from an image or video of yours."""
    return await service.create_story(session, media=media, viewer=writer, body=body)


@stories.get(
    "/connector/{connector_id}",
    operation_id="listStories",
    summary="List stories",
    responses=problem_responses(*READS, InvalidCursorError),
)
async def list_stories(
    connector_id: UUID, session: SessionDep, viewer: CurrentUser, media: MediaDep, page: PageDep
) -> Page[StoryOut]:
    """List a connector's unexpired stories, newest first."""
    rows, cursor = await service.list_documents(
        session, media=media, viewer=viewer, collection=Collection.STORIES, connector_id=connector_id, page=page
    )
    return service.stories_out(rows, cursor=cursor)


@stories.get("/{story_id}", operation_id="getStory", summary="Get a story", responses=problem_responses(*READS))
async def get_story(story_id: UUID, session: SessionDep, viewer: CurrentUser, media: MediaDep) -> StoryOut:
    """Get a story until it expires."""
    story = await service.get_visible(
        session, media=media, viewer=viewer, collection=Collection.STORIES, document_id=story_id
    )
    return service.story_out(story)


@stories.post(
    "/{story_id}/view",
    operation_id="viewStory",
    summary="Record a story view",
    status_code=204,
    responses=problem_responses(*WRITES),
)
async def view_story(story_id: UUID, session: SessionDep, writer: WritingUser, media: MediaDep) -> None:
    """Record that you viewed a story. Each user counts once, the author never."""
    await service.engage(
        session, media=media, viewer=writer, collection=Collection.STORIES, document_id=story_id, kind=Engagement.VIEW
    )


@stories.delete(
    "/{story_id}",
    operation_id="deleteStory",
    summary="Delete a story",
    status_code=204,
    responses=problem_responses(*WRITES, ForbiddenError),
)
async def delete_story(story_id: UUID, session: SessionDep, writer: WritingUser, media: MediaDep) -> None:
    """Delete a story, as its author or a moderator of the connector."""
    await service.delete_document(
        session, media=media, viewer=writer, collection=Collection.STORIES, document_id=story_id
    )


@reels.post("", operation_id="createReel", summary="Create a reel", status_code=201, responses=CREATES)
async def create_reel(body: NewReel, session: SessionDep, writer: WritingUser, media: MediaDep) -> ReelOut:
    """Create a reel in a connector of yours from a video of yours."""
    return await service.create_reel(session, media=media, viewer=writer, body=body)


@reels.get(
    "/connector/{connector_id}",
    operation_id="listReels",
    summary="List reels",
    responses=problem_responses(*READS, InvalidCursorError),
)
async def list_reels(
    connector_id: UUID, session: SessionDep, viewer: CurrentUser, media: MediaDep, page: PageDep
) -> Page[ReelOut]:
    """List a connector's reels, newest first."""
    rows, cursor = await service.list_documents(
        session, media=media, viewer=viewer, collection=Collection.REELS, connector_id=connector_id, page=page
    )
    return await service.reels_out(session, viewer=viewer, rows=rows, cursor=cursor)


@reels.get("/{reel_id}", operation_id="getReel", summary="Get a reel", responses=problem_responses(*READS))
async def get_reel(reel_id: UUID, session: SessionDep, viewer: CurrentUser, media: MediaDep) -> ReelOut:
    """Get a reel."""
    story = await service.get_visible(
        session, media=media, viewer=viewer, collection=Collection.REELS, document_id=reel_id
    )
    page = await service.reels_out(session, viewer=viewer, rows=[story], cursor=None)
    return page.items[0]


@reels.post(
    "/{reel_id}/view",
    operation_id="viewReel",
    summary="Record a reel view",
    status_code=204,
    responses=problem_responses(*WRITES),
)
async def view_reel(reel_id: UUID, session: SessionDep, writer: WritingUser, media: MediaDep) -> None:
    """Record that you viewed a reel. Each user counts once, the author never."""
    await service.engage(
        session, media=media, viewer=writer, collection=Collection.REELS, document_id=reel_id, kind=Engagement.VIEW
    )


@reels.post(
    "/{reel_id}/like",
    operation_id="likeReel",
    summary="Like a reel",
    status_code=204,
    responses=problem_responses(*WRITES),
)
async def like_reel(reel_id: UUID, session: SessionDep, writer: WritingUser, media: MediaDep) -> None:
    """Like a reel; idempotent."""
    await service.engage(
        session, media=media, viewer=writer, collection=Collection.REELS, document_id=reel_id, kind=Engagement.LIKE
    )


@reels.delete(
    "/{reel_id}/like",
    operation_id="unlikeReel",
    summary="Unlike a reel",
    status_code=204,
    responses=problem_responses(*WRITES),
)
async def unlike_reel(reel_id: UUID, session: SessionDep, writer: WritingUser, media: MediaDep) -> None:
    """Remove your like; idempotent."""
    await service.engage(
        session,
        media=media,
        viewer=writer,
        collection=Collection.REELS,
        document_id=reel_id,
        kind=Engagement.LIKE,
        on=False,
    )


@reels.delete(
    "/{reel_id}",
    operation_id="deleteReel",
    summary="Delete a reel",
    status_code=204,
    responses=problem_responses(*WRITES, ForbiddenError),
)
async def delete_reel(reel_id: UUID, session: SessionDep, writer: WritingUser, media: MediaDep) -> None:
    """Delete a reel, as its author or a moderator of the connector."""
    await service.delete_document(session, media=media, viewer=writer, collection=Collection.REELS, document_id=reel_id)
