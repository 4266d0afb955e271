"""Client of the supervisor: start, stop and restart services, and wait until that is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable

import psutil

from local_stack.errors import StackError
from local_stack.managed_process import find_tagged_processes, log_tail
from local_stack.preflight import check_disk, check_ports
from local_stack.service_catalog import SERVICE_ORDER, services
from local_stack.stack import Stack
from local_stack.state import (
    UP_STATES,
    ServiceRecord,
    desired_state_file,
    heartbeat_file,
    read_json,
    read_record,
    read_records,
    update_desired_state,
    write_record,
)

_POLL_SECONDS = 0.1
_STOP_SECONDS = 30.0
# The supervisor writes its heartbeat every five seconds.
SUPERVISOR_HUNG_SECONDS = 60.0

Progress = Callable[[list[ServiceRecord]], None]


def find_supervisor(stack: Stack) -> psutil.Process | None:
    """Return the running supervisor process, or None."""
    content = read_json(stack.run / "supervisor.json")
    if not isinstance(content, dict):
        return None
    return ServiceRecord(
        name="supervisor", title="", state="ready", pid=content["pid"], create_time=content["create_time"]
    ).process()


def is_supervisor_hung(stack: Stack) -> bool:
    """Return whether the supervisor is alive without a recent heartbeat, for example suspended by a signal."""
    if find_supervisor(stack) is None:
        return False
    try:
        silence = time.time() - heartbeat_file(stack.run).stat().st_mtime
    except FileNotFoundError:
        # It has just started.
        return False
    return silence > SUPERVISOR_HUNG_SECONDS


def is_running(stack: Stack) -> bool:
    """Return whether the supervisor or any process of the stack is running."""
    return find_supervisor(stack) is not None or bool(find_tagged_processes(stack.home))


def _kill_hung_supervisor(stack: Stack) -> None:
    """Kill a hung supervisor; its services continue, and the next supervisor adopts them."""
    if is_supervisor_hung(stack) and (process := find_supervisor(stack)) is not None:
        process.kill()
        psutil.wait_procs([process], timeout=_STOP_SECONDS)


def _ensure_supervisor(stack: Stack) -> None:
    _kill_hung_supervisor(stack)
    if find_supervisor(stack) is not None:
        return
    heartbeat_file(stack.run).unlink(missing_ok=True)
    with (stack.logs / "supervisor.log").open("ab") as output:
        subprocess.run(
            [sys.executable, "-m", "local_stack.supervisor"],
            env=os.environ | stack.settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )


def check_start(stack: Stack, names: tuple[str, ...]) -> None:
    """Check that services can start: installed programs, disk space, and the ports of those that are not running.

    Raises:
        StackError: a program is not installed, the disk is full, or a port is taken.
    """
    check_disk(stack)
    available = services(stack)
    running = find_tagged_processes(stack.home)
    check_ports(available[name] for name in names if name not in running)


def request_services(stack: Stack, names: tuple[str, ...]) -> None:
    """Add services to the desired state; ``wait_until_up`` waits until they run.

    Raises:
        StackError: a program is not installed, the disk is full, or a port is taken.
    """
    check_start(stack, names)
    _change(stack, lambda requested: (*requested, *names))


def _change(stack: Stack, change: Callable[[tuple[str, ...]], Iterable[str]], *, restart: tuple[str, ...] = ()) -> None:
    """Change the desired state. A new supervisor adopts the processes of a dead one, and starts no others."""
    _kill_hung_supervisor(stack)
    is_supervised = find_supervisor(stack) is not None
    left = frozenset[str]() if is_supervised else find_tagged_processes(stack.home).keys()
    update_desired_state(
        stack.run,
        lambda requested: change(requested if is_supervised else tuple(name for name in SERVICE_ORDER if name in left)),
        restart=restart,
    )
    _ensure_supervisor(stack)


def restart(stack: Stack, names: tuple[str, ...]) -> None:
    """Restart services, and wait until they are ready again. Their dependents keep running and reconnect.

    Raises:
        StackError: one of them is not running, or does not become ready again.
    """
    before = {name: read_record(stack.run, name) for name in names}
    running = find_tagged_processes(stack.home)
    if idle := [name for name in names if name not in running]:
        raise StackError(f"Not running: {', '.join(idle)}; start with `neighborconnect start {' '.join(idle)}`.")
    if find_supervisor(stack) is None:
        # Let a new supervisor adopt the processes first: those that it stops at adoption need no further restart.
        _change(stack, lambda requested: (*requested, *names))
        wait_until_up(stack, names)
        before = {name: read_record(stack.run, name) for name in names}
    _change(stack, lambda requested: (*requested, *names), restart=names)

    def is_new(record: ServiceRecord) -> bool:
        old = before[record.name]
        return old is None or record.pid not in (None, old.pid)

    wait_until_up(stack, names, accept=is_new)


def with_dependencies(stack: Stack, names: Iterable[str]) -> tuple[str, ...]:
    """Return services and their transitive dependencies, in start order."""
    available, selected = services(stack), set[str]()
    queue = list(names)
    while queue:
        name = queue.pop()
        if name not in selected:
            selected.add(name)
            queue += available[name].depends_on
    return tuple(name for name in SERVICE_ORDER if name in selected)


def with_dependents(stack: Stack, names: Iterable[str]) -> tuple[str, ...]:
    """Return services and their running transitive dependents, in start order."""
    available, running, selected = services(stack), find_tagged_processes(stack.home), set(names)
    while (
        more := {name for name in running if name in available and selected & set(available[name].depends_on)}
        - selected
    ):
        selected |= more
    return tuple(name for name in SERVICE_ORDER if name in selected)


def wait_until_up(
    stack: Stack,
    names: tuple[str, ...],
    *,
    on_progress: Progress = lambda _: None,
    accept: Callable[[ServiceRecord], bool] = lambda _: True,
) -> None:
    """Wait until these services are up (ready, or degraded after they were ready) and ``accept`` accepts each.

    Raises:
        StackError: one of them fails; the message names its log.
    """
    starts_left = 3
    requested_at = desired_state_file(stack.run).stat().st_mtime
    while True:
        supervisor = find_supervisor(stack)
        if supervisor is None or is_supervisor_hung(stack):
            # It may have exited for lack of desired services just before the desired state changed.
            if not starts_left:
                raise StackError(f"The supervisor does not stay up: {log_tail(stack.home, 'supervisor', lines=1)}")
            starts_left -= 1
            _ensure_supervisor(stack)
            continue
        records = [record for name in names if (record := read_record(stack.run, name))]
        current = [record for record in records if record.supervisor == supervisor.pid]
        on_progress(current)
        for record in current:
            # A failure from before the request is about to be retried.
            if record.state == "failed" and record.since >= requested_at:
                raise StackError(f"{record.title} does not run: {record.detail} (log: {stack.logs / record.name}.log)")
        if len(current) == len(names) and all(record.state in UP_STATES and accept(record) for record in current):
            return
        time.sleep(_POLL_SECONDS)


def stop(stack: Stack, names: tuple[str, ...] | None = None) -> None:
    """Stop services, or everything if None, and wait until they have ended."""
    _kill_hung_supervisor(stack)
    update_desired_state(
        stack.run, lambda requested: () if names is None else (name for name in requested if name not in names)
    )
    while find_supervisor(stack) is not None and not is_supervisor_hung(stack):
        if names is not None and not any(_is_service_running(stack, name) for name in names):
            return
        time.sleep(_POLL_SECONDS)
    # Processes that a dead supervisor left running.
    _kill_hung_supervisor(stack)
    order = {name: position for position, name in enumerate(SERVICE_ORDER)}
    left = {name: child for name, child in find_tagged_processes(stack.home).items() if names is None or name in names}
    records = {record.name: record for record in read_records(stack.run) if names is None or record.name in names}
    for name in sorted(left, key=lambda name: order.get(name, len(order)), reverse=True):
        record = records.get(name)
        stop_signal = signal.Signals(record.stop_signal) if record else signal.SIGTERM
        left[name].stop(stop_signal=stop_signal, seconds=_STOP_SECONDS)
    for record in records.values():
        record.state, record.pid, record.since = "stopped", None, time.time()
        write_record(stack.run, record)


def _is_service_running(stack: Stack, name: str) -> bool:
    record = read_record(stack.run, name)
    return record is not None and (record.state not in ("stopped", "failed") or record.process() is not None)
