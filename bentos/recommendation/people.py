"""What is known of a neighbour at the moment of the request, within a deadline."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from redis import RedisError

from feature_repo.feast_import import FeastError
from feature_repo.online import OnlineReader, Staleness, UserFeatures
from models.recommendation.predictor import FEATURES_UNAVAILABLE, NO_USER_VECTOR, STALE_USER_VECTOR, UserProfile
from neighborconnect.contracts.events import ItemKind
from neighborconnect.telemetry import get_logger

# Less than the API waits for an answer, so that a slow feature store costs personality and not the answer.
DEADLINE_SECONDS = 0.08
# After a failure nobody waits for the store for a while, so that it is not met by a queue when it comes back.
# One late answer is no failure: this process may itself have been short of time.
_REST_SECONDS = 2.0
_MISSES_BEFORE_REST = 20
_THREADS = 4
_RECENT = {ItemKind.POST: "recent_post_ids", ItemKind.CONNECTOR: "recent_connector_ids"}
UNKNOWN = UserProfile(gap=FEATURES_UNAVAILABLE)

_log = get_logger(__name__)


class PeopleReader:
    """Reads profiles from the online feature store off the event loop."""

    def __init__(self, reader: OnlineReader) -> None:
        """Read through ``reader``."""
        self._reader = reader
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="features")
        self._resting_until = 0.0
        self._misses = 0

    async def read(self, user_id: str, *, kind: ItemKind, model_version: str) -> UserProfile:
        """Return the profile; an unknown person's one, with the reason, when the store does not answer in time."""
        if time.monotonic() < self._resting_until:
            return UNKNOWN
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(self._threads, lambda: self._read(user_id, model_version))
        try:
            features = await asyncio.wait_for(reading, DEADLINE_SECONDS)
        except TimeoutError:
            self._misses += 1
            if self._misses >= _MISSES_BEFORE_REST:
                self._rest(f"{self._misses} answers in a row took more than {DEADLINE_SECONDS * 1000:.0f} ms")
            return UNKNOWN
        except (FeastError, RedisError, OSError) as error:
            self._rest(f"{type(error).__name__}: {error}")
            return UNKNOWN
        self._misses = 0
        return profile_of(features, kind=kind)

    def warm_up(self) -> None:
        """Read nobody, so that the first request does not pay for opening the registry and the connections."""
        try:
            self._read("", "")
        except (FeastError, RedisError, OSError) as error:
            _log.warning("features.unavailable", error=f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _rest(self, reason: str) -> None:
        self._misses = 0
        self._resting_until = time.monotonic() + _REST_SECONDS
        _log.warning("features.unavailable", error=reason)

    def _read(self, user_id: str, model_version: str) -> UserFeatures:
        return self._reader.read_user(user_id, model_version=model_version)


def profile_of(features: UserFeatures, *, kind: ItemKind) -> UserProfile:
    """Keep what is fresh: an old vector is not used, and the profile says so; an old text profile still is."""
    affinity = features.affinity.fresh_values
    recent = features.recent_activity.fresh_values.get(_RECENT[kind]) or ()
    return UserProfile(
        vector=_vector(features.vector.fresh_values.get("factors")),
        content=_vector(features.vector.values.get("content")),
        affinity=dict(zip(affinity.get("categories") or (), affinity.get("weights") or (), strict=True)),
        recent_items=tuple(recent),
        gap=STALE_USER_VECTOR if features.vector.staleness is Staleness.STALE else NO_USER_VECTOR,
    )


def _vector(values: list[float] | None) -> npt.NDArray[np.floating[Any]] | None:
    return np.array(values, dtype=np.float32) if values else None
