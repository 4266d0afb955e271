"""Online features of a request: read in a thread, within a deadline, behind a circuit breaker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from redis import RedisError

from feature_repo.vendor_patches import FeastError
from neighborconnect.circuit_breaker import BreakerOpenError, CircuitBreaker
from neighborconnect.telemetry import get_logger

# Less than the API's deadline, so that a slow feature store costs personalization and not the response.
DEADLINE_SECONDS = 0.08
_OPEN_SECONDS = 2.0
# One slow read is not a failure of the store: this process may have been short of CPU time itself.
_TIMEOUTS_BEFORE_OPEN = 20
_THREADS = 4

Row = TypeVar("Row")

_log = get_logger(__name__)


class OnlineFeatures:
    """Reads of the feature store that never fail a request: the result is None instead."""

    def __init__(self) -> None:
        """Start the thread pool."""
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="features")
        self._breaker = CircuitBreaker(failures=_TIMEOUTS_BEFORE_OPEN, open_seconds=_OPEN_SECONDS)

    async def read(self, read: Callable[[], Row]) -> Row | None:
        """Return the result of ``read``; None when the store fails, misses the deadline, or the breaker is open.

        One error opens the breaker; missed deadlines open it after 20 in a row.
        """
        try:
            with self._breaker.call():
                # The thread continues the trace of the request.
                reading = asyncio.get_running_loop().run_in_executor(self._threads, copy_context().run, read)
                return await asyncio.wait_for(reading, DEADLINE_SECONDS)
        except BreakerOpenError:
            return None
        except TimeoutError:
            if self._breaker.is_open:
                _log.warning("features.unavailable", error=f"a read exceeded {DEADLINE_SECONDS * 1000:.0f} ms")
            return None
        except (FeastError, RedisError, OSError) as error:
            self._breaker.trip()
            _log.warning("features.unavailable", error=f"{type(error).__name__}: {error}")
            return None

    def warm_up(self, read: Callable[[], object]) -> None:
        """Read once, so that the first request does not wait for the registry and the connections."""
        try:
            read()
        except (FeastError, RedisError, OSError) as error:
            _log.warning("features.unavailable", error=f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Shut the thread pool down without waiting."""
        self._threads.shutdown(wait=False, cancel_futures=True)
