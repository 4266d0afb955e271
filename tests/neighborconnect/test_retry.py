"""The retry policy of long-running workers."""

from __future__ import annotations

import threading

import pytest
from tenacity import RetryCallState, Retrying, wait_none

from neighborconnect import retry
from neighborconnect.retry import run_until_stopped

POLICY = retry.BACKOFF


class Worker:
    """Work that fails as scripted: each entry is the progress before the failure."""

    def __init__(self, *progress_before_failure: int) -> None:
        self.stop = threading.Event()
        self.handled = 0
        self.failures: list[int] = []
        self._script = list(progress_before_failure)

    def work(self) -> None:
        if not self._script:
            self.stop.set()
            return
        self.handled += self._script.pop(0)
        raise OSError("the server is down")

    def run(self) -> None:
        run_until_stopped(
            self.work,
            stop=self.stop,
            errors=(OSError,),
            progress=lambda: self.handled,
            on_error=lambda _error, failures: self.failures.append(failures),
        )


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "BACKOFF", wait_none())


class TestRunUntilStopped:
    def test_consecutive_failures_are_counted(self) -> None:
        worker = Worker(0, 0, 0)
        worker.run()
        assert worker.failures == [1, 2, 3]

    def test_progress_starts_the_backoff_again(self) -> None:
        worker = Worker(0, 0, 5, 0)
        worker.run()
        assert worker.failures == [1, 2, 1, 2]

    def test_work_that_returns_is_called_again(self) -> None:
        stop, calls = threading.Event(), []

        def work() -> None:
            calls.append(len(calls))
            if len(calls) == 3:
                stop.set()

        run_until_stopped(work, stop=stop, errors=(OSError,), progress=lambda: 0, on_error=lambda _e, _n: None)
        assert calls == [0, 1, 2]

    def test_other_exceptions_propagate(self) -> None:
        def work() -> None:
            raise KeyError("a bug")

        with pytest.raises(KeyError):
            run_until_stopped(
                work, stop=threading.Event(), errors=(OSError,), progress=lambda: 0, on_error=lambda _e, _n: None
            )

    def test_a_stop_ends_the_pause(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retry, "BACKOFF", lambda _state: 3_600.0)
        stop = threading.Event()

        def work() -> None:
            raise OSError("the server is down")

        run_until_stopped(
            work, stop=stop, errors=(OSError,), progress=lambda: 0, on_error=lambda _error, _failures: stop.set()
        )
        assert stop.is_set()


def test_pauses_grow_up_to_five_seconds() -> None:
    states = [RetryCallState(Retrying(), None, (), {}) for _ in range(4)]
    for state, attempt in zip(states, (1, 2, 3, 20), strict=True):
        state.attempt_number = attempt
    pauses = [POLICY(state) for state in states]
    for pause, shortest in zip(pauses, (0.2, 0.4, 0.8, 5.0), strict=True):
        assert shortest <= pause <= 5.0
        assert pause <= shortest + 0.1
