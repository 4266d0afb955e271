"""``/images`` and ``/videos``: your own uploads made smaller, and what is seen in them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from transactional_api.answers import InferenceDep
from transactional_api.auth import ViewerDep, WriterDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import AskingRoute, TransactionalRoute
from transactional_api.errors import InvalidRequestError, NotFoundError, UnauthenticatedError, declare
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.media import renditions
from transactional_api.media import service as uploads
from transactional_api.media.processing import MediaKind
from transactional_api.media.routes import MediaDep
from transactional_api.media.schemas import MediaBody, MediaOut, UploadState
from transactional_api.media.service import NotUploadedError
from transactional_api.moments.service import MediaNotReadyError
from transactional_api.vision.schemas import (
    Cancelled,
    Copy,
    Faces,
    FacesBody,
    Labels,
    OptimizeBody,
    ThumbnailBody,
    VideoCopy,
    VideoFacts,
    VideoModeration,
)
from transactional_api.vision.service import Eyes, TooManyCopiesError

images = APIRouter(prefix="/images", tags=["images"], route_class=AskingRoute)
videos = APIRouter(prefix="/videos", tags=["videos"], route_class=AskingRoute)
renditions_of_videos = APIRouter(prefix="/videos", tags=["videos"], route_class=TransactionalRoute)

ANSWERS = declare(UnauthenticatedError, NotFoundError, InvalidRequestError, MediaNotReadyError)
COPIES = declare(UnauthenticatedError, NotFoundError, InvalidRequestError, MediaNotReadyError, TooManyCopiesError)
WRITES = (UnauthenticatedError, NotFoundError, InvalidRequestError, KeyReusedError, KeyInUseError)


async def _eyes(session: SessionDep, viewer: ViewerDep, media: MediaDep, inference: InferenceDep) -> Eyes:
    return Eyes(session, media=media, inference=inference, viewer=viewer)


EyesDep = Annotated[Eyes, Depends(_eyes)]


@images.post("/optimize", operation_id="optimizeImage", responses=COPIES)
async def optimize(body: OptimizeBody, eyes: EyesDep) -> Copy:
    """Get your picture as small as it looks the same: upright, in sRGB, without metadata, as JPEG, WebP or AVIF."""
    return await eyes.optimize(body)


@images.post("/thumbnail", operation_id="getImageThumbnail", responses=COPIES)
async def thumbnail(body: ThumbnailBody, eyes: EyesDep) -> Copy:
    """Get a small copy of your picture: of the whole, or cropped to faces and what stands out."""
    return await eyes.thumbnail(body)


@images.post("/detect-faces", operation_id="detectFaces", responses=COPIES)
async def detect_faces(body: FacesBody, eyes: EyesDep) -> Faces:
    """Find the faces of your picture, and get a copy without them if you ask. It says whether a model looked."""
    return await eyes.faces(body)


@images.post("/classify", operation_id="classifyImage", responses=ANSWERS)
async def classify(body: MediaBody, eyes: EyesDep) -> Labels:
    """Find out what is to be seen in your picture. It says whether a model looked."""
    return await eyes.labels(body.media_id)


@renditions_of_videos.post("/process", operation_id="processVideo", responses=declare(*WRITES, NotUploadedError))
async def process(body: MediaBody, session: SessionDep, writer: WriterDep, media: MediaDep) -> MediaOut:
    """Have your video written for every screen: what is missing of its renditions, or all of it if it failed before.

    `progress` of the upload says how far it is; asking again goes on where it was left off.
    """
    stored = await uploads.own(media, viewer=writer, media_id=body.media_id)
    if stored.document["state"] != UploadState.READY or stored.document["kind"] != MediaKind.VIDEO:
        return await uploads.process_again(session, media=media, viewer=writer, media_id=body.media_id)
    await renditions.begin(session, media=media, media_id=body.media_id)
    return await uploads.get(session, media=media, viewer=writer, media_id=body.media_id)


@renditions_of_videos.delete("/process/{media_id}", operation_id="cancelVideoProcessing", responses=declare(*WRITES))
async def cancel(media_id: UUID, writer: WriterDep, media: MediaDep) -> Cancelled:
    """Stop writing renditions of your video; those that are done stay."""
    stored = await uploads.own(media, viewer=writer, media_id=media_id)
    await renditions.cancel(media, media_id=media_id)
    return Cancelled(media_id=media_id, renditions=list(stored.document.get("renditions", {})))


@videos.post("/extract-thumbnail", operation_id="getVideoThumbnail", responses=COPIES)
async def extract_thumbnail(body: ThumbnailBody, eyes: EyesDep) -> VideoCopy:
    """Get a still picture of your video: with a height its best moment, and a sheet of small pictures."""
    return await eyes.poster(body)


@videos.post("/analyze", operation_id="analyzeVideo", responses=ANSWERS)
async def analyze(body: MediaBody, eyes: EyesDep) -> VideoFacts:
    """Find out what your video shows: shots, faces, labels, sounds. It says whether a model looked."""
    return await eyes.facts(body.media_id)


@videos.post("/moderate", operation_id="moderateVideo", responses=ANSWERS)
async def moderate(body: MediaBody, eyes: EyesDep) -> VideoModeration:
    """Find out what moderation would do with your video, and for which parts. Without a model, a person is asked."""
    return await eyes.moderate(body.media_id)
