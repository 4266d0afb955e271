"""A circuit breaker: after repeated failures nobody waits for a service that is down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class BreakerOpenError(Exception):
    """The service failed lately and is left alone for a while."""


class CircuitBreaker:
    """Opens after ``failures`` in a row, rests ``rest_seconds``, then lets one call through to try.

    For one event loop: nothing here awaits, so no two calls can both be the one that tries.
    """

    def __init__(
        self, *, failures: int = 5, rest_seconds: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._trying = False

    @contextmanager
    def call(self) -> Iterator[None]:
        """Guard one call; any exception in it counts as a failure.

        Raises:
            BreakerOpenError: without making the call.
        """
        if self._opened_at is not None:
            if self._trying or self._clock() - self._opened_at < self._rest_seconds:
                raise BreakerOpenError
            self._trying = True
        try:
            yield
        except Exception:
            self._failures += 1
            if self._trying or self._failures >= self._limit:
                self._opened_at = self._clock()
            raise
        else:
            self._failures, self._opened_at = 0, None
        finally:
            # A call that was cancelled says nothing of the service, but must not stay the one that tries.
            self._trying = False
