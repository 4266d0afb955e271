"""The caller's side of the supervisor: say what shall run, wait for it, say that nothing shall."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil

from neighborconnect.stack.catalogue import SERVICE_ORDER, services
from neighborconnect.stack.child import find_marked, log_tail
from neighborconnect.stack.errors import StackError
from neighborconnect.stack.layout import Stack
from neighborconnect.stack.preflight import check_disk, check_ports
from neighborconnect.stack.state import Record, read_json, read_record, read_records, write_record
from neighborconnect.stack.supervisor import read_wish, write_wish

_POLL_SECONDS = 0.1
_STOP_SECONDS = 30.0

Progress = Callable[[list[Record]], None]


def supervisor_process(stack: Stack) -> psutil.Process | None:
    """Return the living supervisor, or None."""
    told = read_json(stack.run / "supervisor.json")
    if not isinstance(told, dict):
        return None
    return Record(
        name="supervisor", title="", state="ready", pid=told["pid"], create_time=told["create_time"]
    ).process()


def is_running(stack: Stack) -> bool:
    """Return whether the supervisor or any process of the stack runs."""
    return supervisor_process(stack) is not None or bool(find_marked(stack.home))


def _ensure_supervisor(stack: Stack) -> None:
    if supervisor_process(stack) is not None:
        return
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
    running = read_wish(stack.run).names if supervisor_process(stack) else ()
    write_wish(stack.run, (*running, *(name for name in names if name not in running)))
    _ensure_supervisor(stack)


def wait_for(stack: Stack, names: tuple[str, ...], *, on_progress: Progress = lambda _: None) -> None:
    """Wait until these services are ready.

    Raises:
        StackError: when one of them cannot be kept running; names its log.
    """
    starts_left = 3
    while True:
        supervisor = supervisor_process(stack)
        if supervisor is None:
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
            if record.state == "failed":
                raise StackError(f"{record.title} does not run: {record.detail} (log: {stack.logs / record.name}.log)")
        if len(current) == len(names) and all(record.state == "ready" for record in current):
            return
        time.sleep(_POLL_SECONDS)


def stop(stack: Stack) -> None:
    """Stop everything that runs, whoever started it, and wait until it has ended."""
    write_wish(stack.run, ())
    while supervisor_process(stack) is not None:
        time.sleep(_POLL_SECONDS)
    # Whatever a killed supervisor left behind.
    order = {name: place for place, name in enumerate(SERVICE_ORDER)}
    left = find_marked(stack.home)
    records = {record.name: record for record in read_records(stack.run)}
    for name in sorted(left, key=lambda name: order.get(name, len(order)), reverse=True):
        record = records.get(name)
        asking_with = signal.Signals(record.stop_signal) if record else signal.SIGTERM
        left[name].stop(asking_with=asking_with, seconds=_STOP_SECONDS)
    for record in records.values():
        record.state, record.pid = "stopped", None
        write_record(stack.run, record)
