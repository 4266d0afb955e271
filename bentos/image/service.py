"""BentoML service of the image models. It transfers files; sandboxed workers decode pictures and run the networks."""

from __future__ import annotations

from functools import partial

import bentoml
from bentoml.exceptions import BadInput, ServiceUnavailable

from bentos.champion import LoadedChampion, RefreshLoop, ServingVersion
from bentos.image import tasks
from bentos.model_files import ModelFiles, download_model_files
from bentos.presigned_files import PresignedFiles
from bentos.serving import SERVICE_OPTIONS, PredictionCounter
from bentos.workers import Workers
from models.vision.images import MAX_BYTES
from models.vision.networks import IMAGE_NETWORKS, MANIFEST
from neighborconnect.contracts.models import VISION_MODEL
from neighborconnect.contracts.vision import (
    FaceDetectionRequest,
    FaceDetectionResponse,
    ImageAnalysisResponse,
    ImageRendition,
    MediaRequest,
    OptimizeRequest,
    ThumbnailRequest,
    ThumbnailResponse,
)
from neighborconnect.settings import Settings, get_settings

_TIMEOUT_SECONDS = 60
_TASK_SECONDS = 20.0
_PROCESSES, _MEMORY_MIB, _MAX_CONCURRENCY = 2, 1_024, 16

PREDICTIONS = PredictionCounter("image")


def _load(settings: Settings, version: ServingVersion) -> ModelFiles:
    return download_model_files(settings, version.champion, service="image", names=(*IMAGE_NETWORKS, MANIFEST))


@bentoml.service(
    name="image",
    description="Re-encodes pictures, makes thumbnails, detects and anonymizes faces, and analyzes pictures.",
    # Every waiting request has its picture in memory.
    traffic={"timeout": _TIMEOUT_SECONDS, "max_concurrency": _MAX_CONCURRENCY},
    **SERVICE_OPTIONS,
)
class ImageService:
    """Predictions by the champion's networks; re-encoding and thumbnails also work without a champion."""

    def __init__(self) -> None:
        """Read the settings; the champion is downloaded once the event loop runs."""
        settings = get_settings()
        self._champion = LoadedChampion(settings, name=VISION_MODEL, load=_load)
        self._refresh_loop = RefreshLoop(self._champion)
        self._files = PresignedFiles(settings, max_bytes=MAX_BYTES)
        self._workers = Workers(_PROCESSES, memory_mib=_MEMORY_MIB)

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Start the refresh loop."""
        self._refresh_loop.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Stop the refresh loop and the workers."""
        await self._refresh_loop.stop()
        self._workers.stop()
        await self._files.aclose()

    async def __is_ready__(self) -> bool:
        """Ready after the first poll of the registry, even without a champion (predictions then return 503)."""
        return self._refresh_loop.has_polled

    @bentoml.api(route="/optimize")  # type: ignore[untyped-decorator]
    async def optimize(self, request: OptimizeRequest) -> ImageRendition:
        """Re-encode a picture at the lowest quality that is visually lossless."""
        with PREDICTIONS.count("optimize"):
            response, data = await self._workers.run(
                partial(
                    tasks.optimize,
                    await self._files.read(request.url),
                    as_format=request.format,
                    max_edge=request.max_edge,
                    quality=request.quality,
                ),
                seconds=_TASK_SECONDS,
            )
            await self._files.write(request.target, data, content_type=response.content_type)
            return response

    @bentoml.api(route="/thumbnail")  # type: ignore[untyped-decorator]
    async def thumbnail(self, request: ThumbnailRequest) -> ThumbnailResponse:
        """Write a thumbnail of the requested size, cropped to the salient part of the picture."""
        with PREDICTIONS.count("thumbnail"):
            response, data = await self._workers.run(
                partial(
                    tasks.thumbnail,
                    await self._files.read(request.url),
                    as_format=request.format,
                    width=request.width,
                    height=request.height,
                    model_files=self._champion.loaded,
                ),
                seconds=_TASK_SECONDS,
            )
            await self._files.write(request.target, data, content_type=response.content_type)
            return response

    @bentoml.api(route="/detect-faces")  # type: ignore[untyped-decorator]
    async def detect_faces(self, request: FaceDetectionRequest) -> FaceDetectionResponse:
        """Detect the faces of a picture, and write an anonymized copy where a method is given."""
        with PREDICTIONS.count("detect_faces"):
            if (request.anonymization is None) != (request.target is None):
                raise BadInput("An anonymization method requires a target, and a target requires a method")
            model_files = self._model_files()
            data = await self._files.read(request.url)
            response, copy = await self._workers.run(
                partial(tasks.detect_faces, data, anonymization=request.anonymization, model_files=model_files),
                seconds=_TASK_SECONDS,
            )
            if copy is not None and response.anonymized is not None and request.target is not None:
                await self._files.write(request.target, copy, content_type=response.anonymized.content_type)
            return response

    @bentoml.api(route="/classify")  # type: ignore[untyped-decorator]
    async def classify(self, request: MediaRequest) -> ImageAnalysisResponse:
        """Return labels, moderation verdict, quality, colors and hashes of a picture."""
        with PREDICTIONS.count("classify"):
            model_files = self._model_files()
            data = await self._files.read(request.url)
            return await self._workers.run(partial(tasks.analyze, data, model_files=model_files), seconds=_TASK_SECONDS)

    @bentoml.api(route="/reload")  # type: ignore[untyped-decorator]
    async def reload(self) -> dict[str, str | None]:
        """Poll the registry now, and return the served version by model name."""
        return await self._refresh_loop.refresh()

    def _model_files(self) -> ModelFiles:
        if self._champion.loaded is None:
            raise ServiceUnavailable("The vision model has no champion yet.")
        return self._champion.loaded
