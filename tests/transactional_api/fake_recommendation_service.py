"""A recommendation service whose answers the test decides, behind a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from neighborconnect.service_auth import RequireCredentials
from neighborconnect.settings import get_settings
from tests.transactional_api.local_server import serving


@dataclass(slots=True)
class Ranker:
    """Answers with ``items``, after ``seconds``, with ``status``; remembers what it was asked."""

    url: str = ""
    items: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    seconds: float = 0.0
    reason_code: str | None = None
    indexed_until: str | None = None
    just_indexed: list[str] = field(default_factory=list)
    path: str = "collaborative"
    asked: list[dict[str, Any]] = field(default_factory=list)

    def rank(self, *ids: str) -> None:
        self.items = [
            {
                "item_id": item_id,
                "score": 1.0 - place / 100,
                "reasons": [{"code": "neighbors_like_you", "share": 0.75}],
            }
            for place, item_id in enumerate(ids)
        ]
        self.status, self.seconds, self.reason_code, self.indexed_until = 200, 0.0, None, None
        self.path, self.just_indexed = "collaborative", []

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body["request"])
        await asyncio.sleep(self.seconds)
        if self.status != 200:
            return JSONResponse({"error": "down"}, self.status)
        return JSONResponse(
            {
                "items": self.items,
                "path": self.path,
                "reason_code": self.reason_code,
                "model_version": "7",
                "item_index_version": "2026-11-22T00:00:00Z",
                "features": {"likes_7d": 3},
                "features_age_ms": 1_800,
                "indexed_until": self.indexed_until,
                "just_indexed": self.just_indexed,
            }
        )


@asynccontextmanager
async def running_ranker() -> AsyncIterator[Ranker]:
    ranker = Ranker()
    service = Starlette(routes=[Route("/rank", ranker.answer, methods=["POST"])])
    async with serving(RequireCredentials(service, tokens=[get_settings().platform_token])) as url:
        ranker.url = url
        yield ranker
