"""A line a service while they start."""

from __future__ import annotations

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from neighborconnect.stack.control import wait_for, want
from neighborconnect.stack.layout import Stack
from neighborconnect.stack.state import Record


def start(stack: Stack, names: tuple[str, ...], *, console: Console) -> None:
    """Start services, show how it goes, and return when all are ready.

    Raises:
        StackError: when one of them does not come up.
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        tasks = {name: progress.add_task(f"{name}: waiting", total=1) for name in names}

        def show(records: list[Record]) -> None:
            for record in records:
                told = f"{record.name}: {record.state}" + (f" ({record.detail})" if record.detail else "")
                done = 1 if record.state == "ready" else 0
                progress.update(tasks[record.name], description=told.splitlines()[0][:100], completed=done)

        want(stack, names)
        wait_for(stack, names, on_progress=show)
