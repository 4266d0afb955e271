"""Priority, environment and termination of a managed process."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from local_stack.managed_process import ManagedProcess, spawn
from local_stack.service import Service
from local_stack.service_catalog import child_environment
from local_stack.stack import open_stack


def niceness(pid: int) -> int:
    """Return the niceness of a process, which is that of its session, too, where Linux uses autogroups."""
    nice, group = psutil.Process(pid).nice(), Path(f"/proc/{pid}/autogroup")
    if group.exists():
        assert int(group.read_text().split()[-1]) == nice
    return nice


@pytest.mark.parametrize("low_priority", [False, True])
def test_low_priority_applies_to_the_whole_session(tmp_path: Path, *, low_priority: bool) -> None:
    (tmp_path / "logs").mkdir()
    service = Service(name="sleeper", title="Sleeper", command=("sleep", "60"), low_priority=low_priority)
    child = spawn(service, home=tmp_path, environment={})
    try:
        assert niceness(child.pid) == (10 if low_priority else psutil.Process().nice())
    finally:
        child.stop(stop_signal=signal.SIGTERM, seconds=5)


def test_matching_child_processes_are_reniced_as_they_appear() -> None:
    script = (
        "import subprocess, sys\n"
        "for line in sys.stdin: subprocess.Popen(['sleep', line.strip()], start_new_session=True)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, start_new_session=True) as popen:
        assert popen.stdin is not None
        process = psutil.Process(popen.pid)
        child, ours, seen = ManagedProcess(process, popen), process.nice(), set[psutil.Process]()
        try:
            for seconds, nice in (("61", ours), ("62", 10), ("62", 10)):
                popen.stdin.write(f"{seconds}\n".encode())
                popen.stdin.flush()
                while not (new := [one for one in process.children() if one not in seen and one.name() == "sleep"]):
                    time.sleep(0.02)
                seen.update(new)
                child.renice_children("sleep 62")
                assert niceness(new[0].pid) == nice
            assert niceness(popen.pid) == ours
        finally:
            for one in (*seen, process):
                one.kill()


def test_stop_kills_the_whole_session() -> None:
    script = "import subprocess,sys,time,signal; signal.signal(15, signal.SIG_IGN); subprocess.run(['sleep','60'])"
    with subprocess.Popen([sys.executable, "-c", script], start_new_session=True) as popen:
        process = psutil.Process(popen.pid)
        while not process.children():
            time.sleep(0.02)
        sleeper = process.children()[0]
        ManagedProcess(process, popen).stop(stop_signal=signal.SIGTERM, seconds=0.2)
        popen.wait()
        # It was killed; when the operating system reaps it is not under test.
        psutil.wait_procs([sleeper], timeout=10)
        assert not sleeper.is_running() or sleeper.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    "variable", ["PYTHONDONTWRITEBYTECODE", "PROMETHEUS_MULTIPROC_DIR", "PROMETHEUS_MULTIPROCESS_DIR"]
)
def test_services_inherit_no_variables_of_the_parent_process(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    assert variable not in child_environment(open_stack(folder=tmp_path, offset=900))
