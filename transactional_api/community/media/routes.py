"""``/media``: uploads of images and videos.

An upload is visible to its owner and to users who may see an object that shows it; others get 404.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, File, Path, Request, UploadFile
from fastapi.responses import PlainTextResponse

from transactional_api.community.media import renditions, service
from transactional_api.community.media.quota import QuotaExceededError
from transactional_api.community.media.schemas import AltText, MediaOut, MediaReference, NewUpload, UploadLink
from transactional_api.community.media.service import NotUploadedError, UnreadableUploadError
from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import (
    BodyTooLargeError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.http.auth import AuditedUser, CurrentUser, WritingUser
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.media.stores import MAX_UPLOAD_BYTES, MediaStores

router = APIRouter(prefix="/media", tags=["media"], route_class=TransactionalRoute)

HLS = "application/vnd.apple.mpegurl"
READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
WRITES = (*READS, KeyReusedError, KeyInUseError)


async def _media(request: Request) -> MediaStores:
    media: MediaStores = request.app.state.media
    return media


MediaDep = Annotated[MediaStores, Depends(_media)]
"""Stores of uploads."""


@router.post(
    "/upload",
    operation_id="uploadMedia",
    summary="Upload a file",
    status_code=201,
    responses=problem_responses(
        UnauthenticatedError, InvalidRequestError, BodyTooLargeError, UnreadableUploadError, QuotaExceededError
    ),
)
async def upload(
    file: Annotated[UploadFile, File(description="JPEG, PNG, WebP, GIF, AVIF, HEIC, MP4 or WebM of at most 20 MiB.")],
    session: SessionDep,
    viewer: AuditedUser,
    media: MediaDep,
) -> MediaOut:
    """Upload an image or a video. Its format is detected from its content; it is visible to others once processed."""
    data = await file.read(MAX_UPLOAD_BYTES + 1)
    if len(data) > MAX_UPLOAD_BYTES:
        raise BodyTooLargeError
    return await service.upload(session, media=media, viewer=viewer, data=data)


@router.post(
    "/uploads",
    operation_id="createUpload",
    summary="Create an upload link",
    status_code=201,
    responses=problem_responses(
        UnauthenticatedError, InvalidRequestError, QuotaExceededError, KeyReusedError, KeyInUseError
    ),
)
async def create_upload(body: NewUpload, session: SessionDep, writer: WritingUser, media: MediaDep) -> UploadLink:
    """Get a link for sending a file directly to the object store; then complete the upload."""
    return await service.create_upload(session, media=media, viewer=writer, size=body.size)


@router.post(
    "/uploads/{media_id}/complete",
    operation_id="completeUpload",
    summary="Complete an upload",
    responses=problem_responses(*WRITES, NotUploadedError, UnreadableUploadError),
)
async def complete_upload(media_id: UUID, session: SessionDep, writer: WritingUser, media: MediaDep) -> MediaOut:
    """Complete an upload after its file was sent."""
    return await service.complete_upload(session, media=media, viewer=writer, media_id=media_id)


@router.post(
    "/process",
    operation_id="processMedia",
    summary="Process an upload again",
    responses=problem_responses(*WRITES, NotUploadedError),
)
async def process(body: MediaReference, session: SessionDep, writer: WritingUser, media: MediaDep) -> MediaOut:
    """Process one of your uploads again."""
    return await service.process_again(session, media=media, viewer=writer, media_id=body.media_id)


@router.put(
    "/{media_id}/alt-text",
    operation_id="setAltText",
    summary="Describe an upload",
    responses=problem_responses(*WRITES),
)
async def set_alt_text(
    media_id: UUID, body: AltText, session: SessionDep, writer: WritingUser, media: MediaDep
) -> MediaOut:
    """Set your description of one of your uploads; everything that shows the upload has it."""
    return await service.set_alt_text(session, media=media, viewer=writer, media_id=media_id, alt_text=body.alt_text)


@router.get("/{media_id}", operation_id="getMedia", summary="Get an upload", responses=problem_responses(*READS))
async def get_media(media_id: UUID, session: SessionDep, viewer: CurrentUser, media: MediaDep) -> MediaOut:
    """Get one of your uploads, or one shown by an object that you may see. Its links are valid for an hour."""
    return await service.get_upload(session, media=media, viewer=viewer, media_id=media_id)


@router.get(
    "/{media_id}/playlist.m3u8",
    operation_id="getVideoPlaylist",
    summary="Get a video playlist",
    responses=problem_responses(*READS) | {200: {"content": {HLS: {}}}},
    response_class=PlainTextResponse,
)
async def get_playlist(media_id: UUID, session: SessionDep, viewer: CurrentUser, media: MediaDep) -> PlainTextResponse:
    """Get the HLS master playlist of a video. Players send the token with the requests for its playlists."""
    document = await service.document_of(session, media=media, viewer=viewer, media_id=media_id)
    return PlainTextResponse(renditions.master_playlist(document), media_type=HLS)


@router.get(
    "/{media_id}/playlist/{name}.m3u8",
    operation_id="getRenditionPlaylist",
    summary="Get a rendition playlist",
    responses=problem_responses(*READS) | {200: {"content": {HLS: {}}}},
    response_class=PlainTextResponse,
)
async def get_rendition_playlist(
    media_id: UUID,
    name: Annotated[str, Path(max_length=20, examples=["h264-480"])],
    session: SessionDep,
    viewer: CurrentUser,
    media: MediaDep,
) -> PlainTextResponse:
    """Get the HLS playlist of one rendition; its links are valid for an hour and need no token."""
    document = await service.document_of(session, media=media, viewer=viewer, media_id=media_id)
    return PlainTextResponse(await renditions.playlist(media, document, name=name), media_type=HLS)


@router.delete(
    "/{media_id}",
    operation_id="deleteMedia",
    summary="Delete an upload",
    status_code=204,
    responses=problem_responses(*WRITES, ForbiddenError),
)
async def delete_media(media_id: UUID, session: SessionDep, writer: WritingUser, media: MediaDep) -> None:
    """Delete one of your uploads with all its renditions."""
    await service.delete_upload(session, media=media, viewer=writer, media_id=media_id)
