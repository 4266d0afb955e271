"""A stand-in for the services that look at pictures and videos, on a real port."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from neighborconnect.contracts.vision import RenditionProgress
from tests.transactional_api.local_server import serving
from tests.transactional_api.people import Person, Town
from transactional_api.core.app_context import AppContext
from transactional_api.core.inference.client import InferenceClient
from transactional_api.core.jobs.worker import run_due

VERSION = {"model_version": "vision-2"}
FACE = {"left": 0.3, "top": 0.1, "width": 0.2, "height": 0.3, "score": 0.97}
COPY = {"width": 64, "height": 48, "bytes": 900, "content_type": "image/webp", "quality": 80, "ssim": 0.98}
BLUR = "LEHV6nWB2yk8pyo0adR*.7kCMdnj"
SEEN = VERSION | {
    "labels": [{"label": "garden", "score": 0.8}],
    "classes": [{"label": "greenhouse", "score": 0.7}],
    "nsfw": 0.01,
    "verdict": "allow",
    "face_count": 0,
    "sharpness": 90.0,
    "brightness": 0.5,
    "contrast": 0.2,
    "quality_issues": [],
    "colors": [{"color": "#2e8b57", "share": 1.0}],
    "perceptual_hash": "c3b1a59e1c6a7d02",
    "blur_hash": BLUR,
    "alt_text": "Picture, perhaps of a greenhouse",
}
FACTS = VERSION | {
    "seconds": 1.0,
    "width": 64,
    "height": 48,
    "frame_rate": 30.0,
    "codec": "mpeg4",
    "audio_codec": None,
    "shots": [{"begin": 0.0, "end": 1.0, "motion": 0.1, "brightness": 0.5, "face_count": 0}],
    "labels": [{"label": "garden", "score": 0.8}],
    "audio_segments": [],
}
VERDICT = VERSION | {"verdict": "allow", "nsfw": 0.1, "timeline": []}
RENDITION = {
    "width": 64,
    "height": 144,
    "seconds": 1.0,
    "bytes": 5,
    "codec": "h264",
    "codecs": "avc1.640028",
    "bandwidth": 90_000,
    "playlist": '#EXTM3U\n#EXT-X-MAP:URI="video.mp4",BYTERANGE="9@0"\nvideo.mp4\n#EXT-X-ENDLIST\n',
}


class Vision:
    """The vision services' part: they do what ``answers`` says, and remember what they were asked."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.context: AppContext = town.app.state.context
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {
            "/optimize": COPY,
            "/thumbnail": COPY | VERSION | {"blur_hash": BLUR},
            "/extract-thumbnail": COPY | VERSION | {"blur_hash": BLUR, "second": 0.4},
            "/detect-faces": VERSION | {"faces": [FACE]},
            "/classify": SEEN,
            "/analyze": FACTS,
            "/moderate": VERDICT,
        }
        self.connections = -1
        self.hung_up = asyncio.Event()
        self.steps = [
            RenditionProgress(progress=0.5),
            RenditionProgress.model_validate({"progress": 1, "rendition": RENDITION}),
        ]
        self.breaks_off_after: int | None = None

    async def answer(self, request: Request) -> Response:
        asked = (await request.json())["request"]
        self.asked.append((request.url.path, asked))
        self.connections = self.town.app.state.engine.pool.checkedout()
        if asked.get("target"):
            async with httpx.AsyncClient(trust_env=False, timeout=60) as store:
                assert (await store.put(asked["target"], content=b"small")).status_code == 200
        answer = self.answers[request.url.path]
        if isinstance(answer, int):
            return JSONResponse([{"error": "It is damaged"}], answer)
        return JSONResponse(answer)

    async def process(self, request: Request) -> Response:
        asked = (await request.json())["request"]
        self.asked.append((request.url.path, asked))

        async def lines() -> AsyncIterator[str]:
            try:
                for number, step in enumerate(self.steps):
                    if number == self.breaks_off_after:
                        raise ConnectionError
                    yield step.model_dump_json() + "\n"
                    await asyncio.sleep(0.05)
            finally:
                self.hung_up.set()

        return StreamingResponse(lines())

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    async def work(self) -> None:
        """Do the work that is queued, with these services."""
        await run_due(self.context)

    async def keep(self, person: Person, data: bytes) -> dict[str, Any]:
        answer = await person.upload(data)
        await self.work()
        return dict((await person.get(f"/media/{answer.json()['id']}")).json())


@asynccontextmanager
async def seeing(town: Town) -> AsyncIterator[Vision]:
    """Have the models look at pictures and videos."""
    await town.run_jobs()
    # Jobs that another test left for a retry would be retried here.
    await town.write("DELETE FROM procrastinate_jobs WHERE task_name LIKE 'media.%' AND status = 'todo'")
    found = Vision(town)
    routes = [Route("/process", found.process, methods=["POST"])]
    routes += [Route(path, found.answer, methods=["POST"]) for path in found.answers]
    async with serving(Starlette(routes=routes)) as url:
        context = town.app.state.context
        settings = context.settings.model_copy(update={"image_url": url, "video_url": url})
        found.context = dataclasses.replace(context, settings=settings)
        client = InferenceClient(settings)
        before, town.app.state.inference = town.app.state.inference, client
        yield found
        town.app.state.inference = before
        await client.aclose()


async def ask(person: Person, path: str, upload: dict[str, Any], **more: Any) -> Any:
    answer = await person.post(path, {"media_id": upload["id"], **more})
    assert answer.status_code == 200, answer.text
    return answer.json()
