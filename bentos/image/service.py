"""The BentoML service. It fetches and keeps; workers, which may die, decode and compute."""

from __future__ import annotations

import asyncio
from functools import partial

import bentoml
from bentoml.exceptions import BadInput, ServiceUnavailable
from prometheus_client import Counter

from bentos.champion import Held
from bentos.image import tasks
from bentos.links import Links
from bentos.serving import HOW_SERVED, KeptFresh
from bentos.version_files import VersionFiles, keep_files
from bentos.workers import Workers
from models.registry import Champion
from models.vision.networks import IMAGE_NETWORKS, MANIFEST
from models.vision.pictures import MAX_BYTES
from neighborconnect.contracts.models import VISION_MODEL
from neighborconnect.contracts.vision import (
    CopyAnswer,
    FacesAnswer,
    FacesRequest,
    MediaRequest,
    OptimizeRequest,
    SeenAnswer,
    ThumbnailAnswer,
    ThumbnailRequest,
)
from neighborconnect.settings import Settings, get_settings

_TIMEOUT_SECONDS = 60
_TASK_SECONDS = 20.0
_PROCESSES, _MEMORY_MIB, _AT_ONCE = 2, 1_024, 16

ANSWERS = Counter("image_answers", "Pictures worked on, by what was asked.", ["asked"])


def _load(settings: Settings, champion: Champion) -> VersionFiles:
    return keep_files(settings, champion, service="image", names=(*IMAGE_NETWORKS, MANIFEST))


@bentoml.service(
    name="image",
    description="Makes pictures small, finds and hides faces, and says what is to be seen.",
    # Each that waits holds its picture in memory.
    traffic={"timeout": _TIMEOUT_SECONDS, "max_concurrency": _AT_ONCE},
    **HOW_SERVED,
)
class ImageService:
    """Answers with the champion's networks; what needs none is answered without."""

    def __init__(self) -> None:
        """Read the settings; what is served is fetched as soon as the event loop runs."""
        settings = get_settings()
        self._held = Held(settings, name=VISION_MODEL, load=_load)
        self._fresh = KeptFresh(self._held.refresh, has_looked=lambda: self._held.has_looked)
        self._links = Links(settings, most_bytes=MAX_BYTES)
        self._workers = Workers(_PROCESSES, memory_mib=_MEMORY_MIB)

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Begin to look for champions."""
        self._fresh.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Stop looking, and end the workers."""
        await self._fresh.stop()
        self._workers.stop()
        await self._links.aclose()

    async def __is_ready__(self) -> bool:
        """Ready once it has looked for a champion, be there one or not."""
        return self._held.has_looked

    @bentoml.api(route="/optimize")  # type: ignore[untyped-decorator]
    async def optimize(self, request: OptimizeRequest) -> CopyAnswer:
        """Write a picture as small as it looks the same."""
        ANSWERS.labels("optimize").inc()
        answer, copy = await self._workers.run(
            partial(
                tasks.optimize,
                await self._links.read(request.url),
                as_format=request.format,
                longest=request.longest,
                quality=request.quality,
            ),
            seconds=_TASK_SECONDS,
        )
        await self._links.write(request.target, copy, content_type=answer.content_type)
        return answer

    @bentoml.api(route="/thumbnail")  # type: ignore[untyped-decorator]
    async def thumbnail(self, request: ThumbnailRequest) -> ThumbnailAnswer:
        """Write the part of a picture that matters, in the size that is asked."""
        ANSWERS.labels("thumbnail").inc()
        answer, copy = await self._workers.run(
            partial(
                tasks.thumbnail,
                await self._links.read(request.url),
                as_format=request.format,
                width=request.width,
                height=request.height,
                version=self._held.served,
            ),
            seconds=_TASK_SECONDS,
        )
        await self._links.write(request.target, copy, content_type=answer.content_type)
        return answer

    @bentoml.api(route="/detect-faces")  # type: ignore[untyped-decorator]
    async def detect_faces(self, request: FacesRequest) -> FacesAnswer:
        """Find the faces of a picture, and hide them in a copy where a way is named."""
        if (request.hide is None) != (request.target is None):
            raise BadInput("A way to hide faces and a target for the copy belong together")
        version = self._version()
        ANSWERS.labels("faces").inc()
        data = await self._links.read(request.url)
        answer, copy = await self._workers.run(
            partial(tasks.faces, data, hide=request.hide, version=version), seconds=_TASK_SECONDS
        )
        if copy is not None and answer.written is not None and request.target is not None:
            await self._links.write(request.target, copy, content_type=answer.written.content_type)
        return answer

    @bentoml.api(route="/classify")  # type: ignore[untyped-decorator]
    async def classify(self, request: MediaRequest) -> SeenAnswer:
        """Say what is to be seen in a picture."""
        version = self._version()
        ANSWERS.labels("classify").inc()
        data = await self._links.read(request.url)
        return await self._workers.run(partial(tasks.look, data, version=version), seconds=_TASK_SECONDS)

    @bentoml.api(route="/reload")  # type: ignore[untyped-decorator]
    async def reload(self) -> dict[str, str | None]:
        """Look for a newer champion now, and return what is served."""
        return await asyncio.to_thread(self._held.refresh)

    def _version(self) -> VersionFiles:
        if self._held.served is None:
            raise ServiceUnavailable("No vision model has been released yet.")
        return self._held.served
