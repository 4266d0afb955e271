"""``/stories`` and ``/reels``."""

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
from transactional_api.media.routes import MediaDep
from transactional_api.moments import service
from transactional_api.moments.schemas import NewReel, NewStory, ReelOut, StoryOut
from transactional_api.moments.service import Collection, Mark, MediaNotReadyError
from transactional_api.paging import Page, PageDep

stories = APIRouter(prefix="/stories", tags=["stories"], route_class=TransactionalRoute)
reels = APIRouter(prefix="/reels", tags=["reels"], route_class=TransactionalRoute)

READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
WRITES = (*READS, KeyReusedError, KeyInUseError)
CREATES = declare(*WRITES, ForbiddenError, MediaNotReadyError)


@stories.post("", operation_id="createStory", status_code=201, responses=CREATES)
async def create_story(body: NewStory, session: SessionDep, writer: WriterDep, media: MediaDep) -> StoryOut:
    """Show a picture or video of yours in a connector that you belong to, for some hours."""
    return await service.create_story(session, media=media, viewer=writer, body=body)


@stories.get("/connector/{connector_id}", operation_id="listStories", responses=declare(*READS, InvalidCursorError))
async def list_stories(
    connector_id: UUID, session: SessionDep, viewer: ViewerDep, media: MediaDep, page: PageDep
) -> Page[StoryOut]:
    """List a connector's stories that have not expired, the newest first."""
    rows, cursor = await service.page_of(
        session, media=media, viewer=viewer, collection=Collection.STORIES, connector_id=connector_id, page=page
    )
    return await service.stories_out(session, media=media, viewer=viewer, rows=rows, cursor=cursor)


@stories.get("/{story_id}", operation_id="getStory", responses=declare(*READS))
async def get_story(story_id: UUID, session: SessionDep, viewer: ViewerDep, media: MediaDep) -> StoryOut:
    """Get a story until it expires."""
    found = await service.find(session, media=media, viewer=viewer, collection=Collection.STORIES, document_id=story_id)
    return await service.story_out(session, media=media, viewer=viewer, stored=found.stored)


@stories.post("/{story_id}/view", operation_id="viewStory", status_code=204, responses=declare(*WRITES))
async def view_story(story_id: UUID, session: SessionDep, writer: WriterDep, media: MediaDep) -> None:
    """Say that you saw a story; each person counts once, its author never."""
    await service.mark(
        session, media=media, viewer=writer, collection=Collection.STORIES, document_id=story_id, kind=Mark.VIEW
    )


@stories.delete("/{story_id}", operation_id="deleteStory", status_code=204, responses=declare(*WRITES, ForbiddenError))
async def delete_story(story_id: UUID, session: SessionDep, writer: WriterDep, media: MediaDep) -> None:
    """Take a story away; for its author, moderators and admins."""
    await service.remove(session, media=media, viewer=writer, collection=Collection.STORIES, document_id=story_id)


@reels.post("", operation_id="createReel", status_code=201, responses=CREATES)
async def create_reel(body: NewReel, session: SessionDep, writer: WriterDep, media: MediaDep) -> ReelOut:
    """Show a video of yours in a connector that you belong to."""
    return await service.create_reel(session, media=media, viewer=writer, body=body)


@reels.get("/connector/{connector_id}", operation_id="listReels", responses=declare(*READS, InvalidCursorError))
async def list_reels(
    connector_id: UUID, session: SessionDep, viewer: ViewerDep, media: MediaDep, page: PageDep
) -> Page[ReelOut]:
    """List a connector's reels, the newest first."""
    rows, cursor = await service.page_of(
        session, media=media, viewer=viewer, collection=Collection.REELS, connector_id=connector_id, page=page
    )
    return await service.reels_out(session, media=media, viewer=viewer, rows=rows, cursor=cursor)


@reels.get("/{reel_id}", operation_id="getReel", responses=declare(*READS))
async def get_reel(reel_id: UUID, session: SessionDep, viewer: ViewerDep, media: MediaDep) -> ReelOut:
    """Get a reel."""
    found = await service.find(session, media=media, viewer=viewer, collection=Collection.REELS, document_id=reel_id)
    return await service.reel_out(session, media=media, viewer=viewer, stored=found.stored)


@reels.post("/{reel_id}/view", operation_id="viewReel", status_code=204, responses=declare(*WRITES))
async def view_reel(reel_id: UUID, session: SessionDep, writer: WriterDep, media: MediaDep) -> None:
    """Say that you saw a reel; each person counts once, its author never."""
    await service.mark(
        session, media=media, viewer=writer, collection=Collection.REELS, document_id=reel_id, kind=Mark.VIEW
    )


@reels.post("/{reel_id}/like", operation_id="likeReel", status_code=204, responses=declare(*WRITES))
async def like_reel(reel_id: UUID, session: SessionDep, writer: WriterDep, media: MediaDep) -> None:
    """Like a reel. Twice changes nothing."""
    await service.mark(
        session, media=media, viewer=writer, collection=Collection.REELS, document_id=reel_id, kind=Mark.LIKE
    )


@reels.delete("/{reel_id}/like", operation_id="unlikeReel", status_code=204, responses=declare(*WRITES))
async def unlike_reel(reel_id: UUID, session: SessionDep, writer: WriterDep, media: MediaDep) -> None:
    """Take your like back."""
    await service.mark(
        session,
        media=media,
        viewer=writer,
        collection=Collection.REELS,
        document_id=reel_id,
        kind=Mark.LIKE,
        on=False,
    )


@reels.delete("/{reel_id}", operation_id="deleteReel", status_code=204, responses=declare(*WRITES, ForbiddenError))
async def delete_reel(reel_id: UUID, session: SessionDep, writer: WriterDep, media: MediaDep) -> None:
    """Take a reel away; for its author, moderators and admins."""
    await service.remove(session, media=media, viewer=writer, collection=Collection.REELS, document_id=reel_id)
