"""Waiting for a model keeps no connection to the database: a model that is slow is not a database that is busy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from neighborconnect.settings import Settings
from tests.transactional_api.local_server import serving
from tests.transactional_api.media.files import jpeg, video
from tests.transactional_api.people import Person, Town
from transactional_api.community.search.embeddings import QueryEmbedder
from transactional_api.core.inference.client import InferenceClient, Service
from transactional_api.intelligence.recommendations.ranking import RankingClients

LOOKS = 300
ASKED: dict[str, dict[str, Any]] = {
    "/recommendations/content": {},
    "/recommendations/connectors": {},
    "/matching/users": {},
    "/matching/communities": {},
    "/matching/interests": {},
    "/matching/proximity": {},
    "/analysis/sentiment": {"text": "What a fine day"},
    "/analysis/moderate": {"text": "What a fine day"},
    "/analysis/topics": {"text": "What a fine day"},
    "/analysis/spam-detection": {"text": "What a fine day"},
}
MADE = {"width": 48, "height": 48}
SEEN: dict[str, dict[str, Any]] = {
    "/images/optimize": {},
    "/images/thumbnail": MADE,
    "/images/detect-faces": {},
    "/images/classify": {},
    "/videos/extract-thumbnail": MADE,
    "/videos/analyze": {},
    "/videos/moderate": {},
}


class Slow:
    """Answers nobody; notes whether there comes a moment in which nobody holds a connection meanwhile."""

    def __init__(self, town: Town) -> None:
        self.state = town.app.state
        self.free: list[bool] = []

    def _nobody_holds_any(self) -> bool:
        return not self.state.engine.pool.checkedout() and not self.state.psycopg_pool.connections_in_use

    async def answer(self, _request: Request) -> Response:
        for _ in range(LOOKS):
            if self._nobody_holds_any():
                break
            await asyncio.sleep(0.01)
        self.free.append(self._nobody_holds_any())
        return JSONResponse({"error": "not today"}, 503)


@pytest.fixture
async def slow(town: Town, settings: Settings) -> AsyncIterator[Slow]:
    """All model services at once."""
    service, state = Slow(town), town.app.state
    async with serving(Starlette(routes=[Route("/{path:path}", service.answer, methods=["POST"])])) as url:
        urls = {f"{one.value}_url": url for one in Service}
        patient = {"inference_deadline_ms": 5_000, "recommendation_deadline_ms": 5_000}
        client = InferenceClient(settings.model_copy(update=urls | patient))
        before = state.inference, state.recommender, state.query_embedder
        state.inference, state.query_embedder = client, QueryEmbedder(client)
        state.recommender = RankingClients(client, before[1].redis)
        yield service
        state.inference, state.recommender, state.query_embedder = before
        await client.aclose()


@pytest.mark.parametrize("path", ASKED)
async def test_nothing_is_kept_from_others_while_a_model_is_asked(ada: Person, slow: Slow, path: str) -> None:
    answer = (await ada.post(path, ASKED[path])).json()
    assert (answer["reason_code"], slow.free) == ("service_unavailable", [True])


@pytest.mark.parametrize("path", SEEN)
async def test_nor_while_an_upload_has_model(town: Town, ada: Person, slow: Slow, path: str) -> None:
    upload = await town.keep_upload(ada, video() if path.startswith("/videos") else jpeg())
    answer = (await ada.post(path, {"media_id": upload["id"], **SEEN[path]})).json()
    assert (answer["reason_code"], slow.free) == ("service_unavailable", [True])


async def test_nor_while_members_are_fitted(ada: Person, ben: Person, garden: dict[str, Any], slow: Slow) -> None:
    sides = {"offers": [{"user_id": str(ada.id)}], "seekers": [{"user_id": str(ben.id)}]}
    answer = await ada.post("/matching/mutual", {"connector_id": garden["id"], **sides})
    assert (answer.status_code, slow.free) == (200, [True])


async def test_nor_while_the_meaning_of_searched_words_is_asked(ada: Person, slow: Slow) -> None:
    answer = await ada.get("/search", q="words that nobody asked for yet")
    assert (answer.status_code, slow.free) == (200, [True])
