"""``/images`` and ``/videos``: renditions and analysis of your own uploads."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from transactional_api.community.media import renditions
from transactional_api.community.media import service as uploads
from transactional_api.community.media.routes import MediaDep
from transactional_api.community.media.schemas import MediaOut, MediaReference
from transactional_api.community.media.service import NotUploadedError
from transactional_api.community.stories.service import MediaNotReadyError
from transactional_api.core.db.session import SessionDep
from transactional_api.core.db.statements import ReadsDep
from transactional_api.core.errors import InvalidRequestError, NotFoundError, UnauthenticatedError, problem_responses
from transactional_api.core.http.auth import CurrentUser, WritingUser
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import ReadOnlyRoute, TransactionalRoute
from transactional_api.core.inference.client import InferenceDep
from transactional_api.core.media.processing import MediaKind
from transactional_api.core.media.stores import UploadState
from transactional_api.intelligence.vision.schemas import (
    CanceledProcessing,
    DetectedFaces,
    FacesBody,
    ImageLabels,
    OptimizeBody,
    RenditionResult,
    ThumbnailBody,
    VideoAnalysis,
    VideoModeration,
    VideoPoster,
)
from transactional_api.intelligence.vision.service import TooManyRenditionsError, VisionClient

images = APIRouter(prefix="/images", tags=["images"], route_class=ReadOnlyRoute)
videos = APIRouter(prefix="/videos", tags=["videos"], route_class=ReadOnlyRoute)
video_processing = APIRouter(prefix="/videos", tags=["videos"], route_class=TransactionalRoute)

RESPONSES = problem_responses(UnauthenticatedError, NotFoundError, InvalidRequestError, MediaNotReadyError)
RENDITION_RESPONSES = problem_responses(
    UnauthenticatedError, NotFoundError, InvalidRequestError, MediaNotReadyError, TooManyRenditionsError
)
WRITES = (UnauthenticatedError, NotFoundError, InvalidRequestError, KeyReusedError, KeyInUseError)


async def _vision_client(
    reads: ReadsDep, viewer: CurrentUser, media: MediaDep, inference: InferenceDep
) -> VisionClient:
    return VisionClient(reads, media=media, inference=inference, viewer=viewer)


VisionClientDep = Annotated[VisionClient, Depends(_vision_client)]


@images.post("/optimize", operation_id="optimizeImage", summary="Optimize an image", responses=RENDITION_RESPONSES)
async def optimize(body: OptimizeBody, vision: VisionClientDep) -> RenditionResult:
    """Optimize one of your images: visually lossless, upright, in sRGB, without metadata, as JPEG, WebP or AVIF."""
    return await vision.optimize(body)


@images.post(
    "/thumbnail",
    operation_id="createImageThumbnail",
    summary="Create an image thumbnail",
    responses=RENDITION_RESPONSES,
)
async def thumbnail(body: ThumbnailBody, vision: VisionClientDep) -> RenditionResult:
    """Create a thumbnail of one of your images: of the whole, or cropped to faces and salient parts."""
    return await vision.thumbnail(body)


@images.post("/detect-faces", operation_id="detectFaces", summary="Detect faces", responses=RENDITION_RESPONSES)
async def detect_faces(body: FacesBody, vision: VisionClientDep) -> DetectedFaces:
    """Detect the faces in one of your images, and create an anonymized copy if requested."""
    return await vision.faces(body)


@images.post("/classify", operation_id="classifyImage", summary="Classify an image", responses=RESPONSES)
async def classify(body: MediaReference, vision: VisionClientDep) -> ImageLabels:
    """Classify one of your images. `source` is `rules` if no model responded."""
    return await vision.labels(body.media_id)


@video_processing.post(
    "/process",
    operation_id="processVideo",
    summary="Process a video",
    responses=problem_responses(*WRITES, NotUploadedError),
)
async def process(body: MediaReference, session: SessionDep, writer: WritingUser, media: MediaDep) -> MediaOut:
    """Create the missing renditions of one of your videos, or process it again after a failure.

    `progress` of the upload has the state; a repeated request resumes a canceled job.
    """
    stored = await uploads.get_own(media, viewer=writer, media_id=body.media_id)
    if stored.document["state"] != UploadState.READY or stored.document["kind"] != MediaKind.VIDEO:
        return await uploads.process_again(session, media=media, viewer=writer, media_id=body.media_id)
    await renditions.enqueue(session, media=media, media_id=body.media_id)
    return await uploads.get_upload(session, media=media, viewer=writer, media_id=body.media_id)


@video_processing.delete(
    "/process/{media_id}",
    operation_id="cancelVideoProcessing",
    summary="Cancel video processing",
    responses=problem_responses(*WRITES),
)
async def cancel(media_id: UUID, writer: WritingUser, media: MediaDep) -> CanceledProcessing:
    """Cancel the renditions of one of your videos; finished ones remain."""
    stored = await uploads.get_own(media, viewer=writer, media_id=media_id)
    await renditions.cancel(media, media_id=media_id)
    return CanceledProcessing(media_id=media_id, renditions=list(stored.document.get("renditions", {})))


@videos.post(
    "/extract-thumbnail",
    operation_id="createVideoThumbnail",
    summary="Create a video thumbnail",
    responses=RENDITION_RESPONSES,
)
async def extract_thumbnail(body: ThumbnailBody, vision: VisionClientDep) -> VideoPoster:
    """Create a poster frame of one of your videos; with a height, of its best frame with a sprite sheet."""
    return await vision.poster(body)


@videos.post("/analyze", operation_id="analyzeVideo", summary="Analyze a video", responses=RESPONSES)
async def analyze(body: MediaReference, vision: VisionClientDep) -> VideoAnalysis:
    """Analyze one of your videos: shots, labels and audio. `source` is `rules` if no model responded."""
    return await vision.analyze(body.media_id)


@videos.post("/moderate", operation_id="moderateVideo", summary="Moderate a video", responses=RESPONSES)
async def moderate(body: MediaReference, vision: VisionClientDep) -> VideoModeration:
    """Get the moderation verdict of one of your videos and its spans; `review` without a model."""
    return await vision.moderate(body.media_id)
