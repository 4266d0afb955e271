"""State, URL and memory of each process of a stack."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

import psutil
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from neighborconnect.stack.catalogue import SERVERS, SERVICE_ORDER
from neighborconnect.stack.control import supervisor_hangs, supervisor_process
from neighborconnect.stack.layout import Stack
from neighborconnect.stack.state import Record, read_records
from neighborconnect.stack.supervisor import heartbeat_file, read_wish

SUPERVISOR = "supervisor"
_COLORS = {"ready": "green", "failed": "red", "dead": "red", "unresponsive": "red", "stopped": "dim"}
# States of a service that has no process.
_IDLE = ("waiting", "failed", "restarting", "stopped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One line of the table.

    Attributes:
        state: the state by the last health probe; ``unwatched`` when the supervisor is dead and the process is not.
        probe_age: seconds since the last health probe; None where there was none.
        memory: proportional set size in bytes of the process and all below it.
    """

    name: str
    title: str
    url: str
    state: str
    probe_age: float | None
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


def _status(record: Record, *, watched: bool) -> Status:
    process = record.process()
    state: str = record.state
    if process is None and (state not in _IDLE or record.name == SUPERVISOR):
        state = "dead"
    elif process is not None and not watched and record.name != SUPERVISOR:
        state = "unwatched"
    return Status(
        name=record.name,
        title=record.title,
        url=record.url,
        state=state,
        probe_age=round(max(0.0, time.time() - record.probed_at), 1) if record.probed_at else None,
        pid=process.pid if process else None,
        # The supervisor's children are counted on their own lines.
        memory=memory_of(([process] if record.name == SUPERVISOR else _family(process)) if process else []),
        restarts=record.restarts,
        detail=record.detail,
        note=record.note,
    )


def _supervisor(stack: Stack, records: list[Record]) -> Record | None:
    """Describe the supervisor; None when there is none and nothing that it should watch."""
    wanted = read_wish(stack.run).names
    command = "neighborconnect servers up" if wanted and set(wanted) <= set(SERVERS) else "neighborconnect up"
    remedy = f"nothing is watched or restarted; `{command}` starts a new one, which takes over what runs"
    process = supervisor_process(stack)
    if process is None:
        if not wanted and not any(record.process() for record in records):
            return None
        return Record(name=SUPERVISOR, title="Supervisor", state="failed", detail=f"the supervisor is dead: {remedy}")
    hangs = supervisor_hangs(stack)
    beat = heartbeat_file(stack.run)
    return Record(
        name=SUPERVISOR,
        title="Supervisor",
        state="unresponsive" if hangs else "ready",
        pid=process.pid,
        create_time=process.create_time(),
        detail=f"the supervisor hangs: {remedy}" if hangs else "",
        probed_at=beat.stat().st_mtime if beat.exists() else 0.0,
    )


def read_status(stack: Stack) -> list[Status]:
    """Return the state of every process of the stack, in order of start, the supervisor first."""
    order = {name: place for place, name in enumerate(SERVICE_ORDER)}
    records = sorted(read_records(stack.run), key=lambda record: order.get(record.name, len(order)))
    supervisor = _supervisor(stack, records)
    watched = supervisor is not None and supervisor.state == "ready"
    return [_status(record, watched=watched) for record in ((supervisor, *records) if supervisor else records)]


def supervisor_problem(lines: list[Status]) -> str:
    """Return what is wrong with the supervisor and what to do; empty when nothing is."""
    return next((line.detail for line in lines if line.name == SUPERVISOR and line.state != "ready"), "")


def status_table(lines: list[Status]) -> RenderableType:
    """Lay the status out for a terminal of 80 columns; what a person must know stands loudly below the table."""
    table = Table(title="NeighborConnect", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("name", "URL", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("probed", justify="right", no_wrap=True)
    table.add_column("MiB", justify="right", no_wrap=True)
    for line in lines:
        state = Text(line.state, style=_COLORS.get(line.state, "yellow"))
        age = "" if line.probe_age is None or line.state in _IDLE else f"{line.probe_age:.0f} s ago"
        table.add_row(line.name, line.url, state, age, f"{line.memory / 2**20:.0f}" if line.memory else "")
    table.add_section()
    table.add_row("", "", "", "", f"{sum(line.memory for line in lines) / 2**20:.0f}")
    troubles = (Text(f"  {line.name}: {line.detail}") for line in lines if line.detail and line.state != "ready")
    notes = (Text(f"! {line.title}: {line.note}", style="bold yellow") for line in lines if line.note)
    return Group(table, *troubles, *notes)
