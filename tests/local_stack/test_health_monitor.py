"""Health probes of running services: a hung service is restarted, a degraded one is not."""

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

from local_stack.errors import NoResponseError, NotReadyError
from local_stack.health_monitor import HealthMonitor, ProbeLimits
from local_stack.health_probes import grpc_health
from local_stack.servers.valkey import valkey
from local_stack.service import Service
from local_stack.service_catalog import child_environment, services
from local_stack.service_supervisor import ServiceSupervisor
from local_stack.stack import Stack, open_stack
from local_stack.state import ServiceRecord, read_record
from neighborconnect.settings import Settings
from tests.conftest import offset_for_tests

FAST = ProbeLimits(period=0.2, retry=0.2, probe=3.0, failures=3)


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.05)


def record_of(stack: Stack, name: str) -> ServiceRecord:
    record = read_record(stack.run, name)
    assert record is not None
    return record


@contextmanager
def supervised(stack: Stack, *service_list: Service) -> Iterator[dict[str, ServiceSupervisor]]:
    """Supervise services with fast probes."""
    supervisors: dict[str, ServiceSupervisor] = {}
    for service in service_list:
        supervisors[service.name] = ServiceSupervisor(
            service, stack=stack, environment=child_environment(stack), peers=supervisors, limits=FAST
        )
    try:
        for supervisor in supervisors.values():
            supervisor.start()
        for supervisor in supervisors.values():
            until(lambda supervisor=supervisor: supervisor.ready.is_set() or supervisor.failed.is_set())  # type: ignore[misc]
            assert not supervisor.failed.is_set(), record_of(stack, supervisor.name).detail
        yield supervisors
    finally:
        for supervisor in reversed(supervisors.values()):
            supervisor.request_stop()
            supervisor.join()


def assert_restarted_when_hung(stack: Stack, name: str) -> None:
    """Suspend the process of a service, and assert that it is reported as unresponsive and replaced."""
    before = record_of(stack, name)
    assert before.pid is not None
    os.kill(before.pid, signal.SIGSTOP)
    until(lambda: record_of(stack, name).state == "unresponsive")
    until(lambda: record_of(stack, name).pid not in (None, before.pid) and record_of(stack, name).state == "ready")
    assert record_of(stack, name).restarts == before.restarts + 1
    assert record_of(stack, name).probed_at > before.probed_at


@pytest.fixture
def stack(tmp_path: Path, server_processes: None) -> Stack:
    return open_stack(folder=tmp_path, offset=offset_for_tests(start=8_000))


def test_hung_server_is_restarted(stack: Stack) -> None:
    with supervised(stack, replace(valkey(stack), hung_seconds=1)):
        assert_restarted_when_hung(stack, "redis")


def test_not_ready_server_is_degraded_and_keeps_running(stack: Stack) -> None:
    with supervised(stack, replace(valkey(stack), hung_seconds=1)):
        before = record_of(stack, "redis")
        with redis.Redis.from_url(stack.redis_url(0)) as client:
            client.config_set("requirepass", "another")
            until(lambda: record_of(stack, "redis").state == "degraded")
            assert "WRONGPASS" in record_of(stack, "redis").detail
            # Long enough for a restart, if this counted as no response.
            degraded = record_of(stack, "redis").probed_at
            until(lambda: record_of(stack, "redis").probed_at > degraded + 2)
            client.config_set("requirepass", stack.secrets["redis"])
        until(lambda: record_of(stack, "redis").state == "ready")
        assert (record_of(stack, "redis").pid, record_of(stack, "redis").restarts) == (before.pid, 0)


def test_failed_service_is_started_again_later(stack: Stack, tmp_path: Path) -> None:
    space = tmp_path / "space"

    def check() -> None:
        if not space.exists():
            raise NotReadyError("no space left")

    service = Service(
        name="client",
        title="Client",
        command=("sh", "-c", f"test -e {space} && exec sleep 600"),
        check=check,
        hung_seconds=1_000,
    )
    limits = replace(FAST, failed_retry=2.0)
    supervisor = ServiceSupervisor(service, stack=stack, environment=child_environment(stack), peers={}, limits=limits)
    supervisor.start()
    try:
        until(lambda: (record := read_record(stack.run, "client")) is not None and record.state == "failed")
        assert "5 times" in record_of(stack, "client").detail
        space.touch()
        until(supervisor.ready.is_set)
        until(lambda: record_of(stack, "client").state == "ready")
        assert not supervisor.failed.is_set()
    finally:
        supervisor.request_stop()
        supervisor.join()


def test_service_is_not_restarted_for_a_hung_dependency(stack: Stack) -> None:
    server = replace(valkey(stack), hung_seconds=1_000)
    client = Service(
        name="client",
        title="Client",
        command=("sleep", "600"),
        depends_on=("redis",),
        check=server.check,
        hung_seconds=1,
    )
    with supervised(stack, server, client):
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
def test_hung_platform_process_is_restarted(servers: Stack, settings: Settings, name: str) -> None:
    with supervised(servers, replace(services(servers)[name], depends_on=(), hung_seconds=1)):
        assert_restarted_when_hung(servers, name)


@pytest.mark.usefixtures("server_processes")
def test_suspended_code_server_is_unresponsive(tmp_path: Path) -> None:
    (tmp_path / "definitions.py").write_text("import dagster\ndefs = dagster.Definitions()\n")
    path = tmp_path / "socket"
    check = grpc_health(f"unix:{path}", service="DagsterApi")
    command = ["dagster", "api", "grpc", "-f", "definitions.py", "--socket", str(path)]
    with subprocess.Popen([sys.executable, "-m", *command], cwd=tmp_path) as process:
        try:
            until(lambda: process.poll() is not None or _passes(check))
            process.send_signal(signal.SIGSTOP)
            with pytest.raises(NoResponseError, match="DEADLINE_EXCEEDED"):
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


def test_endless_probe_counts_until_a_late_response() -> None:
    released, calls = threading.Event(), []

    def check() -> None:
        calls.append(time.monotonic())
        released.wait()

    limits = ProbeLimits(period=0.01, retry=0.01, probe=0.05, failures=3)
    monitor = HealthMonitor(check, hung_seconds=0.0, limits=limits)
    until(lambda: bool(monitor.poll() or True) and monitor.is_hung)
    assert len(calls) == 1
    assert (monitor.state, monitor.is_responsive) == ("unresponsive", False)
    assert "no response to 3 health probes" in monitor.restart_reason
    released.set()
    until(lambda: bool(monitor.poll() or True) and monitor.state == "ready")
    assert (monitor.is_hung, monitor.is_responsive, monitor.detail) == (False, True, "")
