"""The BentoML service. One process, one service without dependencies: `bentoml.depends` drops requests under load."""

from __future__ import annotations

import asyncio

import bentoml
from bentoml.exceptions import ServiceUnavailable
from prometheus_client import Counter

from bentos.recommendation.catalogue import Catalogue
from bentos.recommendation.people import PeopleReader
from bentos.serving import HOW_SERVED, KeptFresh
from feature_repo.online import OnlineReader
from feature_repo.store import build_store
from models.recommendation.predictor import UserProfile
from neighborconnect.contracts.serving import RankRequest, RankResponse
from neighborconnect.settings import get_settings

# A request that the API has given up on is not worth finishing.
_TIMEOUT_SECONDS = 5

ANSWERS = Counter(
    "recommendation_answers",
    "Rankings given, by kind of item, path and reason code",
    ["item_kind", "path", "reason_code"],
)


@bentoml.service(
    name="recommendation",
    description="Ranks posts and connectors for one neighbour at a time.",
    traffic={"timeout": _TIMEOUT_SECONDS},
    **HOW_SERVED,
)
class RecommendationService:
    """Ranks from snapshots in memory and one row of online features a request."""

    def __init__(self) -> None:
        """Read the settings; what is served is loaded as soon as the event loop runs."""
        settings = get_settings()
        self._catalogue = Catalogue(settings)
        self._people = PeopleReader(OnlineReader(build_store(settings)))
        self._warming: asyncio.Task[None] | None = None
        self._fresh = KeptFresh(self._catalogue.refresh, has_looked=lambda: self._catalogue.has_looked)

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Begin to look for champions and newer snapshots."""
        # Beside all else: the first request is not to pay for the feature store's connections, nor the start to wait.
        self._warming = asyncio.create_task(asyncio.to_thread(self._people.warm_up))
        self._fresh.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Stop looking."""
        await self._fresh.stop()
        self._people.close()

    async def __is_ready__(self) -> bool:
        """Ready once it has looked for champions, be there any or not: without one it says so with 503."""
        return self._catalogue.has_looked

    @bentoml.api(route="/rank")  # type: ignore[untyped-decorator]
    async def rank(self, request: RankRequest) -> RankResponse:
        """Rank items of one kind for one person. 503 while no model of that kind has been released."""
        predictor = self._catalogue.predictor(request.item_kind)
        if predictor is None:
            raise ServiceUnavailable(f"No {request.item_kind.value} recommender has been released yet.")
        profile = UserProfile()
        if predictor.snapshot.is_personal:
            profile = await self._people.read(
                request.user_id, kind=request.item_kind, model_version=predictor.snapshot.model_version
            )
        response = predictor.rank(request, user=profile)
        ANSWERS.labels(request.item_kind.value, response.path.value, response.reason_code or "").inc()
        return response

    @bentoml.api(route="/reload")  # type: ignore[untyped-decorator]
    async def reload(self) -> dict[str, dict[str, object]]:
        """Look for newer champions and snapshots now, and return what is served."""
        return await asyncio.to_thread(self._catalogue.refresh)
