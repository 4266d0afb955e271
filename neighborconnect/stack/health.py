"""Continuous health probes of one service, and the decision that it hangs.

| the last probes | state | action |
|---|---|---|
| an answer: ready | ready | none |
| an answer: not ready | degraded | none: a restart does not repair what the process says about others |
| one without an answer | as before | probe again soon |
| two in a row without an answer | unresponsive | none yet: a busy process may be late |
| ``failures`` in a row, over ``hung_seconds`` or more | unresponsive | restart |

Probes do not count towards a restart while a service that this one needs gives no answer itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from neighborconnect.stack.errors import NoAnswerError, NotReadyError

HealthState = Literal["ready", "degraded", "unresponsive"]
_SHOWN_AFTER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Times of the probes, in seconds.

    Attributes:
        period: between probes of a service that answers.
        retry: before the next probe after one without an answer.
        probe: after which a probe counts as one without an answer.
        failures: how many probes in a row must lack an answer before a restart.
    """

    period: float = 10.0
    retry: float = 5.0
    probe: float = 20.0
    failures: int = 6


class _Probe(threading.Thread):
    """One call of a check, in a thread of its own: a check that hangs must not hang its caller."""

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._check = check
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self._check()
        except Exception as error:  # noqa: BLE001 - anything that a check raises is an answer about the service
            self.error = error


class Monitor:
    """The health of one service, by probes that ``poll`` starts and collects. For one thread alone."""

    def __init__(self, check: Callable[[], None], *, hung_seconds: float, limits: Limits) -> None:
        """Probe with ``check``; the service has just been ready."""
        self._check = check
        self._limits = limits
        self._hung_seconds = hung_seconds
        self._probe: _Probe | None = None
        self._deadline = 0.0
        self._next = time.monotonic() + limits.period
        self._misses = 0
        self.state: HealthState = "ready"
        self.detail = ""
        self.probed_at = time.time()
        self.pardon()

    def pardon(self) -> None:
        """Forget the failures so far; what counts towards a restart begins now."""
        self._failures = 0
        self._answered = time.monotonic()

    @property
    def answers(self) -> bool:
        """Whether the last probe got an answer."""
        return self._misses == 0

    @property
    def is_hung(self) -> bool:
        """Whether the service has gone without an answer for so many probes and so long that it must be restarted."""
        silent = time.monotonic() - self._answered
        return self._failures >= self._limits.failures and silent >= self._hung_seconds

    @property
    def verdict(self) -> str:
        """The reason for a restart."""
        silent = time.monotonic() - self._answered
        return f"no answer to {self._failures} health probes in {silent:.0f} s: {self.detail}"

    def poll(self) -> bool:
        """Begin a probe that is due and collect one that has ended; return whether a result came in."""
        now = time.monotonic()
        if self._probe is None:
            if now >= self._next:
                self._probe, self._deadline = _Probe(self._check), now + self._limits.probe
                self._probe.start()
            return False
        if self._probe.is_alive():
            if now < self._deadline:
                return False
            # It goes on, and counts once more for each time that it could have ended in.
            self._deadline = now + self._limits.probe
            self._miss(f"the health probe has not ended after {self._limits.probe:.0f} s")
            return True
        error, self._probe = self._probe.error, None
        if isinstance(error, NoAnswerError):
            self._miss(str(error))
        else:
            self._answer(error)
        return True

    def _miss(self, detail: str) -> None:
        self.probed_at, self._next = time.time(), time.monotonic() + self._limits.retry
        self._misses += 1
        self._failures += 1
        if self._misses >= _SHOWN_AFTER:
            self.state, self.detail = "unresponsive", detail

    def _answer(self, error: Exception | None) -> None:
        self.probed_at, self._next = time.time(), time.monotonic() + self._limits.period
        self._misses = 0
        self.pardon()
        if error is None:
            self.state, self.detail = "ready", ""
        else:
            told = str(error) if isinstance(error, NotReadyError) else f"{type(error).__name__}: {error}"
            self.state, self.detail = "degraded", told.strip()
