"""Renditions and analysis of the viewer's uploads by the vision services, with stored renditions as a fallback.

Results are stored in the document of the upload, so that repeated requests cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel

from neighborconnect.contracts.content import Verdict
from neighborconnect.contracts.vision import (
    FaceDetectionRequest,
    FaceDetectionResponse,
    ImageAnalysisResponse,
    ImageRendition,
    MediaRequest,
    OptimizeRequest,
    PictureFormat,
    PosterRequest,
    PosterResponse,
    ThumbnailRequest,
    ThumbnailResponse,
    VideoAnalysisResponse,
    VideoModerationResponse,
)
from transactional_api.community.media import analysis
from transactional_api.community.media import service as uploads
from transactional_api.community.stories.service import MediaNotReadyError
from transactional_api.core.db.statements import Reads
from transactional_api.core.documents import StoredDocument
from transactional_api.core.errors import Problem
from transactional_api.core.inference.client import InferenceClient, InferenceError, PredictionSource, Service
from transactional_api.core.inference.prediction_log import PredictionLogEntry
from transactional_api.core.media.processing import MediaKind
from transactional_api.core.media.stores import COLLECTION, MediaStores, UploadState
from transactional_api.core.moderation import SubjectKind
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.vision.schemas import (
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

MAX_RENDITIONS = 24
DEADLINE_SECONDS = 15.0
"""Deadline of interactive requests; jobs have a longer one."""
_RENDITION = "copy_"
_EXTENSIONS = {PictureFormat.JPEG: "jpg", PictureFormat.WEBP: "webp", PictureFormat.AVIF: "avif"}

Response = TypeVar("Response", bound=BaseModel)


class TooManyRenditionsError(Problem):
    """The upload has the maximum number of renditions."""

    status, code, title = (
        409,
        "too_many_renditions",
        f"The upload already has {MAX_RENDITIONS} renditions; use one of them",
    )


@dataclass(frozen=True, slots=True)
class _Task(Generic[Response]):
    """Task of a vision service: path, response model, and the response fields that are logged."""

    service: Service
    path: str
    response: type[Response]
    logged: dict[str, Any]


_RENDITION_FIELDS: dict[str, Any] = dict.fromkeys(("width", "height", "bytes", "quality", "ssim"), True)
_VERDICT_FIELDS: dict[str, Any] = dict.fromkeys(("verdict", "nsfw"), True)
_OPTIMIZE = _Task(Service.IMAGE, "optimize", ImageRendition, _RENDITION_FIELDS)
_THUMBNAIL = _Task(Service.IMAGE, "thumbnail", ThumbnailResponse, _RENDITION_FIELDS)
_FACES = _Task(
    Service.IMAGE,
    "detect-faces",
    FaceDetectionResponse,
    {"faces": {"__all__": {"score"}}, "anonymized": _RENDITION_FIELDS},
)
_CLASSIFY = _Task(Service.IMAGE, "classify", ImageAnalysisResponse, _VERDICT_FIELDS)
_POSTER = _Task(Service.VIDEO, "extract-thumbnail", PosterResponse, _RENDITION_FIELDS)
_ANALYZE = _Task(Service.VIDEO, "analyze", VideoAnalysisResponse, {"seconds": True, "shots": {"__all__": {"motion"}}})
_MODERATE = _Task(Service.VIDEO, "moderate", VideoModerationResponse, _VERDICT_FIELDS)


class VisionClient:
    """Vision services for one viewer, with the stores of their results."""

    def __init__(self, reads: Reads, *, media: MediaStores, inference: InferenceClient, viewer: Viewer) -> None:
        self._reads, self._media, self._inference, self._viewer = reads, media, inference, viewer

    async def optimize(self, body: OptimizeBody) -> RenditionResult:
        """Optimize an image.

        Raises:
            NotFoundError: when the viewer does not own it.
            MediaNotReadyError: when it is not a processed image.
            TooManyRenditionsError: when it has ``MAX_RENDITIONS`` renditions.
        """
        stored = await self._own(body.media_id, MediaKind.IMAGE)
        name = f"{body.format}-{body.max_edge}"
        request = OptimizeRequest(
            **await self._links(stored, name, body.format), format=body.format, max_edge=body.max_edge
        )
        response, provenance = await self._rendition(stored, name, _OPTIMIZE, request)
        return await self._rendition_result(
            RenditionResult, stored, response, provenance, key=_key(stored, name, body.format)
        )

    async def thumbnail(self, body: ThumbnailBody) -> RenditionResult:
        """Create a thumbnail of an image: the stored whole, or cropped. Raises as ``optimize``."""
        stored = await self._own(body.media_id, MediaKind.IMAGE)
        if body.height is None:
            return await self._stored_rendition(RenditionResult, stored, width=body.width)
        name = f"{body.format}-{body.width}x{body.height}"
        request = ThumbnailRequest(**await self._links(stored, name, body.format), **_shape(body))
        response, provenance = await self._rendition(stored, name, _THUMBNAIL, request)
        return await self._rendition_result(
            RenditionResult, stored, response, provenance, key=_key(stored, name, body.format), width=body.width
        )

    async def poster(self, body: ThumbnailBody) -> VideoPoster:
        """Create a poster frame of a video. Raises as ``optimize``, for videos."""
        stored = await self._own(body.media_id, MediaKind.VIDEO)
        if body.height is None:
            return await self._stored_rendition(VideoPoster, stored, width=body.width)
        name = f"{body.format}-{body.width}x{body.height}"
        links, sheet = await self._links(stored, name, body.format), f"{stored.document['key']}-sheet.webp"
        request = PosterRequest(**links, **_shape(body), sprite=await self._media.objects.target(sheet))
        response, provenance = await self._rendition(stored, name, _POSTER, request)
        copy = await self._rendition_result(
            VideoPoster, stored, response, provenance, key=_key(stored, name, body.format), width=body.width
        )
        if response is None:
            return copy
        copy = copy.model_copy(update={"position_seconds": response.second})
        if response.sprite is None:
            return copy
        return copy.model_copy(
            update={
                "sprite_url": await self._media.objects.link(sheet),
                "sprite_columns": response.sprite.columns,
                "sprite_rows": response.sprite.rows,
                "sprite_interval_seconds": response.sprite.interval_seconds,
            }
        )

    async def faces(self, body: FacesBody) -> DetectedFaces:
        """Detect faces, and create an anonymized copy if requested. Raises as ``optimize``."""
        stored = await self._own(body.media_id, MediaKind.IMAGE)
        name = f"faces-{body.anonymization}"
        links: dict[str, Any] = await self._links(stored, name, PictureFormat.JPEG)
        if body.anonymization is None:
            del links["target"]
        response, provenance = await self._rendition(
            stored, name, _FACES, FaceDetectionRequest(**links, anonymization=body.anonymization)
        )
        if response is None:
            return DetectedFaces(**provenance, faces=[])
        anonymized = None
        if response.anonymized is not None:
            url = await self._media.objects.link(_key(stored, name, PictureFormat.JPEG))
            anonymized = RenditionResult(
                **provenance, **_rendition_fields(response.anonymized), media_id=stored.id, url=url
            )
        return DetectedFaces(**provenance, faces=response.faces, anonymized=anonymized)

    async def labels(self, media_id: UUID) -> ImageLabels:
        """Classify an image. Raises as ``optimize``."""
        stored = await self._own(media_id, MediaKind.IMAGE)
        response, provenance = await self._cached_response(stored, analysis.IMAGE_ANALYSIS, _CLASSIFY)
        if response is None:
            return ImageLabels(**provenance, labels=[])
        return ImageLabels(**provenance, **response.model_dump(include=set(ImageLabels.model_fields) - set(provenance)))

    async def analyze(self, media_id: UUID) -> VideoAnalysis:
        """Analyze a video. Raises as ``optimize``, for videos."""
        stored = await self._own(media_id, MediaKind.VIDEO)
        response, provenance = await self._cached_response(stored, analysis.VIDEO_ANALYSIS, _ANALYZE)
        stored_facts = {name: stored.document.get(name) for name in ("duration_seconds", "width", "height")}
        if response is None:
            return VideoAnalysis(**provenance, **stored_facts)
        fields = response.model_dump(include=set(VideoAnalysis.model_fields) - set(provenance))
        return VideoAnalysis(**provenance, **fields, duration_seconds=response.seconds)

    async def moderate(self, media_id: UUID) -> VideoModeration:
        """Return the moderation verdict of a video. Raises as ``optimize``, for videos."""
        stored = await self._own(media_id, MediaKind.VIDEO)
        response, provenance = await self._cached_response(stored, analysis.VIDEO_MODERATION, _MODERATE)
        if response is None:
            return VideoModeration(**provenance, verdict=Verdict.REVIEW)
        return VideoModeration(**provenance, verdict=response.verdict, nsfw=response.nsfw, timeline=response.timeline)

    async def _own(self, media_id: UUID, kind: MediaKind) -> StoredDocument:
        stored = await uploads.get_own(self._media, viewer=self._viewer, media_id=media_id)
        if stored.document["state"] != UploadState.READY or stored.document["kind"] != kind:
            raise MediaNotReadyError
        return stored

    async def _links(self, stored: StoredDocument, name: str, as_format: PictureFormat) -> dict[str, str]:
        return {
            "media_id": str(stored.id),
            "url": await self._media.objects.source(stored.document["processed_key"]),
            "target": await self._media.objects.target(_key(stored, name, as_format)),
        }

    async def _rendition(
        self, stored: StoredDocument, name: str, task: _Task[Response], request: MediaRequest
    ) -> tuple[Response | None, dict[str, Any]]:
        """Return the stored rendition, or have it created."""
        field = _RENDITION + name
        if (
            field not in stored.document
            and sum(name.startswith(_RENDITION) for name in stored.document) >= MAX_RENDITIONS
        ):
            raise TooManyRenditionsError
        return await self._cached_response(stored, field, task, request)

    async def _cached_response(
        self, stored: StoredDocument, field: str, task: _Task[Response], request: MediaRequest | None = None
    ) -> tuple[Response | None, dict[str, Any]]:
        """Return the stored response or request and store it, with its provenance."""
        response: Response | None
        if field in stored.document:
            response = task.response.model_validate(stored.document[field])
        else:
            response, reason = await self._ask(stored, task, request or await self._request(stored))
            if response is None:
                return None, {"source": PredictionSource.RULES, "reason_code": reason, "model_version": None}
            stored_fields = {field: response.model_dump(mode="json")}
            await self._media.documents.change(COLLECTION, document_id=stored.id, fields=stored_fields)
        return response, {"source": PredictionSource.MODEL, "reason_code": None, "model_version": _version(response)}

    async def _ask(
        self, stored: StoredDocument, task: _Task[Response], request: MediaRequest
    ) -> tuple[Response | None, str | None]:
        """Return the response of a service or the reason for the fallback, and log it with the viewer's consent."""
        log_entry = PredictionLogEntry(task.service, task.path, self._viewer.id, SubjectKind.UPLOAD, stored.id)
        await self._reads.release()
        response, reason = None, None
        try:
            response = await self._inference.ask(
                task.service, f"/{task.path}", request, task.response, seconds=DEADLINE_SECONDS
            )
        except InferenceError as error:
            reason = error.reason.value
        if self._viewer.has_tracking_consent:
            output = {} if response is None else response.model_dump(mode="json", include=task.logged)
            await log_entry.log(self._reads.runner, output, version=_version(response), reason=reason)
        return response, reason

    async def _request(self, stored: StoredDocument) -> MediaRequest:
        url = await self._media.objects.source(stored.document["processed_key"])
        return MediaRequest(media_id=str(stored.id), url=url)

    async def _rendition_result(
        self,
        kind: type[AnyRendition],
        stored: StoredDocument,
        response: ImageRendition | None,
        provenance: dict[str, Any],
        *,
        key: str,
        width: int | None = None,
    ) -> AnyRendition:
        if response is None:
            fallback = await self._stored_rendition(kind, stored, width=width)
            return fallback.model_copy(update=provenance)
        url = await self._media.objects.link(key)
        return kind(**provenance, **_rendition_fields(response), media_id=stored.id, url=url)

    async def _stored_rendition(
        self, kind: type[AnyRendition], stored: StoredDocument, *, width: int | None
    ) -> AnyRendition:
        """Return the processed upload, or its smallest thumbnail of at least ``width`` pixels (else the largest)."""
        provenance = {"source": PredictionSource.RULES, "reason_code": "stored_rendition", "model_version": None}
        if width is None:
            key, wide = stored.document["processed_key"], stored.document["width"]
        else:
            thumbnails = stored.document["thumbnails"]
            widths = sorted(int(key) for key in thumbnails)
            wide = next((candidate for candidate in widths if candidate >= width), widths[-1])
            key = thumbnails[str(wide)]
        return kind(**provenance, media_id=stored.id, url=await self._media.objects.link(key), width=wide)


AnyRendition = TypeVar("AnyRendition", bound=RenditionResult)


def _shape(body: ThumbnailBody) -> dict[str, Any]:
    return {"width": body.width, "height": body.height, "format": body.format}


def _key(stored: StoredDocument, name: str, as_format: PictureFormat) -> str:
    return f"{stored.document['key']}-{name}.{_EXTENSIONS[as_format]}"


def _version(response: BaseModel | None) -> str | None:
    return getattr(response, "model_version", None)


def _rendition_fields(response: ImageRendition) -> dict[str, Any]:
    return response.model_dump(include={"width", "height", "bytes", "content_type", "ssim", "blur_hash"})
