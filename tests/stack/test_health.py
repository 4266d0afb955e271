"""Health is probed while a service runs: what hangs is restarted, what is only not ready is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from neighborconnect.settings import Settings
from neighborconnect.stack.catalogue import child_environment, services
from neighborconnect.stack.errors import NoAnswerError, NotReadyError
from neighborconnect.stack.health import Limits, Monitor
from neighborconnect.stack.keeper import Keeper
from neighborconnect.stack.layout import Stack, open_stack
from neighborconnect.stack.probes import grpc_health
from neighborconnect.stack.service import Service
from neighborconnect.stack.state import Record, read_record
from neighborconnect.stack.valkey import valkey
from tests.conftest import offset_for_tests

FAST = Limits(period=0.2, retry=0.2, probe=3.0, failures=3)


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.05)


def record_of(stack: Stack, name: str) -> Record:
    record = read_record(stack.run, name)
    assert record is not None
    return record


@contextmanager
def kept(stack: Stack, *service_list: Service) -> Iterator[dict[str, Keeper]]:
    """Keep services with fast probes."""
    keepers: dict[str, Keeper] = {}
    for service in service_list:
        keepers[service.name] = Keeper(
            service, stack=stack, environment=child_environment(stack), peers=keepers, limits=FAST
        )
    try:
        for keeper in keepers.values():
            keeper.start()
        for keeper in keepers.values():
            until(lambda keeper=keeper: keeper.ready.is_set() or keeper.failed.is_set())  # type: ignore[misc]
            assert not keeper.failed.is_set(), record_of(stack, keeper.name).detail
        yield keepers
    finally:
        for keeper in reversed(keepers.values()):
            keeper.ask_to_stop()
            keeper.join()


def hangs_and_is_restarted(stack: Stack, name: str) -> None:
    """Stop the process of a service by a signal, and see it shown and replaced."""
    before = record_of(stack, name)
    assert before.pid is not None
    os.kill(before.pid, signal.SIGSTOP)
    until(lambda: record_of(stack, name).state == "unresponsive")
    until(lambda: record_of(stack, name).pid not in (None, before.pid) and record_of(stack, name).state == "ready")
    assert record_of(stack, name).restarts == before.restarts + 1
    assert record_of(stack, name).probed_at > before.probed_at


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return open_stack(folder=tmp_path, offset=offset_for_tests(start=8_000))


def test_a_server_that_hangs_is_restarted(stack: Stack) -> None:
    with kept(stack, replace(valkey(stack), hung_seconds=1)):
        hangs_and_is_restarted(stack, "redis")


def test_a_server_that_answers_that_it_is_not_ready_is_degraded_and_runs_on(stack: Stack) -> None:
    with kept(stack, replace(valkey(stack), hung_seconds=1)):
        before = record_of(stack, "redis")
        with redis.Redis.from_url(stack.redis_url(0)) as client:
            client.config_set("requirepass", "another")
            until(lambda: record_of(stack, "redis").state == "degraded")
            assert "WRONGPASS" in record_of(stack, "redis").detail
            # Long enough for a restart, had this been no answer.
            degraded = record_of(stack, "redis").probed_at
            until(lambda: record_of(stack, "redis").probed_at > degraded + 2)
            client.config_set("requirepass", stack.secrets["redis"])
        until(lambda: record_of(stack, "redis").state == "ready")
        assert (record_of(stack, "redis").pid, record_of(stack, "redis").restarts) == (before.pid, 0)


def test_a_service_is_not_restarted_for_a_hung_one_that_it_needs(stack: Stack) -> None:
    server = replace(valkey(stack), hung_seconds=1_000)
    client = Service(
        name="client", title="Client", command=("sleep", "600"), after=("redis",), check=server.check, hung_seconds=1
    )
    with kept(stack, server, client):
        before, pid = record_of(stack, "client"), record_of(stack, "redis").pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        until(lambda: record_of(stack, "client").state == "unresponsive")
        unresponsive = record_of(stack, "client").probed_at
        until(lambda: record_of(stack, "client").probed_at > unresponsive + 8)
        os.kill(pid, signal.SIGCONT)
        until(lambda: record_of(stack, "client").state == "ready")
        assert (record_of(stack, "client").pid, record_of(stack, "client").restarts) == (before.pid, 0)


@pytest.mark.parametrize("name", ["api", "relay"])
def test_a_process_of_ours_that_hangs_is_restarted(servers: Stack, settings: Settings, name: str) -> None:
    with kept(servers, replace(services(servers)[name], after=(), hung_seconds=1)):
        hangs_and_is_restarted(servers, name)


def test_a_stopped_code_server_gives_no_answer_though_its_socket_is_open(tmp_path: Path) -> None:
    (tmp_path / "definitions.py").write_text("import dagster\ndefs = dagster.Definitions()\n")
    path = tmp_path / "socket"
    check = grpc_health(f"unix:{path}", service="DagsterApi")
    command = ["dagster", "api", "grpc", "-f", "definitions.py", "--socket", str(path)]
    with subprocess.Popen([sys.executable, "-m", *command], cwd=tmp_path) as process:
        try:
            until(lambda: process.poll() is not None or _passes(check))
            process.send_signal(signal.SIGSTOP)
            with pytest.raises(NoAnswerError, match="DEADLINE_EXCEEDED"):
                check()
            process.send_signal(signal.SIGCONT)
            check()
        finally:
            process.kill()


def _passes(check: Callable[[], None]) -> bool:
    try:
        check()
    except NotReadyError:
        return False
    return True


def test_a_probe_that_never_ends_counts_and_a_late_answer_ends_the_count() -> None:
    released, calls = threading.Event(), []

    def check() -> None:
        calls.append(time.monotonic())
        released.wait()

    limits = Limits(period=0.01, retry=0.01, probe=0.05, failures=3)
    monitor = Monitor(check, hung_seconds=0.0, limits=limits)
    until(lambda: bool(monitor.poll() or True) and monitor.is_hung)
    assert len(calls) == 1
    assert (monitor.state, monitor.answers) == ("unresponsive", False)
    assert "no answer to 3 health probes" in monitor.verdict
    released.set()
    until(lambda: bool(monitor.poll() or True) and monitor.state == "ready")
    assert (monitor.is_hung, monitor.answers, monitor.detail) == (False, True, "")
