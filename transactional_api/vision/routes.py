"""``/images`` and ``/videos``: your own uploads made smaller, and what is seen in them."""

from __future__ import annotations

from fastapi import APIRouter

from transactional_api.answers import InferenceDep
from transactional_api.auth import ViewerDep, WriterDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import InvalidRequestError, NotFoundError, UnauthenticatedError, declare
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.media import service as uploads
from transactional_api.media.processing import MediaKind
from transactional_api.media.routes import MediaDep
from transactional_api.media.schemas import MediaBody, MediaOut
from transactional_api.media.service import NotUploadedError
from transactional_api.moments.service import MediaNotReadyError
from transactional_api.vision import service
from transactional_api.vision.schemas import Copy, Faces, Labels, ThumbnailBody, VideoFacts, VideoModeration

images = APIRouter(prefix="/images", tags=["images"], route_class=TransactionalRoute)
videos = APIRouter(prefix="/videos", tags=["videos"], route_class=TransactionalRoute)

ANSWERS = declare(UnauthenticatedError, NotFoundError, InvalidRequestError, MediaNotReadyError)


@images.post("/optimize", operation_id="optimizeImage", responses=ANSWERS)
async def optimize(body: MediaBody, session: SessionDep, viewer: ViewerDep, media: MediaDep) -> Copy:
    """Get your picture as the platform keeps it: upright, without metadata, well compressed."""
    return await service.copy(
        session, media=media, viewer=viewer, media_id=body.media_id, kind=MediaKind.IMAGE, width=None
    )


@images.post("/thumbnail", operation_id="getImageThumbnail", responses=ANSWERS)
async def thumbnail(body: ThumbnailBody, session: SessionDep, viewer: ViewerDep, media: MediaDep) -> Copy:
    """Get a small copy of your picture, at least so wide where there is one."""
    return await service.copy(
        session, media=media, viewer=viewer, media_id=body.media_id, kind=MediaKind.IMAGE, width=body.width
    )


@images.post("/detect-faces", operation_id="detectFaces", responses=ANSWERS)
async def detect_faces(
    body: MediaBody, session: SessionDep, viewer: ViewerDep, media: MediaDep, inference: InferenceDep
) -> Faces:
    """Find the faces of your picture. It says whether a model looked."""
    return await service.faces(session, media=media, viewer=viewer, inference=inference, media_id=body.media_id)


@images.post("/classify", operation_id="classifyImage", responses=ANSWERS)
async def classify(
    body: MediaBody, session: SessionDep, viewer: ViewerDep, media: MediaDep, inference: InferenceDep
) -> Labels:
    """Find out what is to be seen in your picture. It says whether a model looked."""
    return await service.labels(session, media=media, viewer=viewer, inference=inference, media_id=body.media_id)


@videos.post(
    "/process",
    operation_id="processVideo",
    responses=declare(
        UnauthenticatedError, NotFoundError, InvalidRequestError, NotUploadedError, KeyReusedError, KeyInUseError
    ),
)
async def process(body: MediaBody, session: SessionDep, writer: WriterDep, media: MediaDep) -> MediaOut:
    """Process your video once more."""
    return await uploads.process_again(session, media=media, viewer=writer, media_id=body.media_id)


@videos.post("/extract-thumbnail", operation_id="getVideoThumbnail", responses=ANSWERS)
async def extract_thumbnail(body: ThumbnailBody, session: SessionDep, viewer: ViewerDep, media: MediaDep) -> Copy:
    """Get a still picture of your video."""
    return await service.copy(
        session, media=media, viewer=viewer, media_id=body.media_id, kind=MediaKind.VIDEO, width=body.width
    )


@videos.post("/analyze", operation_id="analyzeVideo", responses=ANSWERS)
async def analyze(
    body: MediaBody, session: SessionDep, viewer: ViewerDep, media: MediaDep, inference: InferenceDep
) -> VideoFacts:
    """Find out how long and large your video is, and what is to be seen in it. It says whether a model looked."""
    return await service.facts(session, media=media, viewer=viewer, inference=inference, media_id=body.media_id)


@videos.post("/moderate", operation_id="moderateVideo", responses=ANSWERS)
async def moderate(
    body: MediaBody, session: SessionDep, viewer: ViewerDep, media: MediaDep, inference: InferenceDep
) -> VideoModeration:
    """Find out what moderation would do with your video. Without a model, a person is asked."""
    return await service.moderate(session, media=media, viewer=viewer, inference=inference, media_id=body.media_id)
