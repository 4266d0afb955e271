"""The BentoML service. Graphs run outside of the event loop, a few at a time; ONNX Runtime lets other threads go on."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import bentoml
from bentoml.exceptions import ServiceUnavailable
from prometheus_client import Counter

from bentos.champion import Held
from bentos.features import Lookups
from bentos.serving import HOW_SERVED, KeptFresh
from feature_repo.online import OnlineReader
from feature_repo.store import build_store
from models.content.analyst import EMBED, ENCODER_VERSION, MANIFEST, TASKS, Analyst
from models.registry import Champion, fetch_artifact
from neighborconnect.contracts.content import (
    EmbedAnswer,
    EmbedRequest,
    ModerationAnswer,
    SentimentAnswer,
    SpamAnswer,
    SpamRequest,
    TextRequest,
    TopicsAnswer,
)
from neighborconnect.contracts.models import CONTENT_MODEL
from neighborconnect.settings import Settings, get_settings

_TIMEOUT_SECONDS = 10
_THREADS = 2
_BULK_NICE = 10
_WRITTEN = ("posts_last_hour", "comments_last_hour")

ANSWERS = Counter("content_answers", "Texts looked at, by what was asked.", ["asked"])

Answer = TypeVar("Answer")
About = TypeVar("About")


def _load(settings: Settings, champion: Champion) -> Analyst:
    names = (MANIFEST, *(f"{task}.onnx" for task in (EMBED, *TASKS)))
    files = {name: fetch_artifact(settings, champion.run_id, f"model/{name}") for name in names}
    return Analyst.load(files, model_version=champion.model_version)


def _written(reader: OnlineReader, user_id: str) -> int:
    recent = reader.read_recent_activity(user_id).fresh_values
    return sum(int(recent.get(name) or 0) for name in _WRITTEN)


def _step_back() -> None:
    if sys.platform == "linux":  # Where a thread has a niceness of its own.
        os.nice(_BULK_NICE)


@bentoml.service(
    name="content",
    description="Tells how a text sounds, whether it should be shown, whether it is spam, and what it is about.",
    traffic={"timeout": _TIMEOUT_SECONDS},
    **HOW_SERVED,
)
class ContentService:
    """Answers with the champion's tasks; 503 while there is none."""

    def __init__(self) -> None:
        """Read the settings; what is served is loaded as soon as the event loop runs."""
        settings = get_settings()
        self._held = Held(settings, name=CONTENT_MODEL, load=_load)
        self._reader, self._lookups = OnlineReader(build_store(settings)), Lookups()
        self._warming: asyncio.Task[None] | None = None
        self._fresh = KeptFresh(self._held.refresh, has_looked=lambda: self._held.has_looked)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="texts")
        # Many texts at once are asked for by jobs, which can wait for what somebody waits for.
        self._bulk = ThreadPoolExecutor(1, thread_name_prefix="bulk", initializer=_step_back)

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Begin to look for champions."""
        # Beside all else, as in the recommender.
        warm_up = partial(self._lookups.warm_up, partial(_written, self._reader, ""))
        self._warming = asyncio.create_task(asyncio.to_thread(warm_up))
        self._fresh.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Stop looking."""
        await self._fresh.stop()
        self._lookups.close()
        for pool in (self._threads, self._bulk):
            pool.shutdown(wait=False, cancel_futures=True)

    async def __is_ready__(self) -> bool:
        """Ready once it has looked for a champion, be there one or not."""
        return self._held.has_looked

    @bentoml.api(route="/sentiment")  # type: ignore[untyped-decorator]
    async def sentiment(self, request: TextRequest) -> SentimentAnswer:
        """Say how a text sounds."""
        return await self._ask("sentiment", lambda analyst: analyst.sentiment(request.text))

    @bentoml.api(route="/moderate")  # type: ignore[untyped-decorator]
    async def moderate(self, request: TextRequest) -> ModerationAnswer:
        """Say what moderation would do with a text."""
        return await self._ask("moderate", lambda analyst: analyst.moderate(request.text))

    @bentoml.api(route="/topics")  # type: ignore[untyped-decorator]
    async def topics(self, request: TextRequest) -> TopicsAnswer:
        """Say what a text is about, and what it names; the two graphs run side by side."""
        analyst = self._served("topics")
        (topics, language), entities = await asyncio.gather(
            self._run(analyst.topics, request.text), self._run(analyst.entities, request.text)
        )
        return TopicsAnswer(model_version=analyst.model_version, topics=topics, entities=entities, language=language)

    @bentoml.api(route="/spam-detection")  # type: ignore[untyped-decorator]
    async def spam_detection(self, request: SpamRequest) -> SpamAnswer:
        """Say how likely a text is spam, with a look at how much its writer wrote within the hour."""
        written = None
        if (user_id := request.user_id) is not None:
            written = await self._lookups.ask(lambda: _written(self._reader, user_id))
        return await self._ask(
            "spam", lambda analyst: analyst.spam(request.text, written=written, account_days=request.account_days)
        )

    @bentoml.api(route="/embed")  # type: ignore[untyped-decorator]
    async def embed(self, request: EmbedRequest) -> EmbedAnswer:
        """Turn texts into vectors that lie near to each other where the texts mean much the same."""
        analyst, pool = self._served("embed"), self._bulk if len(request.texts) > 1 else self._threads
        vectors = await self._run(analyst.embed, request.texts, pool=pool)
        return EmbedAnswer(model_version=ENCODER_VERSION, embeddings=vectors.tolist())

    @bentoml.api(route="/reload")  # type: ignore[untyped-decorator]
    async def reload(self) -> dict[str, str | None]:
        """Look for a newer champion now, and return what is served."""
        return await asyncio.to_thread(self._held.refresh)

    async def _ask(self, asked: str, question: Callable[[Analyst], Answer]) -> Answer:
        return await self._run(question, self._served(asked))

    def _served(self, asked: str) -> Analyst:
        analyst = self._held.served
        if analyst is None:
            raise ServiceUnavailable("No content model has been released yet.")
        ANSWERS.labels(asked).inc()
        return analyst

    async def _run(
        self, question: Callable[[About], Answer], about: About, *, pool: ThreadPoolExecutor | None = None
    ) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(pool or self._threads, question, about)
