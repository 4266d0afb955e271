"""The BentoML service. It fetches and keeps; a worker, which may die, decodes and computes."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import bentoml
from bentoml.exceptions import ServiceUnavailable
from prometheus_client import Counter

from bentos.champion import Held
from bentos.links import Links
from bentos.serving import HOW_SERVED, KeptFresh
from bentos.version_files import VersionFiles, keep_files
from bentos.video import tasks
from bentos.video.reading import MAX_BYTES
from bentos.workers import RefusedError, Workers
from models.registry import Champion
from models.vision.networks import MANIFEST, NETWORKS
from neighborconnect.contracts.models import VISION_MODEL
from neighborconnect.contracts.vision import (
    MediaRequest,
    PosterAnswer,
    PosterRequest,
    Rendition,
    RenditionRequest,
    RenditionStep,
    VideoAnswer,
    VideoVerdict,
)
from neighborconnect.settings import Settings, get_settings, home

_TIMEOUT_SECONDS = 1_800
_TASK_SECONDS, _PROCESS_SECONDS = 300.0, 1_500.0
_PROCESSES, _MEMORY_MIB, _AT_ONCE = 1, 1_536, 12
_LOOK_SECONDS = 0.5
_MAX_RENDITION_MIB = 1_024

ANSWERS = Counter("video_answers", "Videos worked on, by what was asked.", ["asked"])


def _load(settings: Settings, champion: Champion) -> VersionFiles:
    return keep_files(settings, champion, service="video", names=(*NETWORKS, MANIFEST))


@bentoml.service(
    name="video",
    description="Writes videos anew, finds their best moment, and says what they show.",
    # Each that waits holds its video on disk.
    traffic={"timeout": _TIMEOUT_SECONDS, "max_concurrency": _AT_ONCE},
    **HOW_SERVED,
)
class VideoService:
    """Answers with the champion's networks; what needs none is answered without. One video is written at a time."""

    def __init__(self) -> None:
        """Read the settings; what is served is fetched as soon as the event loop runs."""
        settings = get_settings()
        self._held = Held(settings, name=VISION_MODEL, load=_load)
        self._fresh = KeptFresh(self._held.refresh, has_looked=lambda: self._held.has_looked)
        self._links = Links(settings, most_bytes=MAX_BYTES)
        # Who looks does not wait for who writes, which takes minutes.
        self._workers = Workers(_PROCESSES, memory_mib=_MEMORY_MIB)
        self._writers = Workers(_PROCESSES, memory_mib=_MEMORY_MIB, file_mib=_MAX_RENDITION_MIB)
        self._scratch = home() / "run" / "videos"

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Begin to look for champions."""
        self._fresh.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Stop looking, and end the worker."""
        await self._fresh.stop()
        self._workers.stop()
        self._writers.stop()
        await self._links.aclose()

    async def __is_ready__(self) -> bool:
        """Ready once it has looked for a champion, be there one or not."""
        return self._held.has_looked

    @bentoml.api(route="/process")  # type: ignore[untyped-decorator]
    async def process(self, request: RenditionRequest) -> AsyncGenerator[str, None]:
        """Write a video anew; lines say how far it is. Who hangs up cancels it."""
        ANSWERS.labels("process").inc()
        yield _line(RenditionStep(share=0))
        try:
            async with self._fetched(request) as (path, folder):
                task = asyncio.create_task(self._rendition(request, path, folder))
                try:
                    while not (await asyncio.wait({task}, timeout=_LOOK_SECONDS))[0]:
                        yield _line(RenditionStep(share=_share(folder)))
                    yield _line(RenditionStep(share=1, done=task.result()))
                finally:
                    task.cancel()
        except RefusedError as error:
            yield _line(RenditionStep(share=1, refused=str(error)))

    async def _rendition(self, request: RenditionRequest, path: Path, folder: Path) -> Rendition:
        made = await self._writers.run(
            partial(tasks.process, path, folder, height=request.height, codec=request.codec, uri=request.uri),
            seconds=_PROCESS_SECONDS,
        )
        await self._links.write_file(request.target, folder / "video.mp4", content_type="video/mp4")
        return made

    @bentoml.api(route="/extract-thumbnail")  # type: ignore[untyped-decorator]
    async def extract_thumbnail(self, request: PosterRequest) -> PosterAnswer:
        """Write the best moment of a video, in the size that is asked, and a sheet where one is wanted."""
        ANSWERS.labels("thumbnail").inc()
        async with self._fetched(request) as (path, _):
            answer, copy, sheet = await self._workers.run(
                partial(
                    tasks.poster,
                    path,
                    as_format=request.format,
                    width=request.width,
                    height=request.height,
                    with_sheet=request.sprite is not None,
                    version=self._held.served,
                ),
                seconds=_TASK_SECONDS,
            )
        await self._links.write(request.target, copy, content_type=answer.content_type)
        if request.sprite is not None and sheet is not None:
            await self._links.write(request.sprite, sheet, content_type="image/webp")
        return answer

    @bentoml.api(route="/analyze")  # type: ignore[untyped-decorator]
    async def analyze(self, request: MediaRequest) -> VideoAnswer:
        """Say what a video is and shows."""
        version = self._version()
        ANSWERS.labels("analyze").inc()
        async with self._fetched(request) as (path, _):
            return await self._workers.run(partial(tasks.analyze, path, version=version), seconds=_TASK_SECONDS)

    @bentoml.api(route="/moderate")  # type: ignore[untyped-decorator]
    async def moderate(self, request: MediaRequest) -> VideoVerdict:
        """Say what moderation would do with a video, and for which parts."""
        version = self._version()
        ANSWERS.labels("moderate").inc()
        async with self._fetched(request) as (path, _):
            return await self._workers.run(partial(tasks.moderate, path, version=version), seconds=_TASK_SECONDS)

    @bentoml.api(route="/reload")  # type: ignore[untyped-decorator]
    async def reload(self) -> dict[str, str | None]:
        """Look for a newer champion now, and return what is served."""
        return await asyncio.to_thread(self._held.refresh)

    @asynccontextmanager
    async def _fetched(self, request: MediaRequest) -> AsyncIterator[tuple[Path, Path]]:
        """Fetch the upload into a folder that goes with the request."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch) as name:
            folder = Path(name)
            path = folder / "upload"
            await self._links.fetch(request.url, path)
            yield path, folder

    def _version(self) -> VersionFiles:
        if self._held.served is None:
            raise ServiceUnavailable("No vision model has been released yet.")
        return self._held.served


def _line(step: RenditionStep) -> str:
    return step.model_dump_json(exclude_none=True) + "\n"


def _share(folder: Path) -> float:
    try:
        return float((folder / tasks.PROGRESS).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0.0  # Not begun, or just being written.
