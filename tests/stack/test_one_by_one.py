"""Services start, stop and restart one by one; a start without a terminal says how it goes."""

from __future__ import annotations

import io
import re
import signal
from threading import Event

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from neighborconnect.cli import build
from neighborconnect.stack.catalogue import SERVERS
from neighborconnect.stack.child import spawn
from neighborconnect.stack.control import with_dependents, with_needs
from neighborconnect.stack.layout import Stack
from neighborconnect.stack.progress import reminding, start
from neighborconnect.stack.service import Service
from tests.stack.test_health import record_of


def command(*arguments: str) -> Result:
    return CliRunner().invoke(build(list(arguments)), list(arguments))


def pids(stack: Stack) -> dict[str, int | None]:
    return {name: record_of(stack, name).pid for name in SERVERS}


def test_one_service_is_restarted_and_the_others_go_on(servers: Stack) -> None:
    before = pids(servers)
    done = command("restart", "redis")
    assert done.exit_code == 0, done.output
    after = pids(servers)
    assert after.pop("redis") not in (None, before.pop("redis"))
    assert after == before
    assert record_of(servers, "redis").state == "ready"


def test_one_service_is_stopped_and_started_and_the_others_go_on(servers: Stack) -> None:
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


def test_what_a_service_needs_starts_with_it_and_what_needs_it_stops_with_it(servers: Stack) -> None:
    assert with_needs(servers, ["relay"]) == ("postgres", "kafka", "relay")
    assert with_needs(servers, ["dagster-webserver"]) == ("postgres", "dagster-code", "dagster-webserver")
    assert "kafka" in with_dependents(servers, ["kafka"])


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_an_unknown_service_is_refused(servers: Stack, verb: str) -> None:
    done = command(verb, "pigeon")
    assert done.exit_code == 1
    assert "There is no service pigeon; there are postgres, redis" in done.output


def test_servers_down_refuses_while_others_need_them(servers: Stack) -> None:
    before = pids(servers)
    jobs = spawn(Service(name="jobs", title="Jobs", command=("sleep", "600")), home=servers.home, environment={})
    try:
        done = command("servers", "down")
    finally:
        jobs.stop(asking_with=signal.SIGTERM, seconds=5)
    assert done.exit_code == 1
    # Tests of other parts may have left processes in this home.
    assert re.search(r"These need the servers: [a-z, -]*\bjobs\b", done.output)
    assert "Stop everything with `neighborconnect down`" in done.output
    assert pids(servers) == before


def test_a_start_without_a_terminal_prints_plain_lines(servers: Stack) -> None:
    printed = io.StringIO()
    start(servers, SERVERS, console=Console(file=printed, width=200))
    lines = printed.getvalue().splitlines()
    assert lines[0].endswith("starting postgres, redis, s3, kafka")
    assert {line.partition(" ")[2] for line in lines[1:]} >= {f"{name}: ready" for name in SERVERS}


def test_a_long_step_without_a_terminal_prints_that_it_goes_on() -> None:
    class Printed(io.StringIO):
        seen = Event()

        def write(self, text: str) -> int:
            if "still" in text:
                self.seen.set()
            return super().write(text)

    printed = Printed()
    with reminding(Console(file=printed, width=200), lambda: "still at it", seconds=0.01):
        assert printed.seen.wait(60)
