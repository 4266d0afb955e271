"""The retry policy of long-running workers: exponential backoff with jitter that starts again after progress."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_exponential_jitter,
)

BACKOFF: Final = wait_exponential_jitter(initial=0.2, max=5.0, jitter=0.1)
"""Seconds before the next attempt: 0.2, 0.4, … up to 5, with a random tenth of a second added."""


def run_until_stopped(
    run: Callable[[], None],
    *,
    stop: threading.Event,
    errors: tuple[type[Exception], ...],
    progress: Callable[[], int],
    on_error: Callable[[BaseException, int], None],
) -> None:
    """Call ``run`` again and again until ``stop`` is set, with a pause after each failure.

    Args:
        run: the work; it may return to be called again at once.
        stop: ends the loop, also during a pause.
        errors: exceptions after which ``run`` is retried; others propagate.
        progress: a counter of completed work. The backoff starts again if it has grown since the last failure.
        on_error: called before each pause with the exception and the number of failures since the last progress.
    """
    completed = progress()

    def wait(state: RetryCallState) -> float:
        nonlocal completed
        if (now := progress()) > completed:
            completed, state.attempt_number = now, 1
        return BACKOFF(state)

    def report(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if error is not None:
            on_error(error, state.attempt_number)

    retrying = Retrying(
        retry=retry_if_exception_type(errors),
        wait=wait,
        stop=stop_when_event_set(stop),
        sleep=sleep_using_event(stop),
        before_sleep=report,
        retry_error_callback=lambda _state: None,
    )
    while not stop.is_set():
        retrying(run)
