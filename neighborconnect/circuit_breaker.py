"""Circuit breaker: after repeated failures, calls to a dependency fail at once until it has had time to recover."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class BreakerOpenError(Exception):
    """The circuit breaker is open; the call was not made."""


class CircuitBreaker:
    """Circuit breaker (Nygard, "Release It!", 2007): closed, open for ``open_seconds``, then half-open.

    Opens after ``failures`` in a row. Half-open, it lets one call through: success closes it, failure opens it again.
    For one event loop: no method awaits, so two calls cannot both be the probe.
    """

    def __init__(
        self, *, failures: int = 5, open_seconds: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._open_seconds = open_seconds
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._is_probing = False

    @property
    def is_open(self) -> bool:
        """Whether calls fail at once now."""
        if self._opened_at is None:
            return False
        return self._is_probing or self._clock() - self._opened_at < self._open_seconds

    def trip(self) -> None:
        """Open the breaker now, for a failure that needs no repetition."""
        self._failures, self._opened_at = 0, self._clock()

    @contextmanager
    def call(self) -> Iterator[None]:
        """Guard one call; any exception in it counts as a failure.

        Raises:
            BreakerOpenError: when the breaker is open; the call is not made.
        """
        if self.is_open:
            raise BreakerOpenError
        self._is_probing = self._opened_at is not None
        try:
            yield
        except Exception:
            self._failures += 1
            if self._is_probing or self._failures >= self._limit:
                self.trip()
            raise
        else:
            self._failures, self._opened_at = 0, None
        finally:
            # A canceled call is neither success nor failure, but must not remain the probe.
            self._is_probing = False
