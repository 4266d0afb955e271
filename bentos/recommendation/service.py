"""BentoML service of the recommenders. It has no dependencies: ``bentoml.depends`` drops requests under load."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import bentoml
from bentoml.exceptions import ServiceUnavailable
from prometheus_client import Counter

from bentos.champion import LoadedChampion, RefreshLoop, ServingVersion
from bentos.recommendation.user_reader import UserReader, is_sampled
from bentos.serving import SERVICE_OPTIONS
from feature_repo.online import OnlineReader
from feature_repo.store import build_store
from models.recommendation.predictor import Predictor, UserProfile
from models.recommendation.serving_artifact import ItemIndexStore
from models.registry import RegisteredVersion
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.models import REGISTERED_MODEL
from neighborconnect.contracts.serving import RankRequest, RankResponse
from neighborconnect.settings import Settings, get_settings

# The API stops waiting before this; a request that it has given up on is not worth finishing.
_TIMEOUT_SECONDS = 5

PREDICTIONS = Counter(
    "recommendation_predictions",
    "Rankings served, by kind of item, path and reason code.",
    ["item_kind", "path", "reason_code"],
)


def _champion(settings: Settings, kind: ItemKind) -> LoadedChampion[Predictor]:
    store = ItemIndexStore(settings)

    def load(_settings: Settings, version: ServingVersion) -> Predictor:
        model_version = version.champion.model_version
        predictor = Predictor(store.read(kind, model_version=model_version, version=version.artifact_version))
        predictor.warm_up()
        return predictor

    def newest_index(champion: RegisteredVersion) -> str | None:
        return store.newest_version(kind, model_version=champion.model_version)

    return LoadedChampion(settings, name=REGISTERED_MODEL[kind], load=load, newest_artifact=newest_index)


@bentoml.service(
    name="recommendation",
    description="Ranks posts, connectors, events and marketplace items for one user at a time.",
    traffic={"timeout": _TIMEOUT_SECONDS},
    **SERVICE_OPTIONS,
)
class RecommendationService:
    """Rankings from item indexes in memory and one row of online features per request."""

    def __init__(self) -> None:
        """Read the settings; champions are loaded once the event loop runs."""
        settings = get_settings()
        self._champions = {kind: _champion(settings, kind) for kind in ItemKind}
        self._refresh_loop = RefreshLoop(*self._champions.values())
        self._users = UserReader(OnlineReader(build_store(settings)))
        self._warm_up: asyncio.Task[None] | None = None

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Start the refresh loop, and warm up the feature store in the background."""
        self._warm_up = asyncio.create_task(asyncio.to_thread(self._users.warm_up))
        self._refresh_loop.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Stop the refresh loop and the reader."""
        await self._refresh_loop.stop()
        self._users.close()

    async def __is_ready__(self) -> bool:
        """Ready after the first poll of the registry, even without a champion (predictions then return 503)."""
        return self._refresh_loop.has_polled

    @bentoml.api(route="/rank")  # type: ignore[untyped-decorator]
    async def rank(self, request: RankRequest) -> RankResponse:
        """Rank items of one kind for one user; 503 without a champion of that kind."""
        predictor = self._champions[request.item_kind].loaded
        if predictor is None:
            raise ServiceUnavailable(f"The {request.item_kind.value} recommender has no champion yet.")
        stated_interests = tuple(request.interests)
        profile = UserProfile(stated_interests=stated_interests)
        if predictor.index.is_personal:
            profile = await self._users.read(
                request.user_id,
                kind=request.item_kind,
                model_version=predictor.index.model_version,
                stated_interests=stated_interests,
                is_sampled=is_sampled(request.request_id),
                acts_since=request.acts_since,
            )
        response = predictor.rank(request, user=profile, at=request.at or datetime.now(UTC))
        PREDICTIONS.labels(request.item_kind.value, response.path.value, response.reason_code or "").inc()
        return response

    @bentoml.api(route="/reload")  # type: ignore[untyped-decorator]
    async def reload(self) -> dict[str, dict[str, object]]:
        """Poll the registry and the object store now, and return the served item index of each kind."""
        await self._refresh_loop.refresh()
        return {
            kind.value: {
                "model_version": predictor.index.model_version,
                "item_index_version": predictor.index.version,
                "items": len(predictor.index.item_ids),
                "personal": predictor.index.is_personal,
            }
            for kind, champion in self._champions.items()
            if (predictor := champion.loaded) is not None
        }
