"""The caller's side of the supervisor: start, stop and restart services, and wait until that is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable

import psutil

from neighborconnect.stack.catalogue import SERVICE_ORDER, services
from neighborconnect.stack.child import find_marked, log_tail
from neighborconnect.stack.errors import StackError
from neighborconnect.stack.layout import Stack
from neighborconnect.stack.preflight import check_disk, check_ports
from neighborconnect.stack.state import UP, Record, read_json, read_record, read_records, write_record
from neighborconnect.stack.supervisor import change_wish, heartbeat_file, wanted_file

_POLL_SECONDS = 0.1
_STOP_SECONDS = 30.0
# The heartbeat comes every five seconds.
SUPERVISOR_HUNG_SECONDS = 60.0

Progress = Callable[[list[Record]], None]


def supervisor_process(stack: Stack) -> psutil.Process | None:
    """Return the living supervisor, or None."""
    told = read_json(stack.run / "supervisor.json")
    if not isinstance(told, dict):
        return None
    return Record(
        name="supervisor", title="", state="ready", pid=told["pid"], create_time=told["create_time"]
    ).process()


def supervisor_hangs(stack: Stack) -> bool:
    """Return whether the supervisor is alive and does nothing, as when it was stopped by a signal."""
    if supervisor_process(stack) is None:
        return False
    try:
        silent = time.time() - heartbeat_file(stack.run).stat().st_mtime
    except FileNotFoundError:
        # An older version's, or one that has just begun.
        return False
    return silent > SUPERVISOR_HUNG_SECONDS


def is_running(stack: Stack) -> bool:
    """Return whether the supervisor or any process of the stack runs."""
    return supervisor_process(stack) is not None or bool(find_marked(stack.home))


def _clear_hung_supervisor(stack: Stack) -> None:
    """Kill a supervisor that hangs; what it started goes on, and the next one takes it over."""
    if supervisor_hangs(stack) and (process := supervisor_process(stack)) is not None:
        process.kill()
        psutil.wait_procs([process], timeout=_STOP_SECONDS)


def _ensure_supervisor(stack: Stack) -> None:
    _clear_hung_supervisor(stack)
    if supervisor_process(stack) is not None:
        return
    heartbeat_file(stack.run).unlink(missing_ok=True)
    with (stack.logs / "supervisor.log").open("ab") as output:
        subprocess.run(
            [sys.executable, "-m", "neighborconnect.stack.supervisor"],
            env=os.environ | stack.settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )


def check_start(stack: Stack, names: tuple[str, ...]) -> None:
    """Check, before anything starts, that these services can: programs, disk, and every port of those not running.

    Raises:
        StackError: when something is not installed, the disk is full, or a port is taken.
    """
    check_disk(stack)
    known = services(stack)
    running = find_marked(stack.home)
    check_ports(known[name] for name in names if name not in running)


def want(stack: Stack, names: tuple[str, ...]) -> None:
    """Have these services run in addition to those that run already; ``wait_for`` waits until they do.

    Raises:
        StackError: when something is not installed, the disk is full, or a port is taken.
    """
    check_start(stack, names)
    _change(stack, lambda wanted: (*wanted, *names))


def _change(stack: Stack, change: Callable[[tuple[str, ...]], Iterable[str]], *, restart: tuple[str, ...] = ()) -> None:
    """Change what shall run. A new supervisor takes over what a dead one left running, and starts nothing else."""
    _clear_hung_supervisor(stack)
    watched = supervisor_process(stack) is not None
    left = frozenset[str]() if watched else find_marked(stack.home).keys()
    change_wish(
        stack.run,
        lambda wanted: change(wanted if watched else tuple(name for name in SERVICE_ORDER if name in left)),
        restart=restart,
    )
    _ensure_supervisor(stack)


def restart(stack: Stack, names: tuple[str, ...]) -> None:
    """Restart services, and wait until they are ready again. What needs them goes on and connects again.

    Raises:
        StackError: when one of them does not run, or does not come up again.
    """
    before = {name: read_record(stack.run, name) for name in names}
    running = find_marked(stack.home)
    if idle := [name for name in names if name not in running]:
        raise StackError(f"Not running: {', '.join(idle)}; start with `neighborconnect start {' '.join(idle)}`.")
    if supervisor_process(stack) is None:
        # A new one takes over first: what it begins by stopping would have no part in the restart.
        _change(stack, lambda wanted: (*wanted, *names))
        wait_for(stack, names)
        before = {name: read_record(stack.run, name) for name in names}
    _change(stack, lambda wanted: (*wanted, *names), restart=names)

    def is_new(record: Record) -> bool:
        old = before[record.name]
        return old is None or record.pid not in (None, old.pid)

    wait_for(stack, names, accept=is_new)


def with_needs(stack: Stack, names: Iterable[str]) -> tuple[str, ...]:
    """Return services and all that they need, in order of start."""
    known, found = services(stack), set[str]()
    queue = list(names)
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue += known[name].after
    return tuple(name for name in SERVICE_ORDER if name in found)


def with_dependents(stack: Stack, names: Iterable[str]) -> tuple[str, ...]:
    """Return services and all running ones that need them, in order of start."""
    known, running, found = services(stack), find_marked(stack.home), set(names)
    while more := {name for name in running if name in known and found & set(known[name].after)} - found:
        found |= more
    return tuple(name for name in SERVICE_ORDER if name in found)


def wait_for(
    stack: Stack,
    names: tuple[str, ...],
    *,
    on_progress: Progress = lambda _: None,
    accept: Callable[[Record], bool] = lambda _: True,
) -> None:
    """Wait until these services are up (ready, or degraded after they were ready) and ``accept`` accepts each.

    Raises:
        StackError: when one of them cannot be kept running; names its log.
    """
    starts_left = 3
    wished = wanted_file(stack.run).stat().st_mtime
    while True:
        supervisor = supervisor_process(stack)
        if supervisor is None or supervisor_hangs(stack):
            # One may have ended for want of work just before the wish was written.
            if not starts_left:
                raise StackError(f"The supervisor does not stay up: {log_tail(stack.home, 'supervisor', lines=1)}")
            starts_left -= 1
            _ensure_supervisor(stack)
            continue
        records = [record for name in names if (record := read_record(stack.run, name))]
        current = [record for record in records if record.supervisor == supervisor.pid]
        on_progress(current)
        for record in current:
            # A failure from before the wish is about to be tried again.
            if record.state == "failed" and record.since >= wished:
                raise StackError(f"{record.title} does not run: {record.detail} (log: {stack.logs / record.name}.log)")
        if len(current) == len(names) and all(record.state in UP and accept(record) for record in current):
            return
        time.sleep(_POLL_SECONDS)


def stop(stack: Stack, names: tuple[str, ...] | None = None) -> None:
    """Stop services, or everything if None, whoever started it, and wait until it has ended."""
    _clear_hung_supervisor(stack)
    change_wish(stack.run, lambda wanted: () if names is None else (name for name in wanted if name not in names))
    while supervisor_process(stack) is not None and not supervisor_hangs(stack):
        if names is not None and not any(_runs(stack, name) for name in names):
            return
        time.sleep(_POLL_SECONDS)
    # What a dead supervisor left behind.
    _clear_hung_supervisor(stack)
    order = {name: place for place, name in enumerate(SERVICE_ORDER)}
    left = {name: child for name, child in find_marked(stack.home).items() if names is None or name in names}
    records = {record.name: record for record in read_records(stack.run) if names is None or record.name in names}
    for name in sorted(left, key=lambda name: order.get(name, len(order)), reverse=True):
        record = records.get(name)
        asking_with = signal.Signals(record.stop_signal) if record else signal.SIGTERM
        left[name].stop(asking_with=asking_with, seconds=_STOP_SECONDS)
    for record in records.values():
        record.state, record.pid, record.since = "stopped", None, time.time()
        write_record(stack.run, record)


def _runs(stack: Stack, name: str) -> bool:
    record = read_record(stack.run, name)
    return record is not None and (record.state not in ("stopped", "failed") or record.process() is not None)
