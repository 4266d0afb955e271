"""A process of the platform: how it is started beside the others, and ended with all that it began."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from neighborconnect.stack.catalogue import child_environment
from neighborconnect.stack.child import Child, spawn
from neighborconnect.stack.layout import open_stack
from neighborconnect.stack.service import Service


def niceness(pid: int) -> int:
    """Return how nice a process is, which its session is, too, where Linux shares out by session."""
    nice, group = psutil.Process(pid).nice(), Path(f"/proc/{pid}/autogroup")
    if group.exists():
        assert int(group.read_text().split()[-1]) == nice
    return nice


@pytest.mark.parametrize("yields", [False, True])
def test_who_yields_steps_back_for_others_and_not_only_in_its_own_session(tmp_path: Path, *, yields: bool) -> None:
    (tmp_path / "logs").mkdir()
    service = Service(name="sleeper", title="Sleeper", command=("sleep", "60"), yields=yields)
    child = spawn(service, home=tmp_path, environment={})
    try:
        assert niceness(child.pid) == (10 if yields else psutil.Process().nice())
    finally:
        child.stop(asking_with=signal.SIGTERM, seconds=5)


def test_processes_of_a_service_step_back_by_what_they_are_called_and_those_that_come_later_too() -> None:
    script = (
        "import subprocess, sys\n"
        "for line in sys.stdin: subprocess.Popen(['sleep', line.strip()], start_new_session=True)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, start_new_session=True) as popen:
        assert popen.stdin is not None
        process = psutil.Process(popen.pid)
        child, ours, seen = Child(process, popen), process.nice(), set[psutil.Process]()
        try:
            for seconds, nice in (("61", ours), ("62", 10), ("62", 10)):
                popen.stdin.write(f"{seconds}\n".encode())
                popen.stdin.flush()
                while not (new := [one for one in process.children() if one not in seen and one.name() == "sleep"]):
                    time.sleep(0.02)
                seen.update(new)
                child.step_back_in_part("sleep 62")
                assert niceness(new[0].pid) == nice
            assert niceness(popen.pid) == ours
        finally:
            for one in (*seen, process):
                one.kill()


def test_the_whole_session_of_a_stubborn_child_is_ended() -> None:
    script = "import subprocess,sys,time,signal; signal.signal(15, signal.SIG_IGN); subprocess.run(['sleep','60'])"
    with subprocess.Popen([sys.executable, "-c", script], start_new_session=True) as popen:
        process = psutil.Process(popen.pid)
        while not process.children():
            time.sleep(0.02)
        sleeper = process.children()[0]
        Child(process, popen).stop(asking_with=signal.SIGTERM, seconds=0.2)
        popen.wait()
        # It was killed; how soon the kernel has buried it is not ours.
        psutil.wait_procs([sleeper], timeout=10)
        assert not sleeper.is_running() or sleeper.status() == psutil.STATUS_ZOMBIE


def test_what_processes_compile_is_kept_whatever_the_shell_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in child_environment(open_stack(folder=tmp_path, offset=900))
