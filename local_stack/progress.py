"""Progress of a start: a live line per service on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from local_stack.stack import Stack
from local_stack.state import UP_STATES, ServiceRecord
from local_stack.supervisor_client import request_services, wait_until_up

REMINDER_SECONDS = 20.0
_SHOWN_CHARACTERS = 100


def start(stack: Stack, names: tuple[str, ...], *, console: Console) -> None:
    """Start services, show their progress, and return when all are ready.

    Raises:
        StackError: one of them does not become ready.
    """
    if console.is_terminal:
        _start_live(stack, names, console=console)
    else:
        _start_plain(stack, names, console=console)


def _describe(record: ServiceRecord) -> str:
    words = f"{record.name}: {record.state}" + (f" ({record.detail})" if record.detail else "")
    return words.splitlines()[0][:_SHOWN_CHARACTERS]


def _start_live(stack: Stack, names: tuple[str, ...], *, console: Console) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        tasks = {name: progress.add_task(f"{name}: waiting", total=1) for name in names}

        def show(records: list[ServiceRecord]) -> None:
            for record in records:
                done = 1 if record.state in UP_STATES else 0
                progress.update(tasks[record.name], description=_describe(record), completed=done)

        request_services(stack, names)
        wait_until_up(stack, names, on_progress=show)


def _start_plain(stack: Stack, names: tuple[str, ...], *, console: Console) -> None:
    states: dict[str, str] = {}

    def show(records: list[ServiceRecord]) -> None:
        for record in records:
            if states.get(record.name) != record.state:
                states[record.name] = record.state
                print_line(console, _describe(record))

    def missing() -> str:
        return ", ".join(
            f"{name} ({states.get(name, 'waiting')})" for name in names if states.get(name) not in UP_STATES
        )

    print_line(console, f"starting {', '.join(names)}")
    with periodic_message(console, lambda: f"still waiting for {missing()}"):
        request_services(stack, names)
        wait_until_up(stack, names, on_progress=show)


def print_line(console: Console, text: str) -> None:
    """Print one plain line with the time of day."""
    console.print(f"{time.strftime('%H:%M:%S')} {text}", soft_wrap=True, markup=False, highlight=False)


@contextmanager
def periodic_message(console: Console, text: Callable[[], str], *, seconds: float = REMINDER_SECONDS) -> Iterator[None]:
    """Print a line every ``seconds`` during a long step, so that a log shows that it still runs."""
    ended = Event()

    def remind() -> None:
        begun = time.monotonic()
        while not ended.wait(seconds):
            print_line(console, f"{text()}, {time.monotonic() - begun:.0f} s")

    thread = Thread(target=remind, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
