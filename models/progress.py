"""Progress of a training: a live line with a bar on a terminal, lines with the elapsed time on every other output."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

SILENCE_SECONDS: Final = 30.0
"""Output that is no terminal gets a line at least this often."""
_LINES: Final = 10


class TrainingProgress:
    """Reporter of the steps of a training and of the position in the current step; a context manager."""

    def __init__(self, console: Console, *, silence_seconds: float = SILENCE_SECONDS) -> None:
        """Print to ``console``; ``silence_seconds`` is the longest time without a line where there is no terminal."""
        self._console, self._silence_seconds = console, silence_seconds
        self._began = time.monotonic()
        self._step, self._position, self._share = "starting", "", 0
        self._ended = threading.Event()
        self._said = threading.Lock()
        self._last_line = self._began
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        """Start the live line or the lines that say that the training goes on."""
        if self._console.is_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
            self._bar = Progress(*columns, TimeElapsedColumn(), console=self._console, transient=True)
            self._task = self._bar.add_task(escape(self._step), total=None)
            self._bar.start()
        else:
            self._thread = threading.Thread(target=self._break_silence, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the reports."""
        self._ended.set()
        if self._bar is not None:
            self._bar.stop()
        else:
            self._thread.join()

    def step(self, text: str) -> None:
        """Report that a step begins, or the result of one."""
        self._step, self._position, self._share = text, "", 0
        if self._bar is not None:
            self._bar.reset(self._task, description=escape(text), start=True, total=None)
        self._line(text)

    def advance(self, done: int, total: int) -> None:
        """Report the position in the current step."""
        self._position = f": {done:,} of {total:,}"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)
        elif (share := _LINES * done // max(total, 1)) > self._share:
            self._share = share
            self._line(self._step + self._position)

    def _break_silence(self) -> None:
        while not self._ended.wait(self._silence_seconds / 2):
            if time.monotonic() - self._last_line >= self._silence_seconds:
                self._line(f"still at: {self._step}{self._position}")

    def _line(self, text: str) -> None:
        with self._said:
            self._last_line = time.monotonic()
            elapsed = f"{self._last_line - self._began:6.0f} s"
            self._console.print(f"{elapsed}  {text}", markup=False, highlight=False, soft_wrap=True)
            self._console.file.flush()
