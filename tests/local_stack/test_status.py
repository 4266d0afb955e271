"""``status`` shows the live state, and reports a dead or hung supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from local_stack.service_catalog import SERVERS
from local_stack.stack import Stack
from local_stack.state import heartbeat_file
from local_stack.status import Status, read_status, supervisor_problem
from local_stack.supervisor_client import find_supervisor, is_supervisor_hung, request_services, wait_until_up
from tests.local_stack.test_health_monitor import record_of, until


def status(stack: Stack) -> tuple[int, dict[str, Status], str]:
    """Return the exit code of the command, its status lines by name, and its error output."""
    done = subprocess.run(
        [sys.executable, "-m", "neighborconnect", "status"],
        env=os.environ | stack.settings | {"COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = {line.name: line for line in read_status(stack)}
    assert all(f" {name} " in done.stdout.replace("\n", " ") for name in lines)
    return done.returncode, lines, done.stderr


def pids(stack: Stack) -> dict[str, int | None]:
    return {name: record_of(stack, name).pid for name in SERVERS}


def test_the_live_state_and_the_age_of_the_probe(servers: Stack) -> None:
    pid = record_of(servers, "kafka").pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: record_of(servers, "kafka").state == "unresponsive")
        code, lines, _ = status(servers)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (code, lines["kafka"].state, lines["redis"].state) == (0, "unresponsive", "ready")
    assert all(lines[name].probe_age is not None for name in ("supervisor", *SERVERS))
    until(lambda: record_of(servers, "kafka").state == "ready")
    assert record_of(servers, "kafka").pid == pid


def test_dead_supervisor_is_an_error_with_a_remedy(servers: Stack) -> None:
    before, supervisor = pids(servers), find_supervisor(servers)
    assert supervisor is not None
    supervisor.kill()
    until(lambda: find_supervisor(servers) is None)
    code, lines, error = status(servers)
    assert (code, lines["supervisor"].state, lines["supervisor"].pid) == (1, "dead", None)
    assert {lines[name].state for name in SERVERS} == {"unwatched"}
    assert "error: the supervisor is dead: nothing is monitored or restarted; `neighborconnect " in error
    request_services(servers, SERVERS)
    wait_until_up(servers, SERVERS)
    assert pids(servers) == before
    assert status(servers)[0] == 0


def test_hung_supervisor_is_reported_and_replaced(servers: Stack) -> None:
    before, supervisor = pids(servers), find_supervisor(servers)
    assert supervisor is not None
    until(heartbeat_file(servers.run).exists)
    supervisor.suspend()
    long_ago = time.time() - 1_000
    os.utime(heartbeat_file(servers.run), (long_ago, long_ago))
    assert is_supervisor_hung(servers)
    assert supervisor_problem(read_status(servers)).startswith("the supervisor hangs: nothing is monitored")
    request_services(servers, SERVERS)
    wait_until_up(servers, SERVERS)
    assert find_supervisor(servers) != supervisor
    assert pids(servers) == before
    assert supervisor_problem(read_status(servers)) == ""
