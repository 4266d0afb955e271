"""Start, stop and restart of single services, and their progress without a terminal."""

from __future__ import annotations

import io
import re
import signal
from threading import Event

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from local_stack.managed_process import spawn
from local_stack.progress import periodic_message, start
from local_stack.service import Service
from local_stack.service_catalog import SERVERS
from local_stack.stack import Stack
from local_stack.supervisor_client import with_dependencies, with_dependents
from neighborconnect.cli import build
from tests.local_stack.test_health_monitor import record_of


def command(*arguments: str) -> Result:
    return CliRunner().invoke(build(list(arguments)), list(arguments))


def pids(stack: Stack) -> dict[str, int | None]:
    return {name: record_of(stack, name).pid for name in SERVERS}


def test_restart_of_one_service_leaves_the_others_running(servers: Stack) -> None:
    before = pids(servers)
    done = command("restart", "redis")
    assert done.exit_code == 0, done.output
    after = pids(servers)
    assert after.pop("redis") not in (None, before.pop("redis"))
    assert after == before
    assert record_of(servers, "redis").state == "ready"


def test_stop_and_start_of_one_service_leave_the_others(servers: Stack) -> None:
    before = pids(servers)
    stopped = command("stop", "redis")
    assert stopped.exit_code == 0, stopped.output
    assert (record_of(servers, "redis").state, record_of(servers, "redis").pid) == ("stopped", None)
    assert "Not running: redis; start with `neighborconnect start redis`" in command("restart", "redis").output
    started = command("start", "redis")
    assert started.exit_code == 0, started.output
    after = pids(servers)
    assert after.pop("redis") not in (None, before.pop("redis"))
    assert after == before


def test_start_includes_dependencies_and_stop_dependents(servers: Stack) -> None:
    assert with_dependencies(servers, ["relay"]) == ("postgres", "kafka", "relay")
    assert with_dependencies(servers, ["dagster-webserver"]) == ("postgres", "dagster-code", "dagster-webserver")
    assert "kafka" in with_dependents(servers, ["kafka"])


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_unknown_service_is_refused(servers: Stack, verb: str) -> None:
    done = command(verb, "pigeon")
    assert done.exit_code == 1
    assert "Unknown service pigeon; the services are postgres, redis" in done.output


def test_servers_down_is_refused_while_dependents_run(servers: Stack) -> None:
    before = pids(servers)
    jobs = spawn(Service(name="jobs", title="Jobs", command=("sleep", "600")), home=servers.home, environment={})
    try:
        done = command("servers", "down")
    finally:
        jobs.stop(stop_signal=signal.SIGTERM, seconds=5)
    assert done.exit_code == 1
    # Other tests may have left processes in this home.
    assert re.search(r"These need the servers: [a-z, -]*\bjobs\b", done.output)
    assert "Stop everything with `neighborconnect down`" in done.output
    assert pids(servers) == before


def test_start_without_a_terminal_prints_plain_lines(servers: Stack) -> None:
    printed = io.StringIO()
    start(servers, SERVERS, console=Console(file=printed, width=200))
    lines = printed.getvalue().splitlines()
    assert lines[0].endswith("starting postgres, redis, s3, kafka")
    assert {line.partition(" ")[2] for line in lines[1:]} >= {f"{name}: ready" for name in SERVERS}


def test_long_step_without_a_terminal_prints_reminders() -> None:
    class Printed(io.StringIO):
        seen = Event()

        def write(self, text: str) -> int:
            if "still" in text:
                self.seen.set()
            return super().write(text)

    printed = Printed()
    with periodic_message(Console(file=printed, width=200), lambda: "still at it", seconds=0.01):
        assert printed.seen.wait(60)
