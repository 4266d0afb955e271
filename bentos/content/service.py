"""BentoML service of the content models. Inference runs in threads: ONNX Runtime releases the GIL."""

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

from bentos.champion import LoadedChampion, RefreshLoop, ServingVersion
from bentos.online_features import OnlineFeatures
from bentos.serving import SERVICE_OPTIONS, PredictionCounter
from feature_repo.online import OnlineReader, OnlineRow, Staleness
from feature_repo.store import build_store
from models.content.analyzer import EMBED, ENCODER_VERSION, MANIFEST, TASKS, TextAnalyzer
from models.registry import fetch_artifact
from neighborconnect.contracts.content import (
    EmbedRequest,
    EmbedResponse,
    ModerationResponse,
    SentimentResponse,
    SpamRequest,
    SpamResponse,
    TextRequest,
    TopicsResponse,
)
from neighborconnect.contracts.models import CONTENT_MODEL
from neighborconnect.settings import Settings, get_settings

_TIMEOUT_SECONDS = 10
_THREADS = 2
_BULK_NICE = 10
_COUNTED_TEXTS = ("posts_last_hour", "comments_last_hour")

PREDICTIONS = PredictionCounter("content")

Output = TypeVar("Output")
Input = TypeVar("Input")


def _load(settings: Settings, version: ServingVersion) -> TextAnalyzer:
    names = (MANIFEST, *(f"{task}.onnx" for task in (EMBED, *TASKS)))
    files = {name: fetch_artifact(settings, version.champion.run_id, f"model/{name}") for name in names}
    return TextAnalyzer.load(files, model_version=version.champion.model_version)


def _texts_last_hour(recent: OnlineRow) -> int:
    return sum(int(recent.fresh_values.get(name) or 0) for name in _COUNTED_TEXTS)


def _lower_priority() -> None:
    if sys.platform == "linux":  # Niceness is per thread on Linux only.
        os.nice(_BULK_NICE)


@bentoml.service(
    name="content",
    description="Sentiment, moderation, topics, spam detection and embeddings of texts.",
    traffic={"timeout": _TIMEOUT_SECONDS},
    **SERVICE_OPTIONS,
)
class ContentService:
    """Predictions by the champion's tasks; 503 without a champion."""

    def __init__(self) -> None:
        """Read the settings; the champion is loaded once the event loop runs."""
        settings = get_settings()
        self._champion = LoadedChampion(settings, name=CONTENT_MODEL, load=_load)
        self._refresh_loop = RefreshLoop(self._champion)
        self._reader, self._features = OnlineReader(build_store(settings)), OnlineFeatures()
        self._warm_up: asyncio.Task[None] | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="texts")
        # Background jobs send many texts at once; interactive requests must not wait for them.
        self._bulk = ThreadPoolExecutor(1, thread_name_prefix="bulk", initializer=_lower_priority)

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Start the refresh loop, and warm up the feature store in the background."""
        warm_up = partial(self._features.warm_up, partial(self._reader.read_recent_activity, ""))
        self._warm_up = asyncio.create_task(asyncio.to_thread(warm_up))
        self._refresh_loop.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Stop the refresh loop and the thread pools."""
        await self._refresh_loop.stop()
        self._features.close()
        for pool in (self._threads, self._bulk):
            pool.shutdown(wait=False, cancel_futures=True)

    async def __is_ready__(self) -> bool:
        """Ready after the first poll of the registry, even without a champion (predictions then return 503)."""
        return self._refresh_loop.has_polled

    @bentoml.api(route="/sentiment")  # type: ignore[untyped-decorator]
    async def sentiment(self, request: TextRequest) -> SentimentResponse:
        """Return the sentiment of a text."""
        return await self._predict("sentiment", lambda analyzer: analyzer.sentiment(request.text))

    @bentoml.api(route="/moderate")  # type: ignore[untyped-decorator]
    async def moderate(self, request: TextRequest) -> ModerationResponse:
        """Return the moderation verdict of a text."""
        return await self._predict("moderate", lambda analyzer: analyzer.moderate(request.text))

    @bentoml.api(route="/topics")  # type: ignore[untyped-decorator]
    async def topics(self, request: TextRequest) -> TopicsResponse:
        """Return the topics, entities and language of a text; the two models run in parallel."""
        with PREDICTIONS.count("topics"):
            analyzer = self._loaded()
            (topics, language), entities = await asyncio.gather(
                self._run(analyzer.topics, request.text), self._run(analyzer.entities, request.text)
            )
        return TopicsResponse(model_version=analyzer.model_version, topics=topics, entities=entities, language=language)

    @bentoml.api(route="/spam-detection")  # type: ignore[untyped-decorator]
    async def spam_detection(self, request: SpamRequest) -> SpamResponse:
        """Return the spam probability of a text; the author's number of texts in the last hour counts, too."""
        recent = None
        if (user_id := request.user_id) is not None:
            recent = await self._features.read(lambda: self._reader.read_recent_activity(user_id))
        texts_last_hour = None if recent is None else _texts_last_hour(recent)
        response = await self._predict(
            "spam",
            lambda analyzer: analyzer.spam(
                request.text, texts_last_hour=texts_last_hour, account_days=request.account_days
            ),
        )
        is_used = recent is not None and recent.staleness is Staleness.FRESH
        return response.model_copy(update={"features_age_ms": recent.age_ms if recent and is_used else None})

    @bentoml.api(route="/embed")  # type: ignore[untyped-decorator]
    async def embed(self, request: EmbedRequest) -> EmbedResponse:
        """Return the unit vector of each text; semantically similar texts have a high cosine similarity."""
        with PREDICTIONS.count("embed"):
            analyzer, pool = self._loaded(), self._bulk if len(request.texts) > 1 else self._threads
            vectors = await self._run(analyzer.embed, request.texts, pool=pool)
        return EmbedResponse(model_version=ENCODER_VERSION, embeddings=vectors.tolist())

    @bentoml.api(route="/reload")  # type: ignore[untyped-decorator]
    async def reload(self) -> dict[str, str | None]:
        """Poll the registry now, and return the served version by model name."""
        return await self._refresh_loop.refresh()

    async def _predict(self, task: str, predict: Callable[[TextAnalyzer], Output]) -> Output:
        with PREDICTIONS.count(task):
            return await self._run(predict, self._loaded())

    def _loaded(self) -> TextAnalyzer:
        if self._champion.loaded is None:
            raise ServiceUnavailable("The content model has no champion yet.")
        return self._champion.loaded

    async def _run(
        self, function: Callable[[Input], Output], argument: Input, *, pool: ThreadPoolExecutor | None = None
    ) -> Output:
        return await asyncio.get_running_loop().run_in_executor(pool or self._threads, function, argument)
