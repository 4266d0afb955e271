"""``/media``: uploads of images and videos."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, File, Path, Request, UploadFile
from fastapi.responses import PlainTextResponse

from transactional_api.auth import ActorDep, ViewerDep, WriterDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import (
    BodyTooLargeError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    declare,
)
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.media import renditions, service
from transactional_api.media.room import QuotaExceededError
from transactional_api.media.schemas import MediaBody, MediaOut, UploadBody, UploadOut
from transactional_api.media.service import NotUploadedError, UnreadableUploadError
from transactional_api.media.stores import MAX_UPLOAD_BYTES, Media

router = APIRouter(prefix="/media", tags=["media"], route_class=TransactionalRoute)

HLS = "application/vnd.apple.mpegurl"
READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
WRITES = (*READS, KeyReusedError, KeyInUseError)


async def _media(request: Request) -> Media:
    media: Media = request.app.state.media
    return media


MediaDep = Annotated[Media, Depends(_media)]
"""The stores of uploads."""


@router.post(
    "/upload",
    operation_id="uploadMedia",
    status_code=201,
    responses=declare(
        UnauthenticatedError, InvalidRequestError, BodyTooLargeError, UnreadableUploadError, QuotaExceededError
    ),
)
async def upload(
    file: Annotated[UploadFile, File(description="JPEG, PNG, WebP, GIF, MP4 or WebM of at most 20 MiB.")],
    session: SessionDep,
    viewer: ActorDep,
    media: MediaDep,
) -> MediaOut:
    """Upload an image or a video. What it is, its content says; it is shown once it has been processed."""
    data = await file.read(MAX_UPLOAD_BYTES + 1)
    if len(data) > MAX_UPLOAD_BYTES:
        raise BodyTooLargeError
    return await service.upload(session, media=media, viewer=viewer, data=data)


@router.post(
    "/uploads",
    operation_id="beginUpload",
    status_code=201,
    responses=declare(UnauthenticatedError, InvalidRequestError, QuotaExceededError, KeyReusedError, KeyInUseError),
)
async def begin_upload(body: UploadBody, session: SessionDep, writer: WriterDep, media: MediaDep) -> UploadOut:
    """Get a link to send a file to, past the API; then complete the upload."""
    return await service.begin_upload(session, media=media, viewer=writer, size=body.size)


@router.post(
    "/uploads/{media_id}/complete",
    operation_id="completeUpload",
    responses=declare(*WRITES, NotUploadedError, UnreadableUploadError),
)
async def complete_upload(media_id: UUID, session: SessionDep, writer: WriterDep, media: MediaDep) -> MediaOut:
    """Say that the file was sent."""
    return await service.complete_upload(session, media=media, viewer=writer, media_id=media_id)


@router.post("/process", operation_id="processMedia", responses=declare(*WRITES, NotUploadedError))
async def process(body: MediaBody, session: SessionDep, writer: WriterDep, media: MediaDep) -> MediaOut:
    """Process an upload of yours once more."""
    return await service.process_again(session, media=media, viewer=writer, media_id=body.media_id)


@router.get("/{media_id}", operation_id="getMedia", responses=declare(*READS))
async def get(media_id: UUID, session: SessionDep, viewer: ViewerDep, media: MediaDep) -> MediaOut:
    """Get an upload with links that are good for an hour: your own, or one that is ready and whose id you have."""
    return await service.get(session, media=media, viewer=viewer, media_id=media_id)


@router.get(
    "/{media_id}/playlist.m3u8",
    operation_id="getVideoPlaylist",
    responses=declare(*READS) | {200: {"content": {HLS: {}}}},
    response_class=PlainTextResponse,
)
async def get_playlist(media_id: UUID, session: SessionDep, viewer: ViewerDep, media: MediaDep) -> PlainTextResponse:
    """Get the HLS playlist of a video's renditions. A player sends the token along to the playlists it names."""
    document = await service.document_of(session, media=media, viewer=viewer, media_id=media_id)
    return PlainTextResponse(renditions.master_playlist(document), media_type=HLS)


@router.get(
    "/{media_id}/playlist/{name}.m3u8",
    operation_id="getRenditionPlaylist",
    responses=declare(*READS) | {200: {"content": {HLS: {}}}},
    response_class=PlainTextResponse,
)
async def get_rendition_playlist(
    media_id: UUID,
    name: Annotated[str, Path(max_length=20, examples=["h264-480"])],
    session: SessionDep,
    viewer: ViewerDep,
    media: MediaDep,
) -> PlainTextResponse:
    """Get the HLS playlist of one rendition; its links are good for an hour and need no token."""
    document = await service.document_of(session, media=media, viewer=viewer, media_id=media_id)
    return PlainTextResponse(await renditions.playlist(media, document, name=name), media_type=HLS)


@router.delete("/{media_id}", operation_id="deleteMedia", status_code=204, responses=declare(*WRITES, ForbiddenError))
async def remove(media_id: UUID, session: SessionDep, writer: WriterDep, media: MediaDep) -> None:
    """Delete an upload of yours with all its copies."""
    await service.remove(session, media=media, viewer=writer, media_id=media_id)
