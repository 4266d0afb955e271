"""Progress of a start: a live line a service on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from neighborconnect.stack.control import wait_for, want
from neighborconnect.stack.layout import Stack
from neighborconnect.stack.state import UP, Record

REMINDER_SECONDS = 20.0
_SHOWN_CHARACTERS = 100


def start(stack: Stack, names: tuple[str, ...], *, console: Console) -> None:
    """Start services, show how it goes, and return when all are ready.

    Raises:
        StackError: when one of them does not come up.
    """
    if console.is_terminal:
        _start_live(stack, names, console=console)
    else:
        _start_plain(stack, names, console=console)


def _in_words(record: Record) -> str:
    words = f"{record.name}: {record.state}" + (f" ({record.detail})" if record.detail else "")
    return words.splitlines()[0][:_SHOWN_CHARACTERS]


def _start_live(stack: Stack, names: tuple[str, ...], *, console: Console) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        tasks = {name: progress.add_task(f"{name}: waiting", total=1) for name in names}

        def show(records: list[Record]) -> None:
            for record in records:
                done = 1 if record.state in UP else 0
                progress.update(tasks[record.name], description=_in_words(record), completed=done)

        want(stack, names)
        wait_for(stack, names, on_progress=show)


def _start_plain(stack: Stack, names: tuple[str, ...], *, console: Console) -> None:
    states: dict[str, str] = {}

    def show(records: list[Record]) -> None:
        for record in records:
            if states.get(record.name) != record.state:
                states[record.name] = record.state
                say(console, _in_words(record))

    def missing() -> str:
        return ", ".join(f"{name} ({states.get(name, 'waiting')})" for name in names if states.get(name) not in UP)

    say(console, f"starting {', '.join(names)}")
    with reminding(console, lambda: f"still waiting for {missing()}"):
        want(stack, names)
        wait_for(stack, names, on_progress=show)


def say(console: Console, words: str) -> None:
    """Print one plain line with the time of day."""
    console.print(f"{time.strftime('%H:%M:%S')} {words}", soft_wrap=True, markup=False, highlight=False)


@contextmanager
def reminding(console: Console, words: Callable[[], str], *, seconds: float = REMINDER_SECONDS) -> Iterator[None]:
    """Print a line every ``seconds`` while something long runs, so that a log shows that it does."""
    ended = Event()

    def remind() -> None:
        begun = time.monotonic()
        while not ended.wait(seconds):
            say(console, f"{words()}, {time.monotonic() - begun:.0f} s")

    thread = Thread(target=remind, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
