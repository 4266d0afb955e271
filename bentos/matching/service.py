"""BentoML service of the matching model. One request sums a few sparse rows, in a thread."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bentoml
from bentoml.exceptions import ServiceUnavailable
from prometheus_client import Counter

from bentos.champion import LoadedChampion, RefreshLoop, ServingVersion
from bentos.serving import SERVICE_OPTIONS
from models.artifact_store import ArtifactStore
from models.matching.pair_features import PairFeatures
from models.matching.predictor import CONNECTORS, MODEL_FILE, USERS, Matcher
from models.matching.scorer import LogisticScorer
from models.matching.social_graph import from_bytes, published_at
from models.registry import fetch_artifact
from neighborconnect.contracts.matching import MatchRequest, MatchResponse, PairsRequest, PairsResponse
from neighborconnect.contracts.models import MATCHING_MODEL, SOCIAL_GRAPH_PREFIX
from neighborconnect.settings import Settings, get_settings

_TIMEOUT_SECONDS = 10
_THREADS = 2

PREDICTIONS = Counter(
    "matching_predictions", "Predictions served, by task and outcome (matched or empty).", ["task", "outcome"]
)

Output = TypeVar("Output")


def _load(settings: Settings, version: ServingVersion) -> Matcher:
    stored = json.loads(fetch_artifact(settings, version.champion.run_id, f"model/{MODEL_FILE}"))
    scorers = {name: LogisticScorer.from_dict(values) for name, values in stored.items()}
    graph = from_bytes(ArtifactStore(settings, *SOCIAL_GRAPH_PREFIX).read(version.artifact_version))
    matcher = Matcher(
        PairFeatures(graph),
        scorers[USERS],
        scorers[CONNECTORS],
        version.champion.model_version,
        published_at(version.artifact_version),
    )
    matcher.warm_up()
    return matcher


@bentoml.service(
    name="matching",
    description="Users, connectors and interests that match a user.",
    traffic={"timeout": _TIMEOUT_SECONDS},
    **SERVICE_OPTIONS,
)
class MatchingService:
    """Matches by the champion's weights over the newest social graph; 503 without either."""

    def __init__(self) -> None:
        """Read the settings; the champion is loaded once the event loop runs."""
        settings = get_settings()
        graphs = ArtifactStore(settings, *SOCIAL_GRAPH_PREFIX)
        self._champion = LoadedChampion(
            settings, name=MATCHING_MODEL, load=_load, newest_artifact=lambda _champion: graphs.newest()
        )
        self._refresh_loop = RefreshLoop(self._champion)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="matching")

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Start the refresh loop."""
        self._refresh_loop.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Stop the refresh loop and the thread pool."""
        await self._refresh_loop.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __is_ready__(self) -> bool:
        """Ready after the first poll of the registry, even without a champion (predictions then return 503)."""
        return self._refresh_loop.has_polled

    @bentoml.api(route="/match")  # type: ignore[untyped-decorator]
    async def match(self, request: MatchRequest) -> MatchResponse:
        """Match one user; the response is empty for a user who is not in the social graph yet."""
        response = await self._run(
            lambda matcher: matcher.match(
                request.user_id, request.kind, limit=request.limit, with_user_ids=request.with_user_ids
            )
        )
        PREDICTIONS.labels(request.kind.value, "matched" if response.matches else "empty").inc()
        return response

    @bentoml.api(route="/pairs")  # type: ignore[untyped-decorator]
    async def pairs(self, request: PairsRequest) -> PairsResponse:
        """Score pairs of users; pairs with a user who is not in the social graph are left out."""
        response = await self._run(lambda matcher: matcher.pairs(request.user_ids, request.with_user_ids))
        PREDICTIONS.labels("pairs", "matched" if response.pairs else "empty").inc()
        return response

    @bentoml.api(route="/reload")  # type: ignore[untyped-decorator]
    async def reload(self) -> dict[str, str | None]:
        """Poll the registry and the object store now, and return the served versions."""
        served = await self._refresh_loop.refresh()
        version = self._champion.version
        return {**served, "social_graph": None if version is None else version.artifact_version}

    async def _run(self, predict: Callable[[Matcher], Output]) -> Output:
        matcher = self._champion.loaded
        if matcher is None:
            raise ServiceUnavailable("The matching model has no champion, or there is no social graph yet.")
        return await asyncio.get_running_loop().run_in_executor(self._threads, predict, matcher)
