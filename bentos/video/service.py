"""BentoML service of the video models. It transfers files; sandboxed workers decode, transcode and run the networks."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import bentoml
from bentoml.exceptions import ServiceUnavailable

from bentos.champion import LoadedChampion, RefreshLoop, ServingVersion
from bentos.model_files import ModelFiles, download_model_files
from bentos.presigned_files import PresignedFiles
from bentos.serving import SERVICE_OPTIONS, PredictionCounter
from bentos.video import tasks
from bentos.workers import RejectedFileError, Workers
from models.vision.networks import MANIFEST, NETWORKS
from neighborconnect.contracts.models import VISION_MODEL
from neighborconnect.contracts.vision import (
    MediaRequest,
    PosterRequest,
    PosterResponse,
    Rendition,
    RenditionProgress,
    RenditionRequest,
    VideoAnalysisResponse,
    VideoModerationResponse,
)
from neighborconnect.settings import Settings, get_settings, home
from neighborconnect.videos import MAX_BYTES

_TIMEOUT_SECONDS = 1_800
_TASK_SECONDS, _TRANSCODING_SECONDS = 300.0, 1_500.0
_PROCESSES, _MEMORY_MIB, _MAX_CONCURRENCY = 1, 1_536, 12
_PROGRESS_SECONDS = 0.5
_MAX_RENDITION_MIB = 1_024

PREDICTIONS = PredictionCounter("video")


def _load(settings: Settings, version: ServingVersion) -> ModelFiles:
    return download_model_files(settings, version.champion, service="video", names=(*NETWORKS, MANIFEST))


@bentoml.service(
    name="video",
    description="Transcodes videos, extracts poster frames, and analyzes and moderates videos.",
    # Every waiting request has its video on disk.
    traffic={"timeout": _TIMEOUT_SECONDS, "max_concurrency": _MAX_CONCURRENCY},
    **SERVICE_OPTIONS,
)
class VideoService:
    """Predictions by the champion's networks; transcoding also works without a champion, one video at a time."""

    def __init__(self) -> None:
        """Read the settings; the champion is downloaded once the event loop runs."""
        settings = get_settings()
        self._champion = LoadedChampion(settings, name=VISION_MODEL, load=_load)
        self._refresh_loop = RefreshLoop(self._champion)
        self._files = PresignedFiles(settings, max_bytes=MAX_BYTES)
        # Two pools, so that analysis does not wait for transcoding, which takes minutes.
        self._workers = Workers(_PROCESSES, memory_mib=_MEMORY_MIB)
        self._transcoders = Workers(_PROCESSES, memory_mib=_MEMORY_MIB, file_mib=_MAX_RENDITION_MIB)
        self._scratch = home() / "run" / "videos"

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Start the refresh loop."""
        self._refresh_loop.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Stop the refresh loop and the workers."""
        await self._refresh_loop.stop()
        self._workers.stop()
        self._transcoders.stop()
        await self._files.aclose()

    async def __is_ready__(self) -> bool:
        """Ready after the first poll of the registry, even without a champion (predictions then return 503)."""
        return self._refresh_loop.has_polled

    @bentoml.api(route="/process")  # type: ignore[untyped-decorator]
    async def process(self, request: RenditionRequest) -> AsyncGenerator[str, None]:
        """Transcode a video and stream its progress as lines of JSON. Closing the connection cancels it."""
        yield _line(RenditionProgress(progress=0))
        try:
            with PREDICTIONS.count("process"):
                async with self._downloaded(request) as (path, folder):
                    task = asyncio.create_task(self._transcode(request, path, folder))
                    try:
                        while not (await asyncio.wait({task}, timeout=_PROGRESS_SECONDS))[0]:
                            yield _line(RenditionProgress(progress=_progress(folder)))
                        yield _line(RenditionProgress(progress=1, rendition=task.result()))
                    finally:
                        task.cancel()
        except RejectedFileError as error:
            yield _line(RenditionProgress(progress=1, rejection=str(error)))

    async def _transcode(self, request: RenditionRequest, path: Path, folder: Path) -> Rendition:
        rendition = await self._transcoders.run(
            partial(tasks.process, path, folder, height=request.height, codec=request.codec, uri=request.uri),
            seconds=_TRANSCODING_SECONDS,
        )
        await self._files.upload(request.target, folder / "video.mp4", content_type="video/mp4")
        return rendition

    @bentoml.api(route="/extract-thumbnail")  # type: ignore[untyped-decorator]
    async def extract_thumbnail(self, request: PosterRequest) -> PosterResponse:
        """Write the most representative frame as a thumbnail of the requested size, and a sprite where requested."""
        with PREDICTIONS.count("extract_thumbnail"):
            async with self._downloaded(request) as (path, _):
                response, poster, sprite = await self._workers.run(
                    partial(
                        tasks.poster,
                        path,
                        as_format=request.format,
                        width=request.width,
                        height=request.height,
                        with_sprite=request.sprite is not None,
                        model_files=self._champion.loaded,
                    ),
                    seconds=_TASK_SECONDS,
                )
            await self._files.write(request.target, poster, content_type=response.content_type)
            if request.sprite is not None and sprite is not None:
                await self._files.write(request.sprite, sprite, content_type="image/webp")
            return response

    @bentoml.api(route="/analyze")  # type: ignore[untyped-decorator]
    async def analyze(self, request: MediaRequest) -> VideoAnalysisResponse:
        """Return technical facts, shots, labels and audio segments of a video."""
        with PREDICTIONS.count("analyze"):
            model_files = self._model_files()
            async with self._downloaded(request) as (path, _):
                return await self._workers.run(
                    partial(tasks.analyze, path, model_files=model_files), seconds=_TASK_SECONDS
                )

    @bentoml.api(route="/moderate")  # type: ignore[untyped-decorator]
    async def moderate(self, request: MediaRequest) -> VideoModerationResponse:
        """Return the moderation verdict of a video and of its parts."""
        with PREDICTIONS.count("moderate"):
            model_files = self._model_files()
            async with self._downloaded(request) as (path, _):
                return await self._workers.run(
                    partial(tasks.moderate, path, model_files=model_files), seconds=_TASK_SECONDS
                )

    @bentoml.api(route="/reload")  # type: ignore[untyped-decorator]
    async def reload(self) -> dict[str, str | None]:
        """Poll the registry now, and return the served version by model name."""
        return await self._refresh_loop.refresh()

    @asynccontextmanager
    async def _downloaded(self, request: MediaRequest) -> AsyncIterator[tuple[Path, Path]]:
        """Download the upload into a temporary directory; yield the file and the directory."""
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch) as name:
            folder = Path(name)
            path = folder / "upload"
            await self._files.download(request.url, path)
            yield path, folder

    def _model_files(self) -> ModelFiles:
        if self._champion.loaded is None:
            raise ServiceUnavailable("The vision model has no champion yet.")
        return self._champion.loaded


def _line(progress: RenditionProgress) -> str:
    return progress.model_dump_json(exclude_none=True) + "\n"


def _progress(folder: Path) -> float:
    try:
        return float((folder / tasks.PROGRESS_FILE).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0.0  # Not started, or being written now.
