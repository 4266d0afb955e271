"""A process of the platform: how it is started beside the others, and ended with all that it began."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from neighborconnect.stack.child import Child, spawn
from neighborconnect.stack.service import Service


@pytest.mark.parametrize("yields", [False, True])
def test_who_yields_steps_back_for_others_and_not_only_in_its_own_session(tmp_path: Path, *, yields: bool) -> None:
    (tmp_path / "logs").mkdir()
    service = Service(name="sleeper", title="Sleeper", command=("sleep", "60"), yields=yields)
    child = spawn(service, home=tmp_path, environment={})
    try:
        assert psutil.Process(child.pid).nice() == (10 if yields else psutil.Process().nice())
        group = Path(f"/proc/{child.pid}/autogroup")
        if group.exists():  # A Linux that was built to share out by session.
            assert group.read_text().split()[-1] == ("10" if yields else "0")
    finally:
        child.stop(asking_with=signal.SIGTERM, seconds=5)


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
