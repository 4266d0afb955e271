"""The BentoML service. One person's answer is a few sparse rows, added up outside of the event loop."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import bentoml
from bentoml.exceptions import ServiceUnavailable
from minio.error import S3Error
from prometheus_client import Counter
from urllib3.exceptions import HTTPError

from bentos.champion import Held
from bentos.serving import HOW_SERVED, KeptFresh
from models.matching.combination import Combination
from models.matching.graph import Graph
from models.matching.predictor import CONNECTORS, MODEL_FILE, PEOPLE, Matcher
from models.matching.town import TownError, from_bytes
from models.registry import Champion, fetch_artifact
from models.shelf import Shelf
from neighborconnect.contracts.matching import MatchAnswer, MatchRequest, PairsAnswer, PairsRequest
from neighborconnect.contracts.models import MATCHING_MODEL, TOWN_PREFIX
from neighborconnect.settings import Settings, get_settings
from neighborconnect.telemetry import get_logger

_TIMEOUT_SECONDS = 10
_THREADS = 2

ANSWERS = Counter("matching_answers", "Matches made, by kind and whether there were any.", ["kind", "found"])

_log = get_logger(__name__)


def _load(settings: Settings, champion: Champion) -> tuple[str, dict[str, Combination]]:
    written = json.loads(fetch_artifact(settings, champion.run_id, f"model/{MODEL_FILE}"))
    return champion.model_version, {name: Combination.of(one) for name, one in written.items()}


class _Known:
    """The champion's weights and the newest town, joined when there are both; replaced whole when either is newer."""

    def __init__(self, settings: Settings) -> None:
        self._held = Held(settings, name=MATCHING_MODEL, load=_load)
        self._shelf = Shelf(settings, *TOWN_PREFIX)
        self._version: str | None = None
        self._graph: Graph | None = None
        self.matcher: Matcher | None = None

    @property
    def has_looked(self) -> bool:
        """Whether the registry has answered once."""
        return self._held.has_looked

    def refresh(self) -> dict[str, str | None]:
        """Load what is newer, and return what is then served. What cannot be loaded leaves what is held."""
        champion = self._held.refresh()
        try:
            newest = self._shelf.newest()
            if newest is not None and newest != self._version:
                self._graph, self._version = Graph(from_bytes(self._shelf.read(newest))), newest
        except (S3Error, HTTPError, TownError) as error:
            _log.warning("serving.not_refreshed", what="town", error=str(error))
        if self._held.served is not None and self._graph is not None:
            version, how = self._held.served
            matcher = self.matcher
            if matcher is None or (matcher.graph, matcher.model_version) != (self._graph, version):
                newer = Matcher(self._graph, how[PEOPLE], how[CONNECTORS], version)
                newer.warm_up()
                self.matcher = newer
        return {**champion, "town": self._version}


@bentoml.service(
    name="matching",
    description="Finds people, connectors and interests that fit a person.",
    traffic={"timeout": _TIMEOUT_SECONDS},
    **HOW_SERVED,
)
class MatchingService:
    """Answers with the champion's weights over the newest town; 503 while there is neither."""

    def __init__(self) -> None:
        """Read the settings; what is served is loaded as soon as the event loop runs."""
        self._known = _Known(get_settings())
        self._fresh = KeptFresh(self._known.refresh, has_looked=lambda: self._known.has_looked)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="matching")

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Begin to look for champions and newer towns."""
        self._fresh.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Stop looking."""
        await self._fresh.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __is_ready__(self) -> bool:
        """Ready once it has looked for a champion, be there one or not."""
        return self._known.has_looked

    @bentoml.api(route="/match")  # type: ignore[untyped-decorator]
    async def match(self, request: MatchRequest) -> MatchAnswer:
        """Match one person; the answer is empty for who is not in the town yet."""
        matcher = self._known.matcher
        if matcher is None:
            raise ServiceUnavailable("No matching model has been released yet.")
        answer = await asyncio.get_running_loop().run_in_executor(
            self._threads,
            lambda: matcher.match(request.user_id, request.kind, limit=request.limit, together=request.with_user_ids),
        )
        ANSWERS.labels(request.kind.value, str(bool(answer.matches)).lower()).inc()
        return answer

    @bentoml.api(route="/pairs")  # type: ignore[untyped-decorator]
    async def pairs(self, request: PairsRequest) -> PairsAnswer:
        """Tell how well people fit each other; there are no pairs of who is not in the town yet."""
        matcher = self._known.matcher
        if matcher is None:
            raise ServiceUnavailable("No matching model has been released yet.")
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, matcher.pairs, request.user_ids, request.with_user_ids
        )

    @bentoml.api(route="/reload")  # type: ignore[untyped-decorator]
    async def reload(self) -> dict[str, str | None]:
        """Look for a newer champion and town now, and return what is served."""
        return await asyncio.to_thread(self._known.refresh)
