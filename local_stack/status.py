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

from local_stack.service_catalog import SERVERS, SERVICE_ORDER
from local_stack.stack import Stack
from local_stack.state import ServiceRecord, heartbeat_file, read_desired_state, read_records
from local_stack.supervisor_client import find_supervisor, is_supervisor_hung

SUPERVISOR = "supervisor"
_COLORS = {"ready": "green", "failed": "red", "dead": "red", "unresponsive": "red", "stopped": "dim"}
# States of a service without a process.
_IDLE = ("waiting", "failed", "restarting", "stopped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One line of the table.

    Attributes:
        state: state at the last health probe; ``unwatched`` if the supervisor is dead and the process is not.
        probe_age: seconds since the last health probe; None before the first one.
        memory: proportional set size in bytes of the process and its descendants.
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


def memory_bytes(processes: list[psutil.Process]) -> int:
    """Return the memory of processes in bytes, with shared pages counted once."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            full = process.memory_full_info()
            total += getattr(full, "pss", full.rss)
    return total


def _process_tree(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return [process, *process.children(recursive=True)]
    return []


def _status(record: ServiceRecord, *, watched: bool) -> Status:
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
        # The children of the supervisor have their own lines.
        memory=memory_bytes(([process] if record.name == SUPERVISOR else _process_tree(process)) if process else []),
        restarts=record.restarts,
        detail=record.detail,
        note=record.note,
    )


def _supervisor(stack: Stack, records: list[ServiceRecord]) -> ServiceRecord | None:
    """Describe the supervisor; None if there is none and nothing to supervise."""
    requested = read_desired_state(stack.run).names
    command = "neighborconnect servers up" if requested and set(requested) <= set(SERVERS) else "neighborconnect up"
    remedy = f"nothing is monitored or restarted; `{command}` starts a new one, which adopts the running processes"
    process = find_supervisor(stack)
    if process is None:
        if not requested and not any(record.process() for record in records):
            return None
        return ServiceRecord(
            name=SUPERVISOR, title="Supervisor", state="failed", detail=f"the supervisor is dead: {remedy}"
        )
    hangs = is_supervisor_hung(stack)
    beat = heartbeat_file(stack.run)
    return ServiceRecord(
        name=SUPERVISOR,
        title="Supervisor",
        state="unresponsive" if hangs else "ready",
        pid=process.pid,
        create_time=process.create_time(),
        detail=f"the supervisor hangs: {remedy}" if hangs else "",
        probed_at=beat.stat().st_mtime if beat.exists() else 0.0,
    )


def read_status(stack: Stack) -> list[Status]:
    """Return the state of every process of the stack: the supervisor, then the services in start order."""
    order = {name: position for position, name in enumerate(SERVICE_ORDER)}
    records = sorted(read_records(stack.run), key=lambda record: order.get(record.name, len(order)))
    supervisor = _supervisor(stack, records)
    watched = supervisor is not None and supervisor.state == "ready"
    return [_status(record, watched=watched) for record in ((supervisor, *records) if supervisor else records)]


def supervisor_problem(lines: list[Status]) -> str:
    """Return the problem of the supervisor with its remedy; empty if there is none."""
    return next((line.detail for line in lines if line.name == SUPERVISOR and line.state != "ready"), "")


def status_table(lines: list[Status]) -> RenderableType:
    """Render the status for a terminal of 80 columns, with problems and notices below the table."""
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
    problems = (Text(f"  {line.name}: {line.detail}") for line in lines if line.detail and line.state != "ready")
    notes = (Text(f"! {line.title}: {line.note}", style="bold yellow") for line in lines if line.note)
    return Group(table, *problems, *notes)
