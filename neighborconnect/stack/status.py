"""What runs where, and what it costs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import psutil
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from neighborconnect.stack.catalogue import SERVICE_ORDER
from neighborconnect.stack.control import supervisor_process
from neighborconnect.stack.layout import Stack
from neighborconnect.stack.state import Record, read_records

SUPERVISOR = "supervisor"
_COLOURS = {"ready": "green", "failed": "red", "stopped": "dim"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One line of the table. Memory is the proportional set size in bytes of the process and all below it."""

    name: str
    title: str
    url: str
    state: str
    pid: int | None
    memory: int
    restarts: int
    detail: str
    note: str


def memory_of(processes: list[psutil.Process]) -> int:
    """Return the bytes that processes hold, shared pages counted once."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            full = process.memory_full_info()
            total += getattr(full, "pss", full.rss)
    return total


def _family(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return [process, *process.children(recursive=True)]
    return []


def _status(record: Record) -> Status:
    process = record.process()
    state = record.state if process or record.state in ("waiting", "failed", "restarting", "stopped") else "dead"
    return Status(
        name=record.name,
        title=record.title,
        url=record.url,
        state=state,
        pid=process.pid if process else None,
        # The supervisor's children are counted on their own lines.
        memory=memory_of(([process] if record.name == SUPERVISOR else _family(process)) if process else []),
        restarts=record.restarts,
        detail=record.detail,
        note=record.note,
    )


def read_status(stack: Stack) -> list[Status]:
    """Look at every process of the stack, in order of start, the supervisor first."""
    order = {name: place for place, name in enumerate(SERVICE_ORDER)}
    records = sorted(read_records(stack.run), key=lambda record: order.get(record.name, len(order)))
    supervisor = supervisor_process(stack)
    if supervisor is not None:
        own = Record(
            name=SUPERVISOR,
            title="Supervisor",
            state="ready",
            pid=supervisor.pid,
            create_time=supervisor.create_time(),
        )
        records.insert(0, own)
    return [_status(record) for record in records]


def status_table(lines: list[Status]) -> RenderableType:
    """Lay the status out for a terminal of 80 columns; what a person must know stands loudly below the table."""
    table = Table(title="NeighborConnect", title_justify="left")
    for heading in ("name", "URL", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("memory", justify="right", no_wrap=True)
    for line in lines:
        state = Text(line.state, style=_COLOURS.get(line.state, "yellow"))
        table.add_row(line.name, line.url, state, f"{line.memory / 2**20:.0f} MiB" if line.memory else "")
    table.add_section()
    table.add_row("", "", "", f"{sum(line.memory for line in lines) / 2**20:.0f} MiB")
    troubles = (Text(f"  {line.name}: {line.detail}") for line in lines if line.detail and line.state != "ready")
    notes = (Text(f"! {line.title}: {line.note}", style="bold yellow") for line in lines if line.note)
    return Group(table, *troubles, *notes)
