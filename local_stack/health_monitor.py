"""Continuous health probes of one service, and the decision to restart it.

| the last probes | state | action |
|---|---|---|
| response: ready | ready | none |
| response: not ready | degraded | none: a restart does not repair a dependency |
| one without a response | unchanged | probe again soon |
| two in a row without a response | unresponsive | none yet: a busy process may be late |
| ``failures`` in a row without a response, over at least ``hung_seconds`` | unresponsive | restart |

Probes do not count towards a restart while a dependency of the service does not respond either.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from local_stack.errors import NoResponseError, NotReadyError

HealthState = Literal["ready", "degraded", "unresponsive"]
_UNRESPONSIVE_AFTER_FAILURES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeLimits:
    """Timing of the probes, in seconds.

    Attributes:
        period: interval between probes of a service that responds.
        retry: pause after a probe without a response.
        probe: duration after which a probe counts as one without a response.
        failures: number of consecutive probes without a response before a restart.
        failed_retry: pause of a service that exits again and again, before it is started again.
    """

    period: float = 10.0
    retry: float = 5.0
    probe: float = 20.0
    failures: int = 6
    failed_retry: float = 60.0


class _Probe(threading.Thread):
    """One call of a check in a separate thread, so that a hanging check does not block its caller."""

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._check = check
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self._check()
        except Exception as error:  # noqa: BLE001 - any exception of a check is a result about the service
            self.error = error


class HealthMonitor:
    """Health of one service, by probes that ``poll`` starts and collects. Not thread-safe."""

    def __init__(self, check: Callable[[], None], *, hung_seconds: float, limits: ProbeLimits) -> None:
        """Monitor a service that has just become ready with ``check``."""
        self._check = check
        self._limits = limits
        self._hung_seconds = hung_seconds
        self._probe: _Probe | None = None
        self._deadline = 0.0
        self._next = time.monotonic() + limits.period
        self._consecutive_failures = 0
        self.state: HealthState = "ready"
        self.detail = ""
        self.probed_at = time.time()
        self.reset_failures()

    def reset_failures(self) -> None:
        """Reset the failures that count towards a restart."""
        self._failures = 0
        self._last_response_at = time.monotonic()

    @property
    def is_responsive(self) -> bool:
        """Whether the last probe got a response."""
        return self._consecutive_failures == 0

    @property
    def is_hung(self) -> bool:
        """Whether the service failed enough probes, over enough time, that it must be restarted."""
        silence = time.monotonic() - self._last_response_at
        return self._failures >= self._limits.failures and silence >= self._hung_seconds

    @property
    def restart_reason(self) -> str:
        """Reason of the restart, for logs and status."""
        silence = time.monotonic() - self._last_response_at
        return f"no response to {self._failures} health probes in {silence:.0f} s: {self.detail}"

    def poll(self) -> bool:
        """Start a probe that is due and collect one that has ended; return whether there is a new result."""
        now = time.monotonic()
        if self._probe is None:
            if now >= self._next:
                self._probe, self._deadline = _Probe(self._check), now + self._limits.probe
                self._probe.start()
            return False
        if self._probe.is_alive():
            if now < self._deadline:
                return False
            # The probe continues, and counts as another failure after each further ``probe`` seconds.
            self._deadline = now + self._limits.probe
            self._record_failure(f"the health probe has not ended after {self._limits.probe:.0f} s")
            return True
        error, self._probe = self._probe.error, None
        if isinstance(error, NoResponseError):
            self._record_failure(str(error))
        else:
            self._record_response(error)
        return True

    def _record_failure(self, detail: str) -> None:
        self.probed_at, self._next = time.time(), time.monotonic() + self._limits.retry
        self._consecutive_failures += 1
        self._failures += 1
        if self._consecutive_failures >= _UNRESPONSIVE_AFTER_FAILURES:
            self.state, self.detail = "unresponsive", detail

    def _record_response(self, error: Exception | None) -> None:
        self.probed_at, self._next = time.time(), time.monotonic() + self._limits.period
        self._consecutive_failures = 0
        self.reset_failures()
        if error is None:
            self.state, self.detail = "ready", ""
        else:
            detail = str(error) if isinstance(error, NotReadyError) else f"{type(error).__name__}: {error}"
            self.state, self.detail = "degraded", detail.strip()
