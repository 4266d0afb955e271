"""Online features at the moment of a request: off the event loop, within a deadline, never from a store that fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from redis import RedisError

from feature_repo.feast_import import FeastError
from neighborconnect.telemetry import get_logger

# Less than the API waits for an answer, so that a slow feature store costs personality and not the answer.
DEADLINE_SECONDS = 0.08
# After a failure nobody waits for the store for a while, so that it is not met by a queue when it comes back.
# One late answer is no failure: this process may itself have been short of time.
_REST_SECONDS = 2.0
_MISSES_BEFORE_REST = 20
_THREADS = 4

Found = TypeVar("Found")

_log = get_logger(__name__)


class Lookups:
    """Reads of the feature store that may fail, and cost no answer when they do."""

    def __init__(self) -> None:
        """Begin to ask."""
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="features")
        self._resting_until = 0.0
        self._misses = 0

    async def ask(self, read: Callable[[], Found]) -> Found | None:
        """Return what ``read`` finds; None when the store does not answer in time."""
        if time.monotonic() < self._resting_until:
            return None
        reading = asyncio.get_running_loop().run_in_executor(self._threads, read)
        try:
            found = await asyncio.wait_for(reading, DEADLINE_SECONDS)
        except TimeoutError:
            self._misses += 1
            if self._misses >= _MISSES_BEFORE_REST:
                self._rest(f"{self._misses} answers in a row took more than {DEADLINE_SECONDS * 1000:.0f} ms")
            return None
        except (FeastError, RedisError, OSError) as error:
            self._rest(f"{type(error).__name__}: {error}")
            return None
        self._misses = 0
        return found

    def warm_up(self, read: Callable[[], object]) -> None:
        """Read once, so that the first request does not pay for opening the registry and the connections."""
        try:
            read()
        except (FeastError, RedisError, OSError) as error:
            _log.warning("features.unavailable", error=f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _rest(self, reason: str) -> None:
        self._misses = 0
        self._resting_until = time.monotonic() + _REST_SECONDS
        _log.warning("features.unavailable", error=reason)
